"""A network on an image in tiles: for models that take one size only, and for images larger than the memory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch.nn import functional

Network = Callable[[torch.Tensor], torch.Tensor]


def starts(size: int, tile: int, overlap: int) -> list[int]:
    """Where tiles of `tile` pixels begin so that they cover `size` pixels and share at least `overlap`."""
    if size <= tile:
        return [0]
    return [*range(0, size - tile, tile - overlap), size - tile]


def padded(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The image (N, C, H, W) continued to `height` × `width` at its bottom and right: mirrored, else repeated."""
    down, right = height - image.shape[-2], width - image.shape[-1]
    if down <= 0 and right <= 0:
        return image
    mode = "reflect" if down < image.shape[-2] and right < image.shape[-1] else "replicate"
    return functional.pad(image, (0, max(right, 0), 0, max(down, 0)), mode=mode)


def run_in_tiles(
    network: Network, image: torch.Tensor, tile: tuple[int, int], overlap: int, scale: int
) -> torch.Tensor:
    """The network's result on the whole image, put together from its results on tiles.

    The tiles' seams lie in the middle of what they share, so that the result is that of the whole image where
    no output pixel depends on inputs further away than half the overlap.

    Parameters
    ----------
    network : callable
        From (N, C, *tile) to (N, C', scale · tile).
    image : torch.Tensor
        (N, C, H, W); smaller ones than a tile are continued to its size.
    tile : tuple of int
        Height and width of a tile.
    overlap : int
        How many rows or columns neighbouring tiles share at least; less than a tile has.
    scale : int
        How many times larger the result is.

    Returns
    -------
    torch.Tensor
        (N, C', scale · H, scale · W).
    """
    if overlap < 0 or overlap >= min(tile):
        raise ValueError(f"overlap must be from 0 to below the tile's {min(tile)} pixels, got {overlap}")
    height, width = image.shape[-2:]
    whole = padded(image, max(height, tile[0]), max(width, tile[1]))
    rows, columns = (starts(size, part, overlap) for size, part in zip(whole.shape[-2:], tile, strict=True))
    bands = []
    for row in rows:
        pieces = [network(whole[..., row : row + tile[0], at : at + tile[1]]) for at in columns]
        bands.append(_joined(pieces, columns, tile[1], scale, axis=-1))
    return _joined(bands, rows, tile[0], scale, axis=-2)[..., : scale * height, : scale * width]


def _joined(pieces: list[torch.Tensor], begins: list[int], tile: int, scale: int, axis: int) -> torch.Tensor:
    """Overlapping pieces in a row, each cut in the middle of what it shares with its neighbours."""
    seams = [(begin + before + tile) // 2 for before, begin in pairwise(begins)]
    edges = [begins[0], *seams, begins[-1] + tile]
    cut = [
        piece.narrow(axis, scale * (edges[i] - begins[i]), scale * (edges[i + 1] - edges[i]))
        for i, piece in enumerate(pieces)
    ]
    return torch.cat(cut, dim=axis)
