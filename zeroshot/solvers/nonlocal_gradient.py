"""Differences between pixels whose surroundings look alike: the graph, its gradient, and the penalty of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from zeroshot.operators.linear import largest_singular_value
from zeroshot.patches import match_blocks, pixel_rows
from zeroshot.precision import wide_sum
from zeroshot.solvers.finite_differences import Coupling, weight_chroma_
from zeroshot.solvers.penalties import Fields, Penalty

#: Where the pixels beside a pixel lie, as rows and columns.
_SIDES = ((0, 1), (1, 0), (0, -1), (-1, 0))
#: Pixels whose patches are compared at a time, which bounds the memory that takes.
_PIXELS_AT_ONCE = 2**18


@dataclass(frozen=True)
class PixelGraph:
    """For every pixel the pixels that it is compared with.

    Attributes
    ----------
    neighbours : torch.Tensor
        (N, K, H·W) int32, flat positions; the last four are the pixels beside it: right, below, left, above.
    lengths : torch.Tensor
        (N, K, H·W), √w: what the difference to the neighbour is multiplied by.
    """

    neighbours: torch.Tensor
    lengths: torch.Tensor


def similarity_graph(image: torch.Tensor, count: int, patch: int, radius: int) -> PixelGraph:
    """Join each pixel to the `count` most similar ones nearby and to the four beside it.

    The weight of a similar pixel is exp(−d / d̄), d the mean squared difference of the patches around the two
    and d̄ the mean of d over the neighbours of the pixel: relative, so that no pixel is left alone and no
    noise level has to be known. Those beside it are weighted in the same way.

    Parameters
    ----------
    image : torch.Tensor
        What is compared, (N, C, H, W).
    count : int
        Similar pixels to each pixel.
    patch : int
        Side of the square patches, odd.
    radius : int
        How many pixels the search window reaches to each side.

    References
    ----------
    G. Gilboa, S. Osher: Nonlocal operators with applications to image processing, Multiscale Modeling and
    Simulation 7 (2008). L. Zelnik-Manor, P. Perona: Self-tuning spectral clustering, NIPS 2004, for d̄.
    """
    graphs = [_graph_of_image(single, count, patch, radius) for single in image]
    neighbours, weights = (torch.stack(parts) for parts in zip(*graphs, strict=True))
    return PixelGraph(neighbours, weights.sqrt_())


def _graph_of_image(
    image: torch.Tensor, count: int, patch: int, radius: int
) -> tuple[torch.Tensor, torch.Tensor]:
    height, width = image.shape[-2:]
    margin = patch // 2
    padded = functional.pad(image[None], (margin,) * 4, mode="replicate")[0]
    rows = max(2 * radius, _PIXELS_AT_ONCE // width, 1)
    found, distances = [], []
    for top in range(0, height, rows):
        end = min(top + rows, height)
        first, last = max(top - radius, 0), min(end + radius, height)
        features = pixel_rows(padded[:, first : last + 2 * margin], patch)
        matches = match_blocks(features, width, count + 1, radius=radius)
        mine = slice((top - first) * width, (end - first) * width)
        found.append(matches.corners[mine, 1:] + first * width)
        distances.append(matches.distances[mine, 1:])
    similar, squared = torch.cat(found).T, torch.cat(distances).T
    beside, squared_beside = _beside(padded, height, width, patch)
    scale = squared.nan_to_num(posinf=0.0).mean(dim=0).clamp(min=1e-8)
    weights = torch.cat([squared, squared_beside]).div_(-scale).exp_()
    return torch.cat([similar, beside]).to(torch.int32), weights


def _beside(padded: torch.Tensor, height: int, width: int, patch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The four pixels beside each, (4, H·W), and the distances of their patches.

    Across the border it is the pixel itself, infinitely far.
    """
    place = torch.arange(height * width, device=padded.device).view(height, width)
    places, distances = [], []
    for down, along in _SIDES:
        rows = (torch.arange(height, device=padded.device) + down).clamp(0, height - 1)
        columns = (torch.arange(width, device=padded.device) + along).clamp(0, width - 1)
        places.append(place[rows][:, columns].flatten())
        moved = torch.roll(padded, (-down, -along), (-2, -1))
        squared = (padded - moved).square().mean(dim=0)[None]
        distance = functional.avg_pool2d(squared, patch, stride=1).flatten()
        distances.append(distance.masked_fill_(places[-1] == place.flatten(), float("inf")))
    return torch.stack(places), torch.stack(distances)


