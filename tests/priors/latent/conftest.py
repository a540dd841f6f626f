"""The small generators of the tests of `generators`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_path = Path(__file__).resolve().parents[2] / "generators" / "conftest.py"
_spec = importlib.util.spec_from_file_location("small_generators", _path)
assert _spec is not None
assert _spec.loader is not None
small_generators = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(small_generators)


@pytest.fixture
def make_generator():
    return small_generators.build


@pytest.fixture
def tame():
    """A small StyleGAN whose images lie within [0, 1]."""
    network = small_generators.build("style")
    network.output.weight.data *= 0.15
    network.output.bias.data.zero_()
    return network
