"""Sliding discrete cosine transform: every p × p patch of a photograph has few large DCT coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from zeroshot.checks import require_choice, require_positive, require_whole
from zeroshot.colour import from_opponent, opponent_axes, to_opponent
from zeroshot.constants import constant
from zeroshot.noise import NoiseModel
from zeroshot.patches.borders import reflected
from zeroshot.patches.cosine import cosine_matrix
from zeroshot.priors.denoising import DenoisingPrior
from zeroshot.priors.scales import over_scales

#: Elements of the array of coefficients that is worked on at a time: large enough for matrix products, small
#: enough to bound the memory whatever the size of the image.
_CHUNK = 4_000_000


@dataclass(frozen=True)
class OverlappingDCT(DenoisingPrior):
    """Shrinks the DCT of every p × p patch at every position, and averages the patches where they overlap.

    With D the orthonormal two-dimensional DCT and Rᵢ cutting out patch i,

        x = Σᵢ wᵢ Rᵢᵀ Dᵀ T(D Rᵢ y) / Σᵢ wᵢ Rᵢᵀ 1.

    In the first pass T keeps the coefficients above `threshold` · σ, in the second it multiplies them by the
    Wiener factor q² / (q² + σ²), q being the coefficients of the first pass's result. The mean of a patch is
    always kept. Patches that need few coefficients weigh more: wᵢ is 1 over the energy of the noise that T
    lets through (the number of coefficients kept, or the sum of the squared factors).

    Colour images are shrunk in an orthonormal opponent space. The image is continued by reflection, so that
    the pixels at the edge are in as many patches as all others.

    Parameters
    ----------
    patch : int
        p, from 2 to 32. An image that is smaller than that in one direction takes its own side.
    threshold : float
        In units of σ.
    refinement : {"wiener", "none"}
        Whether there is a second pass.

    References
    ----------
    G. Yu, G. Sapiro: DCT image denoising: a simple and effective image denoising algorithm, IPOL 1 (2011).
    N. Pierazzo, J.-M. Morel, G. Facciolo: Multi-scale DCT denoising, IPOL 7 (2017), for the second pass and
    the weights (O. G. Guleryuz: Weighted averaging for denoising with overcomplete dictionaries, IEEE TIP 16
    (2007)).
    """

    name: ClassVar[str] = "dct"
    summary: ClassVar[str] = (
        "sliding DCT: patches with few frequencies; denoises in a second, plugs into any damage"
    )
    bytes_per_value: ClassVar[int] = 140  # see benchmarks/large_images.py

    patch: int = 8
    threshold: float = 2.7
    refinement: str = "wiener"

    def __post_init__(self) -> None:
        require_whole(self, "patch", least=2, most=32)
        require_positive(self, "threshold")
        require_choice(self, "refinement", ("wiener", "none"))

    def passes(self, sigma: float) -> int:
        """Two with the Wiener refinement, else one."""
        return 2 if self.refinement == "wiener" else 1

    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """Hard thresholding of `noisy`; then Wiener shrinkage of it, guided by `estimate`."""
        source = to_opponent(noisy)
        pilot = to_opponent(estimate) if index else None
        size = min(self.patch, *noisy.shape[-2:])
        result = torch.empty_like(source)
        for image in range(source.shape[0]):
            for channel in range(source.shape[1]):
                guide = None if pilot is None else pilot[image, channel]
                result[image, channel] = self._shrunk(source[image, channel], guide, size, sigma)
        return from_opponent(result)

    def refine_coloured(
        self, noisy: torch.Tensor, estimate: torch.Tensor, noise: NoiseModel, index: int
    ) -> torch.Tensor:
        """The same with the standard deviation of the noise in every coefficient, and over scales."""
        channels = noisy.shape[1]

        def refine(y: torch.Tensor, x: torch.Tensor, models: Sequence[NoiseModel]) -> torch.Tensor:
            size = min(self.patch, *y.shape[-2:])
            result = torch.empty_like(y)
            for channel, model in enumerate(models):
                levels = model.block_variances(cosine_matrix(size)).sqrt().view(size, size, 1, 1).to(y)
                for image in range(len(y)):
                    guide = x[image, channel] if index else None
                    result[image, channel] = self._shrunk(y[image, channel], guide, size, levels)
            return result

        models = noise.cautious().rotated(opponent_axes(channels)).planes(channels)
        return from_opponent(over_scales(refine, to_opponent(noisy), to_opponent(estimate), models))

    def _shrunk(
        self, plane: torch.Tensor, pilot: torch.Tensor | None, size: int, sigma: float | torch.Tensor
    ) -> torch.Tensor:
        """One plane (H, W), in strips of rows of patches; a tensor holds a level for each coefficient."""
        margin = size - 1
        noisy = reflected(plane, margin)
        guide = None if pilot is None else reflected(pilot, margin)
        height, width = noisy.shape
        total, weight = torch.zeros_like(noisy), torch.zeros_like(noisy)
        basis = constant(plane, cosine_matrix, size)
        rows = max(1, _CHUNK // (size * size * width))
        for top in range(0, height - margin, rows):
            strip = slice(top, min(top + rows, height - margin) + margin)
            coefficients = _analysis(noisy[strip], basis)
            if guide is None:
                weights = _keep_large_(coefficients, self.threshold * sigma)
            else:
                weights = _wiener_(coefficients, _analysis(guide[strip], basis), sigma)
            total[strip] += _synthesis(coefficients.mul_(weights), basis)
            weight[strip] += _spread(weights, size)
        inside = slice(margin, -margin or None)
        return (total / weight)[inside, inside]


def _analysis(strip: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
    """The DCT of the patch at every corner of a strip (h, w): (p, p, rows, columns).

    The transform down the columns of pixels is shared by all patches that lie side by side.
    """
    size = len(basis)
    rows, columns = strip.shape[0] - size + 1, strip.shape[1] - size + 1
    down = basis @ strip.unfold(0, size, 1).permute(2, 0, 1).reshape(size, -1)
    windows = down.view(size, rows, -1).unfold(2, size, 1).permute(3, 0, 1, 2)
    return (basis @ windows.reshape(size, -1)).view(size, size, rows, columns)


def _synthesis(coefficients: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
    """The adjoint of `_analysis`: the sum of the patches, (h, w)."""
    size, _, rows, columns = coefficients.shape
    windows = (basis.T @ coefficients.reshape(size, -1)).view(size, size, rows, columns)
    down = coefficients.new_zeros(size, rows, columns + size - 1)
    for shift in range(size):
        down[..., shift : shift + columns] += windows[shift]
    segments = (basis.T @ down.view(size, -1)).view(size, rows, -1)
    strip = coefficients.new_zeros(rows + size - 1, columns + size - 1)
    for shift in range(size):
        strip[shift : shift + rows] += segments[shift]
    return strip


def _spread(weights: torch.Tensor, size: int) -> torch.Tensor:
    """Σ wᵢ Rᵢᵀ 1 of a strip of patches (rows, columns)."""
    rows, columns = weights.shape
    along = weights.new_zeros(rows, columns + size - 1)
    for shift in range(size):
        along[:, shift : shift + columns] += weights
    strip = weights.new_zeros(rows + size - 1, columns + size - 1)
    for shift in range(size):
        strip[shift : shift + rows] += along
    return strip


def _keep_large_(coefficients: torch.Tensor, threshold: float | torch.Tensor) -> torch.Tensor:
    """Zero, in place, all but the mean and what exceeds `threshold`; the weights of the patches."""
    kept = coefficients.abs() > threshold
    kept[0, 0] = True
    coefficients.mul_(kept)
    return 1 / kept.sum(dim=(0, 1), dtype=coefficients.dtype)


def _wiener_(coefficients: torch.Tensor, pilot: torch.Tensor, sigma: float | torch.Tensor) -> torch.Tensor:
    """Multiply, in place, by the Wiener factors from `pilot`; the weights of the patches."""
    factor = pilot.square_()
    # The square of a tiny level is 0, and so is that of a flat patch.
    factor.div_(factor + (sigma**2 + torch.finfo(factor.dtype).tiny))
    factor[0, 0] = 1
    coefficients.mul_(factor)
    return 1 / factor.square_().sum(dim=(0, 1))
