"""The pictures of the tests, what damages them, and how far a restored one is from the truth.

Every draw is seeded, so that a test's bound is a bound on one known picture.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image

from zeroshot.noise import add_gaussian, random_mask
from zeroshot.operators import Blur, Downsample, Grayscale, Identity, Mask, Mosaic, Operator
from zeroshot.problem import Problem

#: The noise level that most tables of denoising have.
SIGMA = 25 / 255


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=seeded(seed))


def decibels(estimate: torch.Tensor, truth: torch.Tensor) -> float:
    """The PSNR of an image in [0, 1]; written out, so that no test measures with what it tests."""
    return -10 * math.log10((estimate - truth).square().mean().item())


# --- pictures ----------------------------------------------------------------------------------------------


@functools.cache
def sample(name: str) -> np.ndarray:
    """A picture of `skimage.data`, such as "astronaut" or "camera": H × W or H × W × 3 in 8 bits, read-only."""
    from skimage import data

    pixels = getattr(data, name)()
    pixels.flags.writeable = False
    return pixels


def as_image(pixels: np.ndarray) -> torch.Tensor:
    """8-bit pixels of H × W or H × W × C as 1 × C × H × W in [0, 1]."""
    values = np.atleast_3d(pixels).astype(np.float32) / 255
    return torch.from_numpy(values.transpose(2, 0, 1).copy())[None]


def read(path: Path | BinaryIO, mode: str | None = None) -> torch.Tensor:
    """An 8-bit file as 1 × C × H × W in [0, 1]; `mode` is that of Pillow: "L" for grey, "RGB" for colours."""
    with Image.open(path) as image:
        return as_image(np.asarray(image if mode is None else image.convert(mode)))


def grey(image: torch.Tensor) -> torch.Tensor:
    """The mean of the channels as the only one."""
    return image.mean(dim=1, keepdim=True)


# --- damage ------------------------------------------------------------------------------------------------


def with_noise(x: torch.Tensor, sigma: float = SIGMA, seed: int = 0) -> torch.Tensor:
    return add_gaussian(x, sigma, seeded(seed))


def noisy_pixels(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """8-bit pixels with noise of `sigma` levels, clipped and rounded."""
    noise = np.random.default_rng(0).normal(0, sigma, pixels.shape)
    return np.clip(np.round(pixels + noise), 0, 255).astype(np.uint8)


def measured_by(operator: Operator, x: torch.Tensor, sigma: float = 0.0, task: str = "restore") -> Problem:
    """What `operator` measures of `x`, with noise; what a mask hides is 0."""
    y = with_noise(operator(x), sigma)
    if not isinstance(operator, Mask):
        return Problem(y, operator, sigma=sigma, task=task)
    return Problem(y * operator.mask, operator, sigma=sigma, task=task, measured=operator.mask)


def denoising(x: torch.Tensor, sigma: float = SIGMA) -> Problem:
    return measured_by(Identity(), x, sigma, "denoise")


def inpainting(x: torch.Tensor, missing: float = 0.5, sigma: float = 0.0) -> Problem:
    """Random pixels are missing, in the same places for every channel."""
    return measured_by(Mask(random_mask(x.shape, missing, seeded())), x, sigma, "inpaint")


def damaged(task: str, x: torch.Tensor, sigma: float | None = None) -> Problem:
    """The damage that a task undoes; where it is not noise and not blur, free of noise unless `sigma` is given."""
    if sigma is None:
        sigma = {"denoise": SIGMA, "deblur": 2 / 255}.get(task, 0.0)
    if task == "inpaint":
        return inpainting(x, sigma=sigma)
    operators: dict[str, Operator] = {
        "denoise": Identity(),
        "sr": Downsample(2),
        "deblur": Blur.gaussian(1.5),
        "demosaic": Mosaic("RGGB"),
        "colorize": Grayscale(),
    }
    return measured_by(operators[task], x, sigma, task)
