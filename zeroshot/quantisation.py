"""What a quantised measurement says of an image: a data term and a constraint, from the boxes of its coefficients."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from zeroshot.checks import require_positive
from zeroshot.data_terms import DataTerm
from zeroshot.operators.jpeg_transform import JpegTransform
from zeroshot.precision import exact_sum, widened

#: The density of a uniform error within a step has the variance 1/12 of its square.
UNIFORM = 12.0


@dataclass(frozen=True, eq=False)
class Quantised(DataTerm):
    """Values that were rounded to multiples of a step Q: with t = (p − y)/Q,

    d(p, y) = 12 t² / 2 + hardness · max(|t| − ½, 0)² / 2.

    The first part is the Gaussian of the variance Q²/12 that a uniform error has. The second keeps p in the box
    |p − y| ≤ Q/2: it is the squared distance to it, so that d has a slope everywhere.

    Parameters
    ----------
    step : torch.Tensor
        Q, (C, height, width) of a unit after which it repeats down and right, on the scale of y.
    hardness : float
        The weight of leaving the box.
    """

    step: torch.Tensor = field(repr=False)
    hardness: float = 240.0

    def __post_init__(self) -> None:
        require_positive(self, "hardness")
        if self.step.ndim != 3 or not bool((self.step > 0).all()):
            raise ValueError(f"step must be (C, height, width) and positive, got {tuple(self.step.shape)}")

    @property
    def typical_curvature(self) -> float:
        """The second derivative of d in the box of a step of middle size."""
        return UNIFORM / float(self.step.square().median())

    def to(self, device: torch.device | str) -> Quantised:
        """The same with its steps on a device."""
        return replace(self, step=self.step.to(device))

    def _steps(self, y: torch.Tensor) -> torch.Tensor:
        """Q of y's shape."""
        _, height, width = self.step.shape
        return self.step.to(y).repeat(1, y.shape[-2] // height, y.shape[-1] // width)

    def penalty(self, prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        ratio = (prediction - y) / self._steps(y)
        beyond = (ratio.abs() - 0.5).clamp(min=0)
        return (UNIFORM * ratio.square() + self.hardness * beyond.square()) / 2

    def prox(self, point: torch.Tensor, y: torch.Tensor, step: float) -> torch.Tensor:
        steps = self._steps(y)
        ratio, rate = (point - y) / steps, step / steps.square()
        inside = ratio / (1 + UNIFORM * rate)
        pulled = (ratio.abs() + self.hardness / 2 * rate) / (1 + (UNIFORM + self.hardness) * rate)
        return y + steps * torch.where(inside.abs() <= 0.5, inside, pulled * ratio.sign())

    def conjugate(self, dual: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        slope = dual * self._steps(y)
        size = slope.abs()
        beyond = (size + self.hardness / 2) / (UNIFORM + self.hardness)
        inside = size / UNIFORM
        at = torch.where(inside <= 0.5, inside, beyond)
        value = (UNIFORM * at.square() + self.hardness * (at - 0.5).clamp(min=0).square()) / 2
        return dual * y + size * at - value


class JpegBoxes:
    """The set of pictures whose coefficients an encoder rounds to given ones: a constraint on the result.

    Parameters
    ----------
    transform : JpegTransform
        From the picture to the coefficients.
    y : torch.Tensor
        The dequantised coefficients (1, C, height, width) of all units, of what lies beside the picture too.
    step : torch.Tensor
        The steps of a unit, (C, height, width), on the scale of y.
    is_whole : bool
        Whether units that the picture fills in part hold its edge repeated; else nothing is known of such blocks.
    """

    #: What is kept from the faces of the boxes, in grey levels, at most a quarter of a step: rounding to 8 bits moves a
    #: coefficient by 0.29 levels, root mean square.
    margin = 1.5
    #: Projections at most. One suffices where nothing is clipped and the picture fills its units.
    iterations = 50
    #: The distance to a box, in steps, at which no more are made.
    tolerance = 1e-3

    def __init__(self, transform: JpegTransform, y: torch.Tensor, step: torch.Tensor, is_whole: bool) -> None:
        self._transform, self._y, self._is_whole = transform, y, is_whole
        rows, columns = transform.units
        self._step = step.repeat(1, rows, columns)[None]
        self._known = transform.measured() if is_whole else transform.unbroken()
        self._inverse = torch.linalg.inv(widened(transform.matrix)).float()
        self._copies = [
            (torch.arange(size) - offset).clamp(0, length - 1)
            for size, offset, length in zip(transform.canvas, transform.offset, transform.size, strict=True)
        ]

    @torch.no_grad()
    def nearest(self, image: torch.Tensor) -> torch.Tensor:
        """The picture nearest to (N, C, H, W), in Y, Cb, Cr, in [0, 1] with all coefficients in their boxes.

        The projection is exact. Projections onto the boxes, onto [0, 1] and onto what repeats its edge alternate
        where these are not met at once.
        """
        scale = torch.tensor([self.margin / 255])
        half = self._step / 2 - torch.minimum(scale, self._step / 4)
        image = image.clamp(0, 1)
        for _ in range(self.iterations):
            canvas = self._canvas(image)
            found = self._transform.coefficients(canvas)
            change = (found.clamp(self._y - half, self._y + half) - found) * self._known
            if float((change.abs() / self._step).max()) <= self.tolerance:
                break
            planes = self._shared(canvas + self._transform.planes(change))
            image = torch.einsum("dc,nchw->ndhw", self._inverse, planes).clamp(0, 1)
        return image

    def findings(self, image: torch.Tensor) -> dict[str, Any]:
        """The share of the coefficients that are in their boxes, of the image and of its values in 8 bits."""
        return {
            "coefficients_kept": self.share_kept(image),
            "coefficients_kept_in_8_bits": self.share_kept((255 * image).round() / 255),
        }

    @torch.no_grad()
    def share_kept(self, image: torch.Tensor) -> float:
        """The share of the coefficients of a picture that an encoder would round to the given ones."""
        found = self._transform.coefficients(self._canvas(image))
        kept = ((found - self._y).abs() <= self._step / 2 * (1 + self.tolerance)) * self._known
        return exact_sum(kept) / exact_sum(self._known) / image.shape[0]

    def _canvas(self, image: torch.Tensor) -> torch.Tensor:
        planes = torch.einsum("dc,nchw->ndhw", self._transform.matrix, image)
        return planes[..., self._copies[0], :][..., self._copies[1]]

    def _shared(self, canvas: torch.Tensor) -> torch.Tensor:
        """The planes of the picture nearest to those of all units: the mean of what repeats a pixel of its edge."""
        if not self._is_whole:
            return self._transform.extracted(canvas)
        for axis, copies in zip((-2, -1), self._copies, strict=True):
            length = int(copies.max()) + 1
            shape = list(canvas.shape)
            shape[axis] = length
            total = canvas.new_zeros(shape).index_add_(axis, copies, canvas)
            count = torch.bincount(copies, minlength=length).to(canvas)
            canvas = total / (count[:, None] if axis == -2 else count)
        return canvas
