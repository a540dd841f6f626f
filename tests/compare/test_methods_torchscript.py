"""TorchScript files as methods, on small modules that the tests save themselves."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from zeroshot.compare.method import Case
from zeroshot.compare.specification import method_from


def save(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(module.eval()).save(str(path))
    return path


class Shuffled(nn.Module):
    """Enlarges twice: a convolution and a pixel shuffle."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, 4 * channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pixel_shuffle(self.convolution(x), 2)


class Told(nn.Module):
    """Subtracts the noise level."""

    def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return x - sigma


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((20, 26, 3), dtype=np.float32)


def case_of(task: str, image: np.ndarray, **options) -> Case:
    return Case.of(image, task, options)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_channels_are_those_of_the_first_convolution(channels, tmp_path, image):
    torch.manual_seed(0)
    module = Shuffled(channels)
    method = method_from(f"torchscript:{save(module, tmp_path / 'shuffled.pt')}")
    restored = method.restore(image, case_of("sr", image, scale=2))
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    with torch.no_grad():
        expected = module(tensor[:, None] if channels == 1 else tensor[None]).reshape(3, 40, 52)
    np.testing.assert_allclose(restored, expected.permute(1, 2, 0).numpy(), atol=1e-5)


def test_half_precision_and_a_noise_level(tmp_path, image):
    method = method_from(f"torchscript:{save(Told(), tmp_path / 'told.pt')}")
    np.testing.assert_allclose(
        method.restore(image, case_of("denoise", image, sigma=0.1)), image - 0.1, atol=1e-6
    )
    half = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False)).half()
    nn.init.dirac_(half[0].weight)
    method = method_from(f"torchscript:{save(half, tmp_path / 'half.pt')}")
    np.testing.assert_allclose(method.restore(image, case_of("denoise", image, sigma=0.1)), image, atol=1e-3)


def test_a_model_that_fails_says_on_what(tmp_path, image):
    method = method_from(f"torchscript:{save(nn.Conv2d(1, 1, 3), tmp_path / 'grey.pt')}[channels=rgb]")
    with pytest.raises(ValueError, match="takes images of any × 1 × any × any, got 1 × 3 × 20 × 26"):
        method.restore(image, case_of("denoise", image, sigma=0.1))
    flat = save(nn.Linear(5, 5), tmp_path / "flat.pt")
    with pytest.raises(RuntimeError, match=r"flat\.pt failed on an input of 1 × 3 × 20 × 26") as error:
        method_from(f"torchscript:{flat}").restore(image, case_of("denoise", image, sigma=0.1))
    assert "\n" not in str(error.value)


def test_a_model_that_shrinks_the_image_names_both_shapes(tmp_path, image):
    method = method_from(f"torchscript:{save(nn.Conv2d(3, 3, 3), tmp_path / 'valid.pt')}")
    with pytest.raises(
        ValueError, match="made 1 × 3 × 18 × 24 of 1 × 3 × 20 × 26, but 1 × 3 × 20 × 26 is wanted"
    ):
        method.restore(image, case_of("denoise", image, sigma=0.1))
