"""The noise of a picture: how strong in the dark, the middle and the bright, white, weakly correlated or correlated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from zeroshot.inspection.finding import Finding, grey
from zeroshot.noise import NoiseModel, correlated_noise

#: The intensities that stand for dark, middle and bright.
INTENSITIES = (0.1, 0.5, 0.9)
#: Less than that, on the [0, 1] scale, is the rounding of 8 bits.
_NONE = 0.8 / 255
#: Up to that length, in pixels, noise is white, and from the other on neighbours share most of it.
_WHITE, _CORRELATED = 1.005, 1.3
#: By that factor dark and bright differ before it is said.
_UNEVEN = 1.15


@dataclass(frozen=True)
class Noise(Finding):
    """The noise beside impulses and stripes.

    Attributes
    ----------
    dark, middle, bright : float
        Its standard deviation at the intensities 0.1, 0.5 and 0.9, in 8-bit grey levels, the root mean square over the
        channels.
    correlation_length : float
        In pixels; 1 for white noise.
    coarse : float or None
        Its level over a few pixels, where that is larger and the spectrum is not known.
    reason : str
        Why the confidence is low.
    before_jpeg : float or None
        Its level in the brightness before a JPEG compression that has taken its fine part.
    """

    topic: ClassVar[str] = "noise"
    dark: float
    middle: float
    bright: float
    correlation_length: float
    coarse: float | None = None
    reason: str = ""
    before_jpeg: float | None = None

    @property
    def sentence(self) -> str:
        levels = (self.dark, self.middle, self.bright)
        if self.before_jpeg is not None:
            return f"noise of about {grey(self.before_jpeg / 255)} grey levels in the brightness before the compression"
        if max(levels) <= 255 * _NONE and self.coarse is None:
            return "no noise but that of rounding"
        told = [grey(level / 255) for level in levels]
        if max(levels) > _UNEVEN * min(levels):
            strength = f"{told[0]} grey levels in the dark, {told[1]} in the middle, {told[2]} in the bright"
        else:
            strength = f"{told[1]} grey levels"
        if self.coarse is not None:
            return f"noise of {strength} pixel by pixel and {grey(self.coarse / 255)} over a few pixels"
        if self.correlation_length <= _WHITE:
            kind = "white"
        elif self.correlation_length < _CORRELATED:
            kind = "weakly correlated between neighbouring pixels"
        else:
            kind = f"correlated over {self.correlation_length:.1f} pixels"
        unsure = f" (not sure: {self.reason})" if self.reason else ""
        return f"noise of {strength}, {kind}{unsure}"


def noise_finding(model: NoiseModel, coarse: float | None = None) -> Noise:
    """A noise model as a finding.

    Parameters
    ----------
    model : NoiseModel
        As estimated.
    coarse : float, optional
        The level over a few pixels, on the [0, 1] scale, where the model does not know it.
    """
    channels = model.channels or 1
    grid = torch.tensor(INTENSITIES).expand(1, channels, 1, -1)
    dark, middle, bright = (255 * model.level(grid).square().mean(dim=(0, 1, 2)).sqrt()).tolist()
    length = model.correlation_length
    coarse = None if coarse is None else 255 * coarse
    return Noise(model.confidence, dark, middle, bright, length, coarse, model.reason)


def describe(model: NoiseModel) -> str:
    """The noise model in one line, as a run tells it."""
    return noise_finding(model).sentence


def noise_of(image: torch.Tensor, model: NoiseModel, known: torch.Tensor | None = None) -> Noise:
    """The finding for an image (C, H, W) whose noise was estimated as `model` from the `known` pixels (H, W)."""
    coarse = None
    if model.is_white:
        levels = correlated_noise(image, known)
        coarse = None if levels is None else levels.coarse
    return noise_finding(model, coarse)
