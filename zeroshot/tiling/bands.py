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
from zeroshot.tiling.rounds import Rounds
from zeroshot.tiling.tiles import Tiles

#: Copies of a row of tiles that are held at a time.
_COPIES = 4


def band_memory(tiles: Tiles, problem: Problem) -> int | None:
    """What the tiles at hand need, and a row of them, in bytes; None where the prior does not know."""
    grid = tiles.grid(problem)
    needed = tiles.prior.memory(problem.crop(grid.windows[0]))
    count, channels, _, width = problem.reference_shape
    if needed is None:
        return None
    return tiles.abreast * needed + _COPIES * 4 * count * channels * width * grid.rows.length


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
    rounds = Rounds()
    for row, top in enumerate(grid.rows.starts):
        for first in range(0, columns, tiles.abreast):
            indices = [row * columns + column for column in range(first, min(columns, first + tiles.abreast))]
            parts = [problem.crop(grid.windows[index]).to(device) for index in indices]
            seeds = [seed + index for index in indices]
            images = _restored(tiles, parts, seeds, len(grid) - indices[0], rounds)
            for index, image in zip(indices, images, strict=True):
                left = grid.windows[index].left
                buffer[..., left : left + wide] += grid.weight(index) * image.float().cpu()
                done(index + 1, len(grid))
        end = grid.rows.starts[row + 1] if row + 1 < len(grid.rows.starts) else height
        yield buffer[..., : end - top, :].clone()
        buffer = torch.cat(
            [buffer[..., end - top :, :], torch.zeros(count, channels, end - top, width)], dim=-2
        )


def _restored(
    tiles: Tiles, parts: list[Problem], seeds: list[int], to_come: int, rounds: Rounds
) -> list[torch.Tensor]:
    """Tiles, in their share of the time that is left; without time or measurements their first estimates."""
    left = seconds_left()
    if left <= 0:
        return [part.initial().expand(part.reference_shape) for part in parts]
    share = None if left == math.inf else left * len(parts) / to_come
    # The tiles at hand take turns.
    prior = tiles.prior if share is None else tiles.prior.within(share / len(parts))
    loops = {
        place: Loop(
            part,
            prior,
            copy.deepcopy(tiles.stopping),
            generator=torch.Generator().manual_seed(seeds[place]),
            seconds=share,
        )
        for place, part in enumerate(parts)
        if part.measured is None or float(part.measured.amax(dim=1).sum()) >= 2
    }
    rounds.complete(list(loops.values()))
    return [
        loops[place].result() if place in loops else part.initial().expand(part.reference_shape)
        for place, part in enumerate(parts)
    ]
