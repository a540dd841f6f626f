"""A large image as overlapping tiles, each restored on its own and blended with its neighbours."""

from __future__ import annotations

import collections
import copy
import math
import re
import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from zeroshot.checks import require_positive, require_whole
from zeroshot.deadline import seconds_left
from zeroshot.estimate import Estimate
from zeroshot.loop import Loop
from zeroshot.prior import Prior, Run
from zeroshot.problem import Problem
from zeroshot.provenance import described
from zeroshot.stopping import StoppingRule
from zeroshot.tiling.grid import Grid
from zeroshot.tiling.rounds import Rounds

#: The smallest tile, in pixels: less is too little for a network to learn an image from.
LEAST_TILE = 32
#: Copies of the whole image that a run holds: the first estimate, what is done, what is shown, and the tiles.
_COPIES = 5


@dataclass(frozen=True)
class Tiles(Prior):
    """x = Σᵢ wᵢ xᵢ with xᵢ = argmin D(Aᵢ(xᵢ), yᵢ) + λR(xᵢ) for each tile i, and Σᵢ wᵢ = 1.

    Each tile is a problem of its own: its part of the measurement, of the masks, of an operator that depends
    on the position. It is solved by the prior's own run until its own stopping rule says so. The weights wᵢ
    are raised cosines over the overlap, and 0 as far from a cut as the damage reaches across it. The memory is
    that of the tiles at hand and a few copies of the image.

    Parameters
    ----------
    prior : Prior
        Restores the tiles.
    tile : int
        Height and width of a tile, in pixels of the restored image; a little less where the damage asks that tiles
        begin at certain multiples, and never more than the image.
    overlap : int
        The least number of pixels that neighbouring tiles share.
    stopping : StoppingRule, optional
        The rule of every tile; by default the prior's own.
    seconds : float, optional
        The time for all tiles: each is given its share of what is left.
    abreast : int
        How many tiles are restored at a time, in turn or by one call: what
        :meth:`zeroshot.prior.Prior.runs_abreast` suggests and the memory allows.
    """

    name: ClassVar[str] = "tiles"
    summary: ClassVar[str] = "another prior on overlapping tiles of a large image"

    prior: Prior
    tile: int = 512
    overlap: int = 64
    stopping: StoppingRule | None = None
    seconds: float | None = None
    abreast: int = 1

    def __post_init__(self) -> None:
        require_whole(self, "tile", least=LEAST_TILE)
        require_whole(self, "abreast")
        require_whole(self, "overlap", least=0)
        require_positive(self, "seconds", none="allowed")

    def innermost(self) -> Prior:
        """The prior that makes the single runs."""
        return self.prior.innermost()

    def within(self, seconds: float) -> Tiles:
        """The same, to be done in that time."""
        return replace(self, seconds=seconds)

    def laid_out(self, problem: Problem) -> Problem:
        """The problem that is cut: where opposite edges are joined, one whose image goes on beyond them."""
        return problem.unrolled(self.overlap)

    def grid(self, problem: Problem) -> Grid:
        """The tiles of the image of a problem that is :meth:`laid_out`.

        Raises
        ------
        ValueError
            Where they cannot be placed, with the reason in one line.
        """
        size = problem.reference_shape[-2:]
        return Grid.covering(size, self.tile, self.overlap, problem.operator.locality())

    def supports(self, problem: Problem) -> str | None:
        """None where the problem can be cut and the prior supports every tile."""
        if self.prior.finds_latent:
            return "its latent describes the whole image; take tile=None"
        problem = self.laid_out(problem)
        reason = problem.reason_against_cropping()
        if reason is not None:
            return f"the image cannot be cut into tiles: {reason}"
        try:
            grid = self.grid(problem)
        except ValueError as error:
            return str(error)
        measured = _measured_tiles(problem, grid)
        if not measured:
            return "no tile has two measured pixels; take a larger tile"
        for index in measured:
            reason = self.prior.supports(problem.crop(grid.windows[index]))
            if reason is not None:
                return f"in the tile at row {grid.windows[index].top}, column {grid.windows[index].left}: {reason}"
        return None

    def memory(self, problem: Problem) -> int | None:
        """What the tiles at hand need, and the copies of the whole image."""
        problem = self.laid_out(problem)
        grid = self.grid(problem)
        needed = self.prior.memory(problem.crop(grid.windows[0]))
        return None if needed is None else self.abreast * needed + _COPIES * 4 * _values(problem)

    def start(self, problem: Problem, generator: torch.Generator) -> TilesRun:
        """Begin with the first tiles."""
        return TilesRun(self, problem, generator)


def _values(problem: Problem) -> int:
    count, channels, height, width = problem.reference_shape
    return count * channels * height * width


def _measured_tiles(problem: Problem, grid: Grid) -> list[int]:
    """The tiles with enough to restore from: two measured pixels, one of which could be held out."""
    if problem.measured is None:
        return list(range(len(grid)))
    windows = grid.windows

    def pixels(index: int) -> float:
        measured = problem.crop(windows[index]).measured
        assert measured is not None
        return float(measured.amax(dim=1).sum())

    return [index for index in range(len(grid)) if pixels(index) >= 2]


