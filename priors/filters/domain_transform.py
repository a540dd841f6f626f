"""The domain transform: an edge-aware filter in linear time, one row and one column at a time.

Along a row the image is stretched where it changes, so that pixels across an edge lie far apart, and then
smoothed by a filter that knows nothing of edges.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch

from zeroshot.checks import require_choice, require_positive, require_whole
from zeroshot.patches.smoothing import gaussian_blur
from zeroshot.precision import widest
from zeroshot.priors.denoising import DenoisingPrior

Method = Literal["recursive", "normalized"]
Order = Literal["both", "rows_first"]

#: s and k by method, for grey and for colour images.
DEFAULTS = {"recursive": ((4.0, 1.4), (4.0, 1.0)), "normalized": ((3.0, 1.0), (3.0, 1.0))}


@dataclass(frozen=True)
class DomainTransform(DenoisingPrior):
    """x = F y, where F smooths each row and then each column on a coordinate that is stretched by edges.

    The coordinate is ∫ 1 + s/(kσ) · mean_c |∂g_c|; on it F has the standard deviation s, shared between three
    iterations of which each has half the deviation of the one before. F is the recursion
    x[n] = (1 − aᵈ) y[n] + aᵈ x[n − 1] there and back, with a = exp(−√2/s) and d the distance of the neighbours on
    the coordinate; or the mean of all pixels within √3 s. The edges are those of a guide g: the noisy image
    smoothed by a Gaussian in the first pass, the result of the pass before in the others.

    Parameters
    ----------
    method : {"recursive", "normalized"}
        Recursive filter or normalized convolution.
    spatial : float or None
        s, in pixels. None: 4 for the recursive filter and 3 for normalized convolution.
    strength : float or None
        k. None: 1.0; 1.4 for the recursive filter on grey images, whose gradient is noisier than the mean of
        three channels. See ``benchmarks/classic.md`` for how these values and the next two were chosen.
    presmoothing : float
        Standard deviation of the Gaussian that makes the first guide, in pixels.
    rounds : int
        Passes.
    order : {"both", "rows_first"}
        Whether the mean is taken of rows before columns and columns before rows, so that the transposed image
        gives the transposed result, or rows come first, as in the paper.
    iterations : int
        How often rows and columns are filtered in a pass.

    References
    ----------
    E. S. L. Gastal, M. M. Oliveira: Domain transform for edge-aware image and video processing, ACM Transactions
    on Graphics 30 (SIGGRAPH 2011).
    """

    name: ClassVar[str] = "domain_transform"
    suits_plug_and_play: ClassVar[bool] = False
    summary: ClassVar[str] = "domain transform: edge-aware denoising in linear time; a fraction of a second"
    bytes_per_value: ClassVar[int] = 100  # see benchmarks/large_images.py

    method: Method = "recursive"
    spatial: float | None = None
    strength: float | None = None
    presmoothing: float = 0.7
    rounds: int = 2
    order: Order = "both"
    iterations: int = 3

    def __post_init__(self) -> None:
        require_choice(self, "method", get_args(Method))
        require_choice(self, "order", get_args(Order))
        require_positive(self, "presmoothing")
        require_positive(self, "spatial", "strength", none="allowed")
        require_whole(self, "rounds", "iterations")

    def passes(self, sigma: float) -> int:
        """As many as `rounds`."""
        return self.rounds

    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """The noisy image filtered by the edges of the guide, image by image."""
        guide = gaussian_blur(noisy, self.presmoothing) if index == 0 else estimate
        spatial, strength = DEFAULTS[self.method][0 if noisy.shape[1] == 1 else 1]
        spatial = spatial if self.spatial is None else self.spatial
        ratio = spatial / ((strength if self.strength is None else self.strength) * sigma)
        deviations = standard_deviations(spatial, self.iterations)
        pairs = zip(noisy, guide, strict=True)
        return torch.stack([self._filtered(image, edges, ratio, deviations) for image, edges in pairs])

    def _filtered(
        self, image: torch.Tensor, guide: torch.Tensor, ratio: float, deviations: list[float]
    ) -> torch.Tensor:
        """One pass over an image (C, H, W), with s/(kσ) as `ratio`."""
        down = 1 + ratio * guide.diff(dim=-2).abs().mean(dim=0)
        along = (1 + ratio * guide.diff(dim=-1).abs().mean(dim=0)).mT.contiguous()
        smooth = recursive_filter if self.method == "recursive" else normalized_convolution
        rows_first = _alternate(image.mT, along, down, deviations, smooth).mT
        if self.order == "rows_first":
            return rows_first.contiguous()
        return _alternate(image, down, along, deviations, smooth).add_(rows_first).mul_(0.5)


def _alternate(
    image: torch.Tensor,
    first: torch.Tensor,
    second: torch.Tensor,
    deviations: list[float],
    smooth: Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor],
) -> torch.Tensor:
    """`smooth` down the columns of `image`, then along its rows, once with each of the `deviations`.

    `first` and `second` hold the distances between the neighbours in either direction, each with that direction
    as its first axis.
    """
    image = image.clone(memory_format=torch.contiguous_format)
    for deviation in deviations:
        image = smooth(image, first, deviation)
        image = smooth(image.mT.contiguous(), second, deviation).mT.contiguous()
    return image


def standard_deviations(total: float, iterations: int) -> list[float]:
    """√3 s 2^(N−i) / √(4^N − 1) for i = 1 … N: each half the one before, their squares adding up to s²."""
    scale = math.sqrt(3) * total / math.sqrt(4**iterations - 1)
    return [scale * 2 ** (iterations - i) for i in range(1, iterations + 1)]


def recursive_filter(image: torch.Tensor, distances: torch.Tensor, deviation: float) -> torch.Tensor:
    """x[n] = (1 − aᵈ) y[n] + aᵈ x[n − 1] down the rows, then the same upwards, in place.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W), contiguous.
    distances : torch.Tensor
        d between a row and the next, (H − 1, W).
    deviation : float
        Standard deviation s of the filter.
    """
    feedback = torch.exp(distances * (-math.sqrt(2) / deviation))
    # All columns of all channels advance together: one fused operation for each row of the image.
    rows, weights = image.unbind(dim=-2), feedback.unbind(dim=0)
    for n in range(1, len(rows)):
        rows[n].lerp_(rows[n - 1], weights[n - 1])
    for n in range(len(rows) - 2, -1, -1):
        rows[n].lerp_(rows[n + 1], weights[n])
    return image


def normalized_convolution(image: torch.Tensor, distances: torch.Tensor, deviation: float) -> torch.Tensor:
    """The mean down the rows of the pixels whose coordinate lies within √3 s, from sums over the rows above.

    The parameters are those of :func:`recursive_filter`.
    """
    channels, height, width = image.shape
    # Double precision: the sums of a whole column are subtracted from each other.
    place = torch.zeros(width, height, dtype=widest(image.device), device=image.device)
    torch.cumsum(distances.T, dim=1, dtype=widest(image.device), out=place[:, 1:])
    reach = math.sqrt(3) * deviation
    first = torch.searchsorted(place, place - reach, side="left")
    last = torch.searchsorted(place, place + reach, side="right")
    sums = image.new_zeros(channels, width, height + 1, dtype=widest(image.device))
    torch.cumsum(image.transpose(-1, -2), dim=-1, dtype=widest(image.device), out=sums[..., 1:])
    both = (index.expand(channels, -1, -1) for index in (last, first))
    upper, lower = (sums.gather(-1, index) for index in both)
    mean = (upper - lower) / (last - first)
    return mean.to(image.dtype).transpose(-1, -2)
