"""How wide the edges of a picture are, as the Gaussian that would make them so of sharp ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from zeroshot.colour import full_range_luma
from zeroshot.inspection.finding import Finding
from zeroshot.kernels import KINDS, blur_kernel
from zeroshot.kernels.edge_widths import ABOVE_NOISE, LEAST_SLOPE, edges, width_of_step
from zeroshot.kernels.power_law import CLEAR_GAIN
from zeroshot.operators import Blur

#: The Gaussians that the picture is blurred with once more, in pixels, the wider one where edges are wider than that.
_REBLURS, _WIDE = (1.0, 2.0), 2.2
#: How many edges there must be, and how many are looked at: those of the strongest slopes.
_LEAST_EDGES, _EDGE_SHARE = 100, 0.002
#: Wider edges than that are a blur; sharp ones measure about a half, by the width of the pixels.
_BLURRED = 1.1
#: The least radius that sharpening undoes: sharp edges measure up to 0.6.
LEAST_RADIUS = 0.65
_LEAST_SIDE = 48


@dataclass(frozen=True)
class Sharpness(Finding):
    """The width of edges.

    Attributes
    ----------
    width : float or None
        The standard deviation in pixels of the Gaussian whose blur makes the strongest edges as wide as they are, of
        which half a pixel is that of the pixels; None where there are too few edges.
    radius : float or None
        The radius that ``sharpen`` finds, see :func:`edge_radius`; None likewise.
    shape : str
        The blur whose traces are in the spectrum, in words: a motion along a line, or one out of focus; "" for none.
    """

    topic: ClassVar[str] = "sharpness"
    width: float | None
    radius: float | None = None
    shape: str = ""

    @property
    def is_blurred(self) -> bool:
        """Whether the blur is worth undoing."""
        return bool(self.shape) or (self.width is not None and self.width >= _BLURRED)

    @property
    def is_soft(self) -> bool:
        """Whether it is sharp enough not to be deblurred, and soft enough to be sharpened."""
        return not self.is_blurred and self.radius is not None and self.radius >= LEAST_RADIUS

    @property
    def sentence(self) -> str:
        if self.shape:
            return f"it is blurred: its spectrum is that of {self.shape}"
        if self.width is None:
            return ""
        if self.is_soft:
            return (
                f"it is a little soft: its edges suggest a radius of {self.radius:.2f} pixels; "
                "if the camera was shaken, deblur finds its path"
            )
        if not self.is_blurred:
            return "its edges are sharp"
        return f"it is blurred: its edges are as wide as a Gaussian of {self.width:.1f} pixels makes them"


def sharpness_of(image: torch.Tensor, sigma: float) -> Sharpness:
    """The width of edges from the ratio of slopes before and after another blur (Zhuo and Sim 2011).

    The slope in the middle of a step edge under a Gaussian of width s is 1/s of its height, and 1/√(s² + t²) after
    another one of width t. At the steepest places the ratio R of the two gives ``s = t / √(R² − 1)``; the median is
    told.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W), or (N, C, H, W), tiles of a picture.
    sigma : float
        The level of its noise: what that makes of slopes is none.
    """
    plane = _luma(image)
    if min(plane.shape[-2:]) < _LEAST_SIDE:
        return Sharpness(0.0, None)
    shape, sure_of_shape = _shape_of(image if image.ndim == 4 else image[None])
    for again in _REBLURS:
        widths = _widths(plane, again, sigma)
        if len(widths) < _LEAST_EDGES:
            return Sharpness(sure_of_shape, None, shape=shape)
        width = float(widths.median())
        if width < _WIDE:
            break
    sure = min(1.0, len(widths) / (2 * _LEAST_EDGES))
    return Sharpness(max(sure, sure_of_shape), width, edge_radius(image, sigma), shape)


def _shape_of(image: torch.Tensor) -> tuple[str, float]:
    """The line or the disk that the spectrum of the tile with the most slopes shows, in words, and how sure it is."""
    tile = max(image, key=lambda one: float(one.diff(dim=-1).abs().mean() + one.diff(dim=-2).abs().mean()))
    found = blur_kernel(tile[None], may_be_free=False)
    if found.kind not in ("motion", "defocus") or found.evidence["gain"] < CLEAR_GAIN:
        return "", 0.0
    return f"{KINDS[found.kind]} ({found.text})", found.confidence


def edge_radius(image: torch.Tensor, sigma: float) -> float | None:
    """The Gaussian, as a standard deviation in pixels, that has blurred the steepest edges; None: there are too few.

    As :func:`sharpness_of`, of the differences between a pixel and the next: a step from one pixel to the next measures
    0.44, and one that a Gaussian of 0.6 pixels or more has blurred measures that.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W), or (N, C, H, W), tiles of a picture.
    sigma : float
        The level of its noise.
    """
    plane = _luma(image)
    if min(plane.shape[-2:]) < _LEAST_SIDE:
        return None
    least, width = max(ABOVE_NOISE * sigma * math.sqrt(2), LEAST_SLOPE), None
    for again in _REBLURS:
        margin = round(3 * again) + 2
        parts = [one[..., margin:-margin, margin:-margin] for one in (plane, Blur.gaussian(again)(plane))]
        before, after = (
            torch.cat([one.diff(dim=axis).abs().flatten() for axis in (-2, -1)]) for one in parts
        )
        edge = before > least
        before, after = before[edge], after[edge]
        if len(before) < _LEAST_EDGES:
            return width
        strongest = _strongest(before, plane.numel())
        width = float(width_of_step(before[strongest], after[strongest], again).median())
        if width < _WIDE:
            break
    return width


def _luma(image: torch.Tensor) -> torch.Tensor:
    """The brightness of a picture, or of its tiles, (N, 1, H, W)."""
    image = image if image.ndim == 4 else image[None]
    return full_range_luma(image) if image.shape[1] == 3 else image


def _widths(plane: torch.Tensor, again: float, sigma: float) -> torch.Tensor:
    """The widths of the steepest edges of planes (N, 1, H, W), from another blur."""
    found = edges(plane, again, sigma)
    return found.widths[_strongest(found.slopes, plane.numel())]


def _strongest(slopes: torch.Tensor, pixels: int) -> torch.Tensor:
    """Where the strongest of the slopes are, in a picture of so many pixels."""
    return slopes.topk(min(max(_LEAST_EDGES, round(_EDGE_SHARE * pixels)), len(slopes))).indices
