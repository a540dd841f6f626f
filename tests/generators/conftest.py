"""Small generators for the tests."""

from __future__ import annotations

import pytest

from tests.generators.small_generators import MAKERS, build
from zeroshot.generators import Generator


@pytest.fixture(params=list(MAKERS))
def any_generator(request) -> Generator:
    return build(request.param)


@pytest.fixture
def make_generator():
    return build
