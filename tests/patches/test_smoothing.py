"""The Gaussian against SciPy's."""

from __future__ import annotations

import pytest
import torch
from scipy.ndimage import gaussian_filter

from tests.pictures import uniform
from zeroshot.patches.smoothing import gaussian_blur


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (20, 31)])
def test_gaussian_blur_agrees_with_scipy(shape: tuple[int, int]) -> None:
    x = uniform(1, *shape)
    expected = gaussian_filter(x[0].double().numpy(), 1.2, mode="reflect", radius=4)
    torch.testing.assert_close(gaussian_blur(x, 1.2)[0], torch.from_numpy(expected).float())
