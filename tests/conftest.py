"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(scope="package")
def shared() -> Path:
    """The folder of oracles and test images beside the checkout; a test skips where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder `shared` with oracles and test images beside the checkout")
    return folder


@pytest.fixture(scope="package")
def published_generators(shared: Path) -> Path:
    """The folder of the published weights of generators; a test skips where it is missing."""
    folder = shared / "weights" / "generators"
    if not folder.is_dir():
        pytest.skip("needs the published weights in the folder `shared`")
    return folder


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="package")
def photograph() -> torch.Tensor:
    """A 1 × 3 × 96 × 96 crop of a real photograph, in [0, 1]."""
    from skimage.data import astronaut

    crop = astronaut()[60:156, 170:266].astype(np.float32) / 255
    return torch.from_numpy(crop).permute(2, 0, 1)[None].contiguous()
