"""Pixel banks: for every pixel, others that lie in the middle of patches like its own.

Their content is nearly the same and their noise is not, so that images drawn from a bank at random are further
noisy photographs of the same scene.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from zeroshot.patches import match_blocks, pixel_rows
from zeroshot.patches.borders import reflected

#: Patches are compared in this many of their principal components, which hold less noise, and are quicker.
_COMPONENTS = 32
#: How many patches the components are computed from, about.
_SAMPLE = 4000
#: Side of the squares of pixels that share their candidates at another scale.
_TILE = 16


def pixel_bank(
    image: torch.Tensor,
    guide: torch.Tensor,
    *,
    count: int,
    patch: int,
    radius: int,
    gap: int = 0,
    coarse: int = 0,
) -> torch.Tensor:
    """The values of each pixel of `image` and of those that `guide` shows to be like it.

    Parameters
    ----------
    image, guide : torch.Tensor
        (1, C, H, W) each: where values are taken from, and where patches are compared.
    count : int
        Members a pixel from the image itself, beside the pixel.
    patch : int
        Odd side of the patches.
    radius : int
        How far away members are looked for.
    gap : int
        Members lie at least this far from the pixel, along rows or columns: farther than noise is correlated.
    coarse : int
        Further members from the image of half the size, whose noise is averaged over 2 × 2 pixels.

    Returns
    -------
    torch.Tensor
        (1 + count + coarse, C, H, W): the pixel itself first, then members from the image, the likest first, then
        those of half the size.

    References
    ----------
    Q. Ma, J. Jiang, X. Zhou, P. Liang, X. Liu, J. Ma: Pixel2Pixel: a pixelwise approach for zero-shot single image
    denoising, IEEE TPAMI 2025; Q. Guo et al.: Zero-shot blind-spot image denoising via cross-scale non-local pixel
    refilling, NeurIPS 2025, for the other scale.
    """
    _, channels, height, width = image.shape
    table = _patches(guide, patch)
    basis = _components(table)
    corners = _far_corners(table @ basis, width, count, radius, gap)
    values = image[0].flatten(1)
    members = [image, values[:, corners].permute(2, 0, 1).view(-1, channels, height, width)]
    if coarse:
        half = F.avg_pool2d(guide, 2, ceil_mode=True)
        places = _nearest_at_half(
            (table @ basis).view(height, width, -1),
            (_patches(half, patch) @ basis).view(*half.shape[-2:], -1),
            coarse,
            radius // 2,
        )
        smaller = F.avg_pool2d(image, 2, ceil_mode=True)[0].flatten(1)
        members.append(smaller[:, places].permute(3, 0, 1, 2))
    return torch.cat(members)


def _patches(image: torch.Tensor, patch: int) -> torch.Tensor:
    """The patch around every pixel as a row, (H · W, C · patch²)."""
    return pixel_rows(reflected(image[0], patch // 2), patch)


def _components(table: torch.Tensor) -> torch.Tensor:
    """The directions in which the rows differ most, (D, at most 32)."""
    some = table[:: max(1, len(table) // _SAMPLE)]
    centred = some - some.mean(0)
    # Ascending; of a symmetric matrix this is quicker than the singular values of all rows.
    return torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -_COMPONENTS:]


def _far_corners(features: torch.Tensor, columns: int, count: int, radius: int, gap: int) -> torch.Tensor:
    """The flat places of the `count` likest pixels at least `gap` away, the pixel itself apart, (P, count)."""
    near = max(1, (2 * gap - 1) ** 2)
    matches = match_blocks(features, columns, count + near, 1, radius)
    own = torch.arange(len(features), device=features.device)[:, None]
    down = (matches.corners // columns - own // columns).abs()
    along = (matches.corners % columns - own % columns).abs()
    unusable = (torch.maximum(down, along) < max(1, gap)) | ~matches.distances.isfinite()
    order = matches.distances.masked_fill(unusable, torch.inf).argsort(dim=1, stable=True)[:, :count]
    corners = matches.corners.gather(1, order)
    # Where a small image has too few, the likest are repeated.
    usable = ~unusable.gather(1, order)
    repeated = torch.arange(count, device=features.device) % usable.sum(1, keepdim=True).clamp(min=1)
    return torch.where(usable, corners, corners.gather(1, repeated))


def _nearest_at_half(
    references: torch.Tensor, candidates: torch.Tensor, count: int, radius: int
) -> torch.Tensor:
    """The flat places of the `count` likest patches of the image of half the size, (H, W, count).

    References that lie in one square share their candidates: those within `radius` of the square.
    """
    height, width = references.shape[:2]
    rows, columns = candidates.shape[:2]
    count = min(count, rows * columns)
    result = torch.empty(height, width, count, dtype=torch.int64, device=references.device)
    norms = candidates.square().sum(-1)
    for top in range(0, height, _TILE):
        first, last = max(0, top // 2 - radius), min(rows, (top + _TILE) // 2 + radius)
        for left in range(0, width, _TILE):
            begin, end = max(0, left // 2 - radius), min(columns, (left + _TILE) // 2 + radius)
            mine = references[top : top + _TILE, left : left + _TILE]
            theirs = candidates[first:last, begin:end].flatten(0, 1)
            squared = norms[first:last, begin:end].flatten() - 2 * mine.flatten(0, 1) @ theirs.T
            found = squared.topk(min(count, len(theirs)), dim=1, largest=False).indices
            places = (first + found // (end - begin)) * columns + begin + found % (end - begin)
            wanted = torch.arange(count, device=places.device) % places.shape[1]
            result[top : top + _TILE, left : left + _TILE] = places[:, wanted].view(*mine.shape[:2], count)
    return result