@dataclass
class _Part:
    """A tile at hand: which it is, its run, its share of the time and when that ends, and its weights."""

    index: int
    loop: Loop
    share: float | None
    deadline: float
    weight: torch.Tensor


class TilesRun(Run):
    """The tiles, one after the other or several at a time; the estimate is the whole image.

    Tiles to come are shown at their first estimate. A step is one step of every tile at hand, and iterations are
    counted over all tiles. Where the time is up the tiles at hand are taken as they are, and those to come keep their
    first estimate.
    """

    minds_time = True

    def __init__(self, tiles: Tiles, problem: Problem, generator: torch.Generator) -> None:
        self.device = problem.y.device
        given, problem = problem, tiles.laid_out(problem)
        self._frame = None if problem is given else problem.frame
        self._tiles, self._problem = tiles, problem
        self._grid = tiles.grid(problem)
        self._windows = self._grid.windows
        self._waiting = _measured_tiles(problem, self._grid)
        self._seed = int(torch.randint(2**62, (1,), generator=generator))
        self._first = problem.initial().expand(problem.reference_shape)
        self._blended = self._first.clone()
        self._shown = self._first.clone()
        self._done: list[dict[str, Any]] = []
        self._parts: list[_Part] = []
        self._to_come = list(self._waiting)
        self._rounds = Rounds()
        self._began = time.monotonic()

    @property
    def finished(self) -> bool:
        """Whether every tile is done."""
        return len(self._done) == len(self._waiting)

    def step(self) -> Estimate:
        """Make one step of the tiles at hand."""
        waves = math.ceil(len(self._to_come) / self._tiles.abreast)
        while self._to_come and len(self._parts) < self._tiles.abreast and seconds_left() > 0:
            share = self._share_of_time(waves)
            self._parts.append(self._begin(self._to_come.pop(0), share))
        parts = self._parts
        if not parts:
            return Estimate(self._framed(self._shown), 0.0, self._iterations_done())
        with self._rounds.round([part.loop.run for part in parts]):
            for part in parts:
                self._step_of(part)
        loss = sum(part.loop.loss for part in parts) / len(parts)
        iteration = self._iterations_done() + sum(part.loop.iteration for part in parts)
        self._parts = [part for part in parts if not part.loop.reason]
        for part in parts:
            if part.loop.cut_short and not part.loop.iteration:
                # Its time was up before its first step, so that it has nothing to show.
                self._to_come.insert(0, part.index)
            elif part.loop.reason:
                self._finish(part)
        self._show()
        return Estimate(self._framed(self._shown), loss, iteration)

    def _step_of(self, part: _Part) -> None:
        if not part.loop.reason:
            part.loop.step()
        if not part.loop.reason and part.share is not None and self._elapsed() >= part.deadline:
            part.loop.end(f"used up its share of the time, {part.share:.3g} s")

    def _framed(self, image: torch.Tensor) -> torch.Tensor:
        """The part of an image that was asked for."""
        return image if self._frame is None else self._frame.of(image)

    # --- the tiles at hand ---

    def _begin(self, index: int, share: float | None) -> _Part:
        """Start a tile, with the time in seconds that it has together with those that are at hand beside it."""
        beside = min(self._tiles.abreast, len(self._waiting) - len(self._done))
        prior = self._tiles.prior if share is None else self._tiles.prior.within(share / beside)
        problem = self._problem.crop(self._windows[index])
        # Each tile draws its own: measured beside equal ones, errors in the overlap cancel a little better.
        generator = torch.Generator().manual_seed(self._seed + index)
        deadline = self._elapsed() + (share or 0.0)
        rule = copy.deepcopy(self._tiles.stopping)
        # The first step of a tile may take longer than its share, as long as there is any time.
        left = seconds_left()
        loop = Loop(problem, prior, rule, generator=generator, seconds=left if left < math.inf else None)
        return _Part(index, loop, share, deadline, self._weight_of(index))

    def _share_of_time(self, waves: int) -> float | None:
        """The seconds after which a tile that is begun now is to end, those that are at hand taking turns with it."""
        left = seconds_left()
        if self._tiles.seconds is not None:
            left = min(left, self._tiles.seconds - self._elapsed())
        if left == math.inf:
            return None
        return max(left, 1e-3) / waves

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _weight_of(self, index: int) -> torch.Tensor:
        return self._grid.weight(index).to(self.device)

    def _change(self, index: int, weight: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """What a tile changes of the first estimate: where every tile leaves a pixel as it was, it stays so."""
        return weight * (image - self._windows[index].of(self._first))

    def _show(self) -> None:
        """Put the tiles at hand where they belong; all else is shown already."""
        for part in self._parts:
            window = self._windows[part.index]
            window.of(self._shown).copy_(window.of(self._blended))
        for part in self._parts:
            change = self._change(part.index, part.weight, part.loop.image)
            self._windows[part.index].of(self._shown).add_(change)

    def _finish(self, part: _Part) -> None:
        loop = part.loop
        record = {
            "index": part.index,
            "image": loop.result(),
            "iterations": loop.iteration,
            "stopped_by": loop.reason,
            "remark": loop.run.remark(),
            "findings": described(loop.run.findings()),
            "maps": {name: image.clone() for name, image in loop.run.maps().items()},
        }
        self._add(record)

    def _add(self, record: dict[str, Any]) -> None:
        """Take a tile over into what is done."""
        index = record["index"]
        window = self._windows[index]
        window.of(self._blended).add_(self._change(index, self._weight_of(index), record["image"]))
        window.of(self._shown).copy_(window.of(self._blended))
        self._done.append(record)

    def _iterations_done(self) -> int:
        return sum(record["iterations"] for record in self._done)

    # --- what others see ---

    def stage(self) -> str:
        """Which tile it is, of how many."""
        return f"tile {min(len(self._done) + 1, len(self._waiting))}/{len(self._waiting)}"

    def share_done(self) -> float:
        """The tiles that are done, and the part of those at hand that their rules tell of."""
        begun = sum(
            0.0 if (most := part.loop.rule.most_iterations) is None else min(1.0, part.loop.iteration / most)
            for part in self._parts
        )
        return (len(self._done) + begun) / len(self._waiting)

    def remark(self) -> str:
        """How many tiles are done, and why they stopped."""
        total, done = len(self._windows), len(self._done)
        because = "; ".join(_counted([record["stopped_by"] for record in self._done]))
        remark = f"{done} of {total} tiles" + (f" ({because})" if because else "")
        late = len(self._waiting) - done
        if late:
            remark += f"; {late} whose turn did not come keep the first estimate"
        empty = total - len(self._waiting)
        if empty:
            remark += f"; {empty} without measured pixels keep the first estimate"
        remarks = {record["remark"] for record in self._done} - {""}
        return "; ".join([remark, *sorted(remarks)])

    def findings(self) -> dict[str, Any]:
        """Of every tile: where it lies, its iterations, why it stopped, and what its run found."""
        rows = []
        for record in sorted(self._done, key=lambda record: record["index"]):
            window = self._windows[record["index"]]
            row = {"top": window.top, "left": window.left}
            rows.append(row | {name: record[name] for name in ("iterations", "stopped_by", "findings")})
        size = [self._grid.rows.length, self._grid.columns.length]
        return {"tile": size, "overlap": self._grid.overlap, "tiles": rows, **self._rounds.findings()}

    def maps(self) -> dict[str, torch.Tensor]:
        """The maps of the tiles, blended as the image is, 0 where no tile is done."""
        blended: dict[str, torch.Tensor] = {}
        for record in self._done:
            window, weight = self._windows[record["index"]], self._weight_of(record["index"])
            for name, image in record["maps"].items():
                if tuple(image.shape[-2:]) != (window.height, window.width):
                    continue
                if name not in blended:
                    size = self._problem.reference_shape[-2:]
                    blended[name] = image.new_zeros(*image.shape[:2], *size)
                window.of(blended[name]).add_(weight * image)
        return {name: self._framed(image) for name, image in blended.items()}

    def shrink_step(self, factor: float) -> None:
        """Passed on to the tiles at hand."""
        for part in self._parts:
            part.loop.run.shrink_step(factor)

    def state_dict(self) -> dict[str, Any]:
        """The tiles that are done, which never change again, and the states of those at hand."""
        return {
            "done": list(self._done),
            "parts": [
                {
                    "index": part.index,
                    "loop": part.loop.state_dict(),
                    "share": part.share,
                    "deadline": part.deadline,
                }
                for part in self._parts
            ],
            "seed": self._seed,
            "elapsed": self._elapsed(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        self._seed = state["seed"]
        self._began = time.monotonic() - state["elapsed"]
        self._done, self._parts = [], []
        self._blended.copy_(self._first)
        self._shown.copy_(self._first)
        for record in state["done"]:
            maps = {name: image.to(self.device) for name, image in record["maps"].items()}
            self._add({**record, "image": record["image"].to(self.device), "maps": maps})
        for saved in state["parts"]:
            part = self._begin(saved["index"], saved["share"])
            part.loop.load_state_dict(saved["loop"])
            part.deadline = saved["deadline"]
            self._parts.append(part)
        begun = {record["index"] for record in self._done} | {part.index for part in self._parts}
        self._to_come = [index for index in self._waiting if index not in begun]
        self._show()


def _counted(reasons: list[str]) -> list[str]:
    """How often each reason was given, the commonest first; numbers in which they differ are left out."""
    alike = collections.defaultdict(list)
    for reason in reasons:
        reason = re.sub(r" at iteration \d+$", "", reason)
        alike[re.sub(r"\d[\d.]*(e[+-]?\d+)?", "…", reason)].append(reason)
    commonest = sorted(alike.items(), key=lambda item: -len(item[1]))
    return [f"{len(same)} × {same[0] if len(set(same)) == 1 else form}" for form, same in commonest]
