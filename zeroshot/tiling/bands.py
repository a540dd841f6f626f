"""Tiles that are given away from top to bottom, for an image that is too large to be held."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from zeroshot.deadline import seconds_left
from zeroshot.loop import Loop
from zeroshot.noise import contrasts
from zeroshot.problem import Problem
from zeroshot.tiling.tiles import Tiles

#: Copies of a row of tiles that are held at a time.
_COPIES = 4


def band_memory(tiles: Tiles, problem: Problem) -> int | None:
    """What one tile needs, and a row of them, in bytes; None where the prior does not know."""
    grid = tiles.grid(problem)
    needed = tiles.prior.memory(problem.crop(grid.windows[0]))
    count, channels, _, width = problem.reference_shape
    return None if needed is None else needed + _COPIES * 4 * count * channels * width * grid.rows.length


def without_whole(problem: Problem) -> Problem:
    """The problem with the contrast of its measurement for that of its image, which is nowhere made as a whole."""
    return replace(problem, contrast=contrasts(problem.y))


def bands(
    tiles: Tiles,
    problem: Problem,
    generator: torch.Generator,
    device: torch.device,
    done: Callable[[int, int], None] = lambda index, count: None,
) -> Iterator[torch.Tensor]:
    """The image that :class:`Tiles` makes, as bands of rows (N, C, h, W) that no further tile changes.

    Parameters
    ----------
    tiles : Tiles
        Supports the problem.
    problem : Problem
        On the CPU; see :func:`without_whole`.
    generator : torch.Generator
        The source of all randomness.
    device : torch.device
        Where tiles are restored.
    done : callable
        Told the number of tiles that are done, and of all.
    """
    grid = tiles.grid(problem)
    seed = int(torch.randint(2**62, (1,), generator=generator))
    count, channels, height, width = problem.reference_shape
    columns, (tall, wide) = len(grid.columns.starts), (grid.rows.length, grid.columns.length)
    buffer = torch.zeros(count, channels, tall, width)
    for row, top in enumerate(grid.rows.starts):
        for column, left in enumerate(grid.columns.starts):
            index = row * columns + column
            part = problem.crop(grid.windows[index]).to(device)
            image = _restored(tiles, part, seed + index, len(grid) - index).float().cpu()
            buffer[..., left : left + wide] += grid.weight(index) * image
            done(index + 1, len(grid))
        end = grid.rows.starts[row + 1] if row + 1 < len(grid.rows.starts) else height
        yield buffer[..., : end - top, :].clone()
        buffer = torch.cat(
            [buffer[..., end - top :, :], torch.zeros(count, channels, end - top, width)], dim=-2
        )


def _restored(tiles: Tiles, part: Problem, seed: int, to_come: int) -> torch.Tensor:
    """One tile, in its share of the time that is left; without time or measurements its first estimate."""
    left = seconds_left()
    measured = part.measured is None or float(part.measured.amax(dim=1).sum()) >= 2
    if left <= 0 or not measured:
        return part.initial().expand(part.reference_shape)
    share = None if left == math.inf else left / to_come
    prior = tiles.prior if share is None else tiles.prior.within(share)
    loop = Loop(
        part,
        prior,
        copy.deepcopy(tiles.stopping),
        generator=torch.Generator().manual_seed(seed),
        seconds=share,
    )
    return loop.complete().result()