class NonlocalPenalty(Penalty):
    """Σ over pixels i of (Σ over neighbours j of w_ij (x_j − x_i)²)^½, of T x.

    Parameters
    ----------
    like : torch.Tensor
        An image of the shape, type and device to work on, (N, C, H, W).
    graph : PixelGraph
        Which pixels are compared.
    coupling : {"vectorial", "channels"}
        One norm for all channels, or each on its own.
    chroma : float
        T multiplies the differences of the channels from their mean by this.

    References
    ----------
    G. Gilboa, S. Osher: Nonlocal operators with applications to image processing, Multiscale Modeling and
    Simulation 7 (2008).
    """

    def __init__(
        self, like: torch.Tensor, graph: PixelGraph, coupling: Coupling = "vectorial", chroma: float = 1.0
    ) -> None:
        self._graph = graph
        self._shape = tuple(like.shape)
        self._chroma = chroma if like.shape[1] > 1 else 1.0
        count, channels, height, width = like.shape
        self._similar = [neighbours[: -len(_SIDES)].flatten() for neighbours in graph.neighbours]
        self._transformed = like.new_empty((count, channels, height * width))
        self._differences = like.new_empty((count, channels, graph.lengths.shape[1], height * width))
        self._weighted = torch.empty_like(self._differences)
        joint = 1 if coupling == "vectorial" else channels
        self._norms = like.new_empty((count, joint, 1, height * width))
        norm = largest_singular_value(_Differences(self), like.shape, like.device, tolerance=1e-3)
        self.norm_squared = max(norm**2 * 1.001, 1e-6) * max(self._chroma, 1.0) ** 2

    def duals(self) -> Fields:
        return [torch.zeros_like(self._differences)]

    def apply(self, x: torch.Tensor, v: Fields) -> Fields:
        if self._chroma != 1:
            x = weight_chroma_(self._transformed.view(x.shape).copy_(x), self._chroma)
        return [self.differences(x)]

    def differences(self, x: torch.Tensor) -> torch.Tensor:
        """√w_ij (x_j − x_i), (N, C, K, H·W), in a buffer."""
        planes = x.flatten(2)
        for n, similar in enumerate(self._similar):
            for plane, out in zip(planes[n], self._differences[n], strict=True):
                gathered = out[: -len(_SIDES)]
                torch.index_select(plane, 0, similar, out=gathered.view(-1))
                gathered.sub_(plane)
                image = plane.view(self._shape[-2:])
                for side, difference in zip(_SIDES, self._beside(out), strict=True):
                    here, there = _shifted(side)
                    difference.zero_()
                    torch.sub(image[there], image[here], out=difference[here])
                out.mul_(self._graph.lengths[n])
        return self._differences

    def _beside(self, field: torch.Tensor) -> torch.Tensor:
        """The images of a field (K, H·W) that belong to the pixels beside each, (4, H, W)."""
        return field[-len(_SIDES) :].view(-1, *self._shape[-2:])

    def adjoint(self, p: Fields, out: torch.Tensor) -> Fields:
        weight_chroma_(self.inflow(p[0], out), self._chroma)
        return []

    def inflow(self, p: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """The adjoint of `differences`."""
        planes = out.view(*self._shape[:2], -1)
        for n, similar in enumerate(self._similar):
            for field, weighted, plane in zip(p[n], self._weighted[n], planes[n], strict=True):
                torch.mul(field, self._graph.lengths[n], out=weighted)
                torch.sum(weighted, dim=0, out=plane).neg_()
                plane.index_add_(0, similar, weighted[: -len(_SIDES)].view(-1))
                image = plane.view(self._shape[-2:])
                for side, flow in zip(_SIDES, self._beside(weighted), strict=True):
                    here, there = _shifted(side)
                    image[there] += flow[here]
        return out

    def _squared_norms(self, z: torch.Tensor) -> torch.Tensor:
        squared = self._norms.zero_()
        for k in range(z.shape[2]):
            if squared.shape[1] == z.shape[1]:
                squared.addcmul_(z[:, :, k : k + 1], z[:, :, k : k + 1])
                continue
            for c in range(z.shape[1]):
                part = z[:, c : c + 1, k : k + 1]
                squared.addcmul_(part, part)
        return squared

    def prox_(self, p: Fields, step: float) -> None:
        p[0].mul_(self._squared_norms(p[0]).clamp_(min=1).rsqrt_())

    def value(self, z: Fields) -> torch.Tensor:
        return wide_sum(self._squared_norms(z[0]).sqrt())


def _shifted(side: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that have one beside them on that side, and these."""
    first, second, whole = slice(None, -1), slice(1, None), slice(None)
    parts = {0: (whole, whole), 1: (first, second), -1: (second, first)}
    (here_down, there_down), (here_along, there_along) = parts[side[0]], parts[side[1]]
    return (here_down, here_along), (there_down, there_along)


class _Differences:
    """The graph's gradient as an operator, for its norm."""

    def __init__(self, penalty: NonlocalPenalty) -> None:
        self._penalty = penalty

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self._penalty.differences(x.contiguous())

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return self._penalty.inflow(y, y.new_empty(self._penalty._shape))
