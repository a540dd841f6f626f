"""The kernel between a sharp and a blurred image: non-negative least squares on the gradients of strong edges."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from zeroshot.kernels.periodic import differences

_DIRECTIONS = 4
#: A step that moves less than this share of the kernel's sum is the last.
_SETTLED = 1e-4


class StrongEdges:
    """Keeps the gradients above a threshold that leaves enough in each of four directions.

    The threshold is found at the first image and lowered from one to the next, so that more and more is used.

    Parameters
    ----------
    lowering : float
        The factor by which the threshold is divided.

    References
    ----------
    S. Cho, S. Lee: Fast motion deblurring, ACM Transactions on Graphics 28 (2009).
    """

    def __init__(self, lowering: float = 1.1) -> None:
        self.lowering, self.threshold = lowering, math.nan

    def __call__(self, gradient: torch.Tensor, side: int) -> torch.Tensor:
        """The gradients (2, H, W) of an image that are kept, for a kernel of `side` pixels; 0 elsewhere."""
        magnitude = gradient.square().sum(dim=0).sqrt()
        if math.isnan(self.threshold):
            self.threshold = self._first(gradient, magnitude, side)
        kept = gradient.masked_fill(magnitude < self.threshold, 0)
        self.threshold /= self.lowering
        return kept

    def _first(self, gradient: torch.Tensor, magnitude: torch.Tensor, side: int) -> float:
        along, down = gradient
        direction = (torch.atan2(down, along).remainder(math.pi) / (math.pi / _DIRECTIONS)).long()
        wanted = int(side * math.sqrt(magnitude.numel())) // _DIRECTIONS + 1
        thresholds = []
        for index in range(_DIRECTIONS):
            values = magnitude[direction.clamp(max=_DIRECTIONS - 1) == index]
            count = min(wanted, len(values) - 1)
            thresholds.append(float(values.topk(count).values[-1]) if count > 0 else 0.0)
        return min(thresholds)


def fitted_kernel(
    gradient: torch.Tensor,
    measurement: torch.Tensor,
    side: int,
    ridge: float,
    steps: int,
    smoothness: float = 0.0,
) -> torch.Tensor:
    """``min over k ≥ 0 of ‖k ∗ g − ∇y‖² + ρ ‖k‖² + τ ‖∇k‖²`` by accelerated projected gradients.

    Parameters
    ----------
    gradient : torch.Tensor
        g, (2, H, W), those of the sharp image.
    measurement : torch.Tensor
        y, (H, W), on the same periodic canvas.
    side : int
        Of the kernel, odd.
    ridge : float
        ρ.
    steps : int
        Of the minimisation, each of them two transforms of the size of the kernel.
    smoothness : float
        τ; beyond the border of the kernel there are zeros.

    Returns
    -------
    torch.Tensor
        (side, side), about its centre; not normalised.
    """
    size = gradient.shape[-2:]
    spectrum = torch.fft.rfft2(gradient)
    own = torch.fft.irfft2(spectrum.abs().square().sum(dim=0), s=size)
    cross = torch.fft.irfft2((spectrum.conj() * torch.fft.rfft2(differences(measurement))).sum(dim=0), s=size)
    radius = side // 2
    told = cross.roll((radius, radius), (0, 1))[:side, :side]
    reach = side - 1
    lags = own.roll((reach, reach), (0, 1))[: 2 * side - 1, : 2 * side - 1].clone()
    lags[reach, reach] += ridge + 4 * smoothness
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        lags[reach + down, reach + right] -= smoothness
    # Loaded where it is needed: it takes a good part of a second.
    from scipy.fft import next_fast_len

    length = next_fast_len(3 * side, real=True)
    room = torch.nn.functional.pad(lags, (0, length - 2 * side + 1) * 2)
    transfer = torch.fft.rfft2(room.roll((-reach, -reach), (0, 1)))

    def normal(k: torch.Tensor) -> torch.Tensor:
        product = torch.fft.irfft2(torch.fft.rfft2(k, s=(length, length)) * transfer, s=(length, length))
        return product[:side, :side]

    bound = float(transfer.abs().max())
    k = torch.full((side, side), 1.0 / side**2)
    ahead, momentum = k, 1.0
    for _ in range(steps):
        following = (ahead - (normal(ahead) - told) / bound).clamp(min=0)
        if float((following - k).abs().sum()) < _SETTLED * float(following.sum()):
            return following
        if float(((ahead - following) * (following - k)).sum()) > 0:  # it overshot: begin anew
            momentum, ahead = 1.0, following
        else:
            grown = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            ahead, momentum = following + (momentum - 1) / grown * (following - k), grown
        k = following
    return k


def pruned(kernel: torch.Tensor, least: float, smallest_part: float) -> torch.Tensor:
    """The kernel of sum 1 without specks, with its centre of mass in the middle.

    Parameters
    ----------
    kernel : torch.Tensor
        (n, n), not negative.
    least : float
        Weights below this share of the largest are none.
    smallest_part : float
        Connected parts with less of the sum than this are none.
    """
    if float(kernel.max()) <= 0:
        return impulse(len(kernel))
    kernel = torch.where(kernel < least * kernel.max(), 0.0, kernel)
    kernel = kernel / kernel.sum()
    # Loaded where it is needed: it takes a good part of a second.
    from scipy import ndimage

    labels, count = ndimage.label(kernel.numpy() > 0, structure=np.ones((3, 3)))
    shares = [float(kernel.numpy()[labels == label].sum()) for label in range(1, count + 1)]
    for label, share in enumerate(shares, 1):
        if share < min(smallest_part, max(shares)):
            kernel[torch.from_numpy(labels == label)] = 0
    return centred(kernel / kernel.sum())


def mean_kernel(kernels: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """The weighted mean of kernels of one side, of sum 1 and centred.

    Each is first moved by whole pixels to where it correlates best with the one of the largest weight: a shift of the
    kernel is a shift of the image, which the measurement does not tell.

    Parameters
    ----------
    kernels : sequence of torch.Tensor
        Each (n, n), of sum 1.
    weights : sequence of float
        Not negative, and one above 0.
    """
    first = kernels[max(range(len(kernels)), key=lambda index: weights[index])]
    total = torch.zeros_like(first)
    for kernel, weight in zip(kernels, weights, strict=True):
        total += weight * kernel.roll(displacement(kernel, first), (0, 1))
    return centred(total / total.sum())


def displacement(kernel: torch.Tensor, other: torch.Tensor) -> tuple[int, int]:
    """By how many rows and columns a kernel (n, n) has to be moved to be most like another (n, n)."""
    side = len(kernel)
    size = (2 * side, 2 * side)
    likeness = torch.fft.irfft2(
        torch.fft.rfft2(other, s=size) * torch.fft.rfft2(kernel, s=size).conj(), s=size
    )
    down, right = ((int(one) + side) % (2 * side) - side for one in divmod(int(likeness.argmax()), 2 * side))
    return down, right


def centred(kernel: torch.Tensor) -> torch.Tensor:
    """The kernel moved by whole pixels, so that its centre of mass is nearest to the middle."""
    down, right = off_centre(kernel)
    return kernel.roll((-down, -right), (0, 1))


def off_centre(kernel: torch.Tensor) -> tuple[int, int]:
    """By how many whole rows and columns the centre of mass of a kernel (n, n) of sum 1 lies off the middle."""
    place = torch.arange(len(kernel)).to(kernel)
    down, right = float(kernel.sum(dim=1) @ place), float(kernel.sum(dim=0) @ place)
    return round(down) - len(kernel) // 2, round(right) - len(kernel) // 2


def trimmed(kernel: torch.Tensor) -> torch.Tensor:
    """The kernel without as many of the outer rows and columns as are empty at every side."""
    middle = len(kernel) // 2
    rows, columns = kernel.nonzero().T
    reach = int(max((rows - middle).abs().max(), (columns - middle).abs().max()))
    inner = slice(middle - reach, middle + reach + 1)
    return kernel[inner, inner]


def impulse(side: int) -> torch.Tensor:
    """No blur, as a kernel of `side` pixels."""
    kernel = torch.zeros(side, side)
    kernel[side // 2, side // 2] = 1
    return kernel


def spread(kernel: torch.Tensor) -> float:
    """The root mean square distance of the weights from their centre of mass, in pixels and per axis."""
    variance = 0.0
    for axis in (0, 1):
        weights = kernel.sum(dim=1 - axis) / kernel.sum()
        place = torch.arange(len(weights)).to(weights)
        mean = weights @ place
        variance += float(weights @ (place - mean).square())
    return math.sqrt(variance / 2)
