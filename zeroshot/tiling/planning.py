"""Options for tiling and sampling, and the prior that applies them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from zeroshot.checks import is_whole, require_whole
from zeroshot.memory import available_memory, sharers
from zeroshot.operators.window import Locality
from zeroshot.prior import Prior
from zeroshot.problem import Problem
from zeroshot.stopping import StoppingRule
from zeroshot.tiling.bands import band_memory
from zeroshot.tiling.grid import LEAST_BLENDED
from zeroshot.tiling.samples import Samples
from zeroshot.tiling.tiles import LEAST_TILE, Tiles

#: The memory that a run may use before "auto" makes tiles, however much the machine has: the same image is then
#: restored in the same tiles on most machines.
LARGEST = 6 * 2**30
#: Sizes of tiles that "auto" takes, the best first: larger ones are no faster and lengthen every step.
_TILES = (512, 384, 256, 192, 128)
_OVERLAP = 64


@dataclass(frozen=True)
class Tiling:
    """The arguments of solve() that make several runs of one.

    Parameters
    ----------
    tile : int, "auto" or None
        Height and width of the tiles; "auto" makes tiles where the whole image would need more memory than 6 GiB,
        or than is available; None never does.
    overlap : int or "auto"
        The least number of pixels that neighbouring tiles share; "auto" is 64, less for small tiles and more where the
        damage reaches far.
    samples : int
        The number of runs whose mean is taken.
    streamed : bool
        Whether finished rows are given away (:func:`zeroshot.tiling.bands.bands`), so that there are always tiles, and
        the image is nowhere held as a whole.
    """

    tile: Any = "auto"
    overlap: Any = "auto"
    samples: Any = 1
    streamed: bool = False

    def __post_init__(self) -> None:
        if (
            self.tile is not None
            and self.tile != "auto"
            and not (is_whole(self.tile) and self.tile >= LEAST_TILE)
        ):
            raise ValueError(
                f"tile must be a whole number of at least {LEAST_TILE}, 'auto' or None, got {self.tile!r}"
            )
        if self.overlap != "auto" and not (is_whole(self.overlap) and self.overlap >= 0):
            raise ValueError(f"overlap must be a whole number of at least 0 or 'auto', got {self.overlap!r}")
        require_whole(self, "samples")

    def applied(
        self, prior: Prior, problem: Problem, stopping: StoppingRule | None, device: torch.device
    ) -> Prior:
        """`prior`, or the one that runs it on tiles or several times.

        Raises
        ------
        ValueError
            Where that needs more memory than there is.
        """
        applied = prior if self.samples == 1 else Samples(prior, self.samples)
        if self.streamed:
            return self._streamed(applied, problem, stopping, device)
        if self.tile == "auto":
            applied = self._tiled_where_needed(applied, problem, stopping, device)
        elif self.tile is not None and self.tile < max(problem.reference_shape[-2:]):
            applied = self._tiled(applied, problem, self.tile, stopping, device)
        _require_memory(applied, problem, device)
        return applied

    def _tiled_where_needed(
        self, prior: Prior, problem: Problem, stopping: StoppingRule | None, device: torch.device
    ) -> Prior:
        needed, allowed = prior.memory(problem), allowed_memory(device)
        if needed is None or needed <= allowed:
            return prior
        fitting = []
        for tile in _TILES:
            tiled = self._tiled(prior, problem, tile, stopping, device)
            # Where it cannot be done in tiles, the prior may still find the memory for the whole.
            if tile < max(problem.reference_shape[-2:]) and tiled.supports(problem) is None:
                fitting.append(tiled)
                if (tiled.memory(problem) or 0) <= allowed:
                    return tiled
        return fitting[-1] if fitting else prior

    def _streamed(
        self, prior: Prior, problem: Problem, stopping: StoppingRule | None, device: torch.device
    ) -> Tiles:
        """The largest tiles of which a row fits, or those asked for."""
        sizes = _TILES if self.tile == "auto" else (self.tile or max(_TILES),)
        allowed, needed = allowed_memory(device), 0
        for tile in sizes:
            tiled = self._tiled(prior, problem, tile, stopping, device)
            needed = 0 if tiled.supports(problem) is not None else band_memory(tiled, problem) or 0
            if needed <= allowed:
                return tiled
        raise ValueError(
            f"a row of tiles takes prior {prior.innermost().name!r} about {needed / 2**30:.3g} GiB of memory, and "
            f"{allowed / 2**30:.3g} GiB are allowed; take another prior"
        )

    def _tiled(
        self, prior: Prior, problem: Problem, tile: int, stopping: StoppingRule | None, device: torch.device
    ) -> Tiles:
        overlap = self.overlap
        if overlap == "auto":
            laid_out = problem.unrolled(0)
            cut = laid_out.reason_against_cropping() is None
            locality = laid_out.operator.locality() if cut else Locality()
            overlap = max(min(_OVERLAP, tile // 4), 2 * locality.reach + 2 * LEAST_BLENDED)
        tiled = Tiles(prior, tile, overlap, stopping)
        return self._abreast(tiled, problem, device)

    def _abreast(self, tiled: Tiles, problem: Problem, device: torch.device) -> Tiles:
        """With as many tiles at a time as are worth it, and as there is memory for."""
        laid_out = tiled.laid_out(problem)
        if laid_out.reason_against_cropping() is not None:
            return tiled
        try:
            part = laid_out.crop(tiled.grid(laid_out).windows[0])
        except ValueError:
            return tiled
        most = tiled.prior.runs_abreast(part)
        if most == 1:
            return tiled
        allowed = allowed_memory(device)
        for count in range(most, 1, -1):
            several = replace(tiled, abreast=count)
            needed = band_memory(several, problem) if self.streamed else several.memory(problem)
            if needed is None or needed <= allowed:
                return several
        return tiled


def _require_memory(prior: Prior, problem: Problem, device: torch.device) -> None:
    """Refuse what the memory does not suffice for, before any work."""
    if prior.supports(problem) is not None:
        # It is refused for that reason as soon as it is begun.
        return
    needed, free = prior.memory(problem), free_memory(device)
    if needed is None or free is None or needed <= free:
        return
    height, width = problem.framed_shape[-2:]
    uncut = None if is_tiled(prior) else Tiles(prior, max(_TILES), _OVERLAP).supports(problem)
    advice = "or other tiles" if uncut is None else f"since {uncut}"
    raise ValueError(
        f"{height} × {width} pixels take prior {prior.innermost().name!r} about {needed / 2**30:.3g} GiB of memory, "
        f"and {free / 2**30:.3g} GiB are free; take a part of the picture, another prior, {advice}"
    )


def is_tiled(prior: Prior) -> bool:
    """Whether `prior` restores tiles."""
    return isinstance(prior, Tiles)


def description(prior: Prior) -> dict[str, Any]:
    """How `prior` was put together, for the provenance; nothing for one that makes a single run."""
    if isinstance(prior, Tiles):
        own = {"tile": prior.tile, "overlap": prior.overlap}
        return {"tiles": own, **description(prior.prior)}
    return {"samples": prior.count} if isinstance(prior, Samples) else {}


def allowed_memory(device: torch.device) -> int:
    """The bytes that a run on `device` may use: what is free, and 6 GiB at most on a CPU."""
    free = free_memory(device)
    if device.type == "cuda" and free is not None:
        return int(0.9 * free)
    return LARGEST if free is None else min(LARGEST, int(0.9 * free))


def free_memory(device: torch.device) -> int | None:
    """The bytes that are free for a run on `device`, its share where several work side by side; None if unknown."""
    if device.type == "cuda":
        # What PyTorch holds back of what was freed is free for the next run of this process.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return (int(torch.cuda.mem_get_info(device)[0]) + kept) // sharers()
    return available_memory()
