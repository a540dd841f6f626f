"""Stacks restored as volumes: planes that lie behind each other are denoised as one, not each by itself.

An axis of the stack is the third dimension: Z, or T of what moves slowly. Along it the planes of each channel (and of
each place along all other axes) make a volume, for a :class:`~zeroshot.volume_denoiser.VolumeDenoiser`. Before that and
after it a plane goes the way of :mod:`zeroshot.planes`: the same range, the same noise, the same transform that makes
noise independent of the intensity, the same pixels that are unknown.

A volume is done in chunks of planes, cut into tiles where planes are large. They overlap as far as a cut is felt, and
pass into each other beyond that, so that the memory does not grow with the length of the stack.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from zeroshot.colour import from_opponent, to_opponent
from zeroshot.deadline import OutOfTime, seconds_left
from zeroshot.depth import Depth, standing_for
from zeroshot.images.stack import Index, Stack
from zeroshot.joint_channels import JointChannels
from zeroshot.noise import contrasts
from zeroshot.noise.level_maps import level_weight, levels_of
from zeroshot.plane_options import PlaneOptions, plane_of
from zeroshot.planes import Plane, as_stored, restored_planes
from zeroshot.polling import polling
from zeroshot.prior import configured_prior
from zeroshot.request import LATE, NOT_ITS_TURN, Posed, Request
from zeroshot.restoration import Restoration
from zeroshot.survey import Survey
from zeroshot.tasks import make_problem
from zeroshot.tiling.chunks import Box, Chunks, Room, laid_out
from zeroshot.tiling.planning import allowed_memory
from zeroshot.volume_denoiser import Reach, VolumeDenoiser

#: What all chunks have in common is found on at most so many parts along each axis, of so many planes and pixels.
_PARTS, _PLANES, _SIDE = 3, 12, 64
#: Bytes for each value of a plane of a chunk, beside those of the denoiser: as it was read, posed, stabilised and done.
_OF_A_PLANE = 28
_DONE = "the volume is denoised"


def restored(
    stack: Stack,
    request: Request,
    options: dict[str, Any],
    survey: Survey,
    depth: Depth | None,
    *,
    hidden: bool,
    skipped: int = 0,
    last: Plane | None = None,
    joint: JointChannels | None = None,
) -> Iterator[Plane]:
    """Each plane, :func:`~zeroshot.joint_planes.in_turn`; those left after Ctrl-C, or without time, as they were.

    Parameters
    ----------
    stack, request, options, survey, hidden, skipped, last, joint
        As for :func:`zeroshot.planes.restored_planes`. Planes that are left out are worked on again where a volume
        has others behind them, which depend on them.
    depth : Depth or None
        What makes volumes of the planes; None, or an axis that is one long, restores each by itself.

    Raises
    ------
    ValueError
        Where the smallest chunk does not fit into the memory, before any work.
    """
    if depth is None or stack.lengths[stack.counted.index(depth.axis)] == 1:
        yield from restored_planes(
            stack, request, options, survey, hidden=hidden, skipped=skipped, last=last, joint=joint
        )
        return
    at = stack.counted.index(depth.axis)
    before, length, after = stack.lengths[:at], stack.lengths[at], stack.lengths[at + 1 :]
    work = _Work(stack, request, survey, PlaneOptions(stack, options), depth, math.prod(after))
    together = length * math.prod(after)
    whole, left_out = divmod(skipped, together)
    done_before = whole * together
    with tqdm(
        total=stack.count, initial=done_before, desc=request.task, unit="plane", disable=hidden, leave=False
    ) as bar:
        for outer in itertools.islice(itertools.product(*map(range, before)), whole, None):
            inner = list(itertools.product(*map(range, after)))
            volumes = [_Volume(work, (outer, each), length) for each in inner]
            # One for all that alternate, whatever their noise, and none of before: a run that goes on skips that.
            chunks = _chunks_for(volumes, work)
            for one in volumes:
                one.chunks = chunks
            for chunk in range(chunks.count):
                # Planes of all channels alternate in the order of the axes.
                done = [one.restored(chunk, bar) for one in volumes]
                for row in zip(*done, strict=True):
                    for plane in row:
                        if left_out:
                            left_out -= 1
                        else:
                            yield plane


def memory_for_chunks(device: torch.device) -> int:
    """The bytes that a chunk may take: a power of two, so that a run that goes on another day has the same chunks."""
    return 1 << (max(allowed_memory(device), 1).bit_length() - 1)


def _chunks_for(volumes: Sequence[_Volume], work: _Work) -> Chunks:
    """The chunks of volumes of one shape, cut where none of them feels it."""
    reach = Reach(max(one.reach.planes for one in volumes), max(one.reach.pixels for one in volumes))
    first = volumes[0]
    return laid_out(first.shape, reach, first.step, first.room, work.request.tiling.tile)


@dataclass
class _Work:
    """What all volumes of a stack have in common.

    Attributes
    ----------
    stack, request, survey, options, depth
        What is to be done.
    waiting : int
        Of how many volumes planes wait for each other, to be given away in order.
    ended : str
        Why the planes that are left stay as they are; empty while the work goes on.
    """

    stack: Stack
    request: Request
    survey: Survey
    options: PlaneOptions
    depth: Depth
    waiting: int
    ended: str = ""

    @property
    def is_one(self) -> bool:
        """Whether there is a single volume."""
        return self.stack.count == self.stack.lengths[self.stack.counted.index(self.depth.axis)]

    def posed(self, index: Index) -> tuple[np.ndarray, Posed]:
        """A plane as it is stored, and with the problem that it poses."""
        task, prior = self.request.task, self.request.prior
        plane, picture, told = plane_of(self.stack, index, self.survey, self.options)
        problem, inner, options = make_problem(task, picture, told)
        given = standing_for(prior) if prior is None or isinstance(prior, str) else prior
        configured = configured_prior(given, problem, self.request.settings)
        configured.require_support(problem)
        return plane, Posed(self.request, picture, inner, problem, configured, options)


@dataclass(frozen=True, eq=False)
class _Held:
    """A plane of a chunk.

    Attributes
    ----------
    plane : numpy.ndarray
        As it is stored.
    posed : Posed
    noisy : torch.Tensor
        (C, H, W), with noise of one level everywhere, of colours in the opponent space.
    level : float
        That level.
    """

    plane: np.ndarray
    posed: Posed
    noisy: torch.Tensor
    level: float


class _Volume:
    """One volume of a stack, chunk by chunk.

    Parameters
    ----------
    work : _Work
    place : tuple
        The indices of its planes along the axes before and after the one that is its depth.
    length : int
        How many planes it has.

    Attributes
    ----------
    chunks : Chunks
        What is done at a time; set from outside, the same for all volumes of a stack.
    reach : Reach
        How far a cut is felt.
    room : Room
        What a chunk may take.
    """

    chunks: Chunks

    def __init__(self, work: _Work, place: tuple[Index, Index], length: int) -> None:
        self._work, self._place = work, place
        self._device = work.request.device
        self._held: dict[int, _Held] = {}
        self._sums: dict[int, torch.Tensor] = {}
        height, width = work.stack.plane_shape[:2]
        first = self._at(0)
        given = first.posed.prior.volume_denoiser(work.depth.spacing)
        assert given is not None
        channels = first.noisy.shape[0]
        self.room = Room(
            memory_for_chunks(self._device),
            given.least_bytes,
            given.bytes_per_value * channels,
            _OF_A_PLANE * channels * height * width * work.waiting,
        )
        shape = (length, height, width)
        self.shape, self.step = shape, given.step
        # That of the level of the first plane, as told.
        self.reach = given.reach(max(first.level, 1e-6))
        self._measure(given, shape)

    def _at(self, number: int) -> _Held:
        """A plane, held until :meth:`_keep` lets it go."""
        held = self._held.get(number)
        if held is None:
            plane, posed = self._work.posed((*self._place[0], number, *self._place[1]))
            noisy, level = posed.problem.stabilised()
            self._held[number] = held = _Held(plane, posed, to_opponent(noisy)[0], level)
        return held

    def _keep(self, numbers: Iterable[int]) -> None:
        kept = set(numbers)
        for planes in (self._held, self._sums):
            for number in [one for one in planes if one not in kept]:
                del planes[number]

    # --- what all chunks have in common ---

    def _measure(self, given: VolumeDenoiser, shape: tuple[int, int, int]) -> None:
        """The level of the noise, the contrast, and what the denoiser finds out, from parts of the volume."""
        planes, side = min(_PLANES, shape[0]), [min(_SIDE, size) for size in shape[1:]]
        parts, levels, widths = [], [], []
        for start in _spread(shape[0], planes):
            held = [self._at(number) for number in range(start, start + planes)]
            levels += [one.level for one in held]
            widths += [float(contrasts(from_opponent(one.noisy[None]), one.level)) for one in held]
            whole = torch.stack([one.noisy for one in held], dim=1)
            for top, left in itertools.product(_spread(shape[1], side[0]), _spread(shape[2], side[1])):
                parts.append(whole[..., top : top + side[0], left : left + side[1]].clone())
            self._keep(range(planes) if start == 0 else ())
        self._sigma = math.sqrt(sum(one**2 for one in levels) / len(levels))
        self._contrast = max(widths)
        self._denoiser = given
        if self._sigma > 0:
            samples = torch.stack(parts).to(self._device) / self._contrast
            self._denoiser = given.prepared(samples, self._sigma / self._contrast)

    # --- chunk by chunk ---

    def restored(self, chunk: int, bar: Any) -> list[Plane]:
        """The planes that are finished with a chunk."""
        began = time.monotonic()
        work, finished = self._work, self.chunks.finished(chunk)
        if not work.ended and seconds_left() <= 0:
            work.ended = LATE
        if not work.ended:
            try:
                with polling():
                    self._denoise(chunk, bar)
            except OutOfTime:
                work.ended = LATE
            except KeyboardInterrupt:
                work.ended = NOT_ITS_TURN
        seconds = (time.monotonic() - began) / max(len(finished), 1)
        planes = [self._finished(number, seconds) for number in finished]
        bar.update(len(finished))
        later = self.chunks.planes(chunk + 1) if chunk + 1 < self.chunks.count else ()
        self._keep(later)
        return planes

    def _finished(self, number: int, seconds: float) -> Plane:
        held = self._at(number)
        index = (*self._place[0], number, *self._place[1])
        if self._work.ended:
            restoration = held.posed.untouched(self._work.ended)
        else:
            restoration = self._answer(held, self._sums.pop(number), seconds)
        return Plane(index, as_stored(restoration.image, held.plane), restoration)

    def _answer(self, held: _Held, values: torch.Tensor, seconds: float) -> Restoration:
        """A plane of the volume, mapped back to the values of the stack."""
        image = held.posed.problem.unstabilised(from_opponent(values[None])).clamp(0, 1)
        depth, chunks = self._work.depth, self.chunks
        found: dict[str, Any] = {"axis": depth.axis, "spacing": depth.spacing}
        if len(list(chunks.boxes(0))) * chunks.count > 1:
            found["chunk"] = list(chunks.shape)
        if self._work.is_one:
            found |= self._denoiser.findings()
        return held.posed.answered(image, _DONE, seconds, volume=found)

    def _denoise(self, chunk: int, bar: Any) -> None:
        """Add what a chunk has to say to the planes that it counts at."""
        numbers = self.chunks.planes(chunk)
        held = [self._at(number) for number in numbers]
        noisy = torch.stack([one.noisy for one in held], dim=1)
        if self._sigma == 0:
            self._sums.update(zip(numbers, noisy.unbind(1), strict=True))
            return
        levels = None
        if held[0].posed.problem.sigma_map is not None:
            # Levels of colours are those of their mean: an opponent space has no others.
            each = [one.posed.problem.sigma_map for one in held]
            levels = torch.stack([one.square().mean(dim=1).sqrt() for one in each if one is not None], dim=1)
        boxes = list(self.chunks.boxes(chunk))
        for number, box in enumerate(boxes, start=1):
            if len(boxes) > 1:
                bar.set_postfix_str(f"tile {number}/{len(boxes)}")
            place = (..., slice(None), box.rows, box.columns)
            part = noisy[place].to(self._device)
            result = self._denoised(part) if levels is None else self._at_levels(part, levels[place].to(part))
            self._add(box, result.cpu())

    def _add(self, box: Box, values: torch.Tensor) -> None:
        height, width = self._work.stack.plane_shape[:2]
        box.weigh_(values)
        for at, number in enumerate(range(box.planes.start, box.planes.stop)):
            if box.weights[0][at] > 0:
                if number not in self._sums:
                    self._sums[number] = values.new_zeros(values.shape[0], height, width)
                self._sums[number][:, box.rows, box.columns] += values[:, at]

    @torch.no_grad()
    def _denoised(self, noisy: torch.Tensor, sigma: float | None = None) -> torch.Tensor:
        """Brought to the contrast of a whole photograph, and back."""
        level = self._sigma if sigma is None else sigma
        return self._denoiser(noisy / self._contrast, level / self._contrast) * self._contrast

    def _at_levels(self, noisy: torch.Tensor, sigma_map: torch.Tensor) -> torch.Tensor:
        """Denoised at several levels, of which every voxel takes its own, as for pictures."""
        levels = levels_of(sigma_map)
        result = noisy * level_weight(sigma_map, levels, -1)
        for index, level in enumerate(levels):
            result += self._denoised(noisy, level) * level_weight(sigma_map, levels, index)
        return result


def _spread(total: int, size: int) -> list[int]:
    """Where up to `_PARTS` parts begin that are spread evenly and do not overlap."""
    count = max(1, min(_PARTS, total // size))
    spare = total - count * size
    return [spare * (2 * index + 1) // (2 * count) + index * size for index in range(count)]
