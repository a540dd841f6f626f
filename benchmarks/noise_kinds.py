"""Kinds of noise that pictures are given, white and not, with the model of those that have one in closed form."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from zeroshot.compare.methods.arrays import to_array, to_tensor
from zeroshot.compare.methods.enlarging import enlarge
from zeroshot.noise import NoiseModel
from zeroshot.noise.spectrum import smoothed_by
from zeroshot.operators import Downsample, Mosaic
from zeroshot.tasks.rounding import rounded

from .peers import malvar

SIGMA = 25 / 255


@dataclass(frozen=True)
class Noisy:
    """A noisy picture beside its truth, both (1, C, H, W), and the model of the noise where it is known."""

    noisy: torch.Tensor
    truth: torch.Tensor
    noise: NoiseModel | None


#: A true picture and a generator ↦ the noisy one.
Making = Callable[[torch.Tensor, torch.Generator], Noisy]


def _of_model(noise: NoiseModel) -> Making:
    return lambda truth, generator: Noisy(noise.sample(truth, generator), truth, noise)


def _white(level: float) -> Making:
    return _of_model(NoiseModel.white(level / 255))


def _smoothed(width: float) -> Making:
    """White noise after a Gaussian of standard deviation `width`, brought back to σ = 25."""
    taps = torch.exp(-torch.arange(-5, 6, dtype=torch.float64).square() / (2 * width**2))
    return _of_model(NoiseModel((0.0,), ((SIGMA**2,),), spectra=smoothed_by(taps / taps.sum())))


def _demosaicked(truth: torch.Tensor, generator: torch.Generator) -> Noisy:
    """Noise of σ = 15 on the mosaic, demosaicked by linear filters; grey pictures as if of three equal channels."""
    colours = truth.expand(-1, 3, -1, -1) if truth.shape[1] == 1 else truth
    raw = Mosaic("RGGB")(colours)
    raw = raw + 15 / 255 * torch.randn(raw.shape, generator=generator)
    found = to_tensor(malvar(to_array(raw).astype(np.float64), {}))
    return Noisy(rounded(found), colours, None)


def _compressed(quality: int) -> Making:
    """Noise of σ = 15, then JPEG."""

    def make(truth: torch.Tensor, generator: torch.Generator) -> Noisy:
        noisy = rounded(truth + 15 / 255 * torch.randn(truth.shape, generator=generator))
        file = io.BytesIO()
        Image.fromarray((to_array(noisy) * 255).round().astype(np.uint8)).save(file, "JPEG", quality=quality)
        return Noisy(to_tensor(np.asarray(Image.open(file), np.float32) / 255), truth, None)

    return make


def _enlarged(truth: torch.Tensor, generator: torch.Generator) -> Noisy:
    """Noise of σ = 25 on the picture at half its size, enlarged again; the truth goes the same way."""
    height, width = (side // 2 * 2 for side in truth.shape[-2:])
    small = Downsample(2)(truth[..., :height, :width])
    noisy = small + SIGMA * torch.randn(small.shape, generator=generator)
    return Noisy(rounded(enlarge(noisy, 2)), enlarge(small, 2).clamp(0, 1), None)


KINDS: dict[str, Making] = {
    "smoothed0.6": _smoothed(0.6),
    "smoothed1.0": _smoothed(1.0),
    "stripes": _of_model(NoiseModel((0.0,), ((0.0,),), columns=SIGMA)),
    "poisson10": _of_model(NoiseModel.photon(1 / 10)),
    "poisson30": _of_model(NoiseModel.photon(1 / 30)),
    "poisson50": _of_model(NoiseModel.photon(1 / 50)),
    "poisson-gaussian": _of_model(NoiseModel.photon(1 / 50, 10 / 255)),
    "demosaicked": _demosaicked,
    "jpeg75": _compressed(75),
    "jpeg95": _compressed(95),
    "enlarged": _enlarged,
    **{f"white{level}": _white(level) for level in (5, 15, 25, 50)},
}
