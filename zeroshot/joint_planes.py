"""The planes of a place, one of each channel, denoised along the axes that the channels have in common."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from zeroshot import images
from zeroshot.deadline import GRACE, Deadline, seconds_left
from zeroshot.images.stack import Index, Stack
from zeroshot.joint_channels import JointChannels, Whitened, whitened
from zeroshot.noise import NoiseModel
from zeroshot.noise import spectrum as spectra_of
from zeroshot.operators import Identity
from zeroshot.patches.channel_axes import ChannelAxes
from zeroshot.plane_options import PlaneOptions, is_empty
from zeroshot.problem import Problem
from zeroshot.request import LATE, Posed, Request
from zeroshot.restoration import Restoration
from zeroshot.survey import Survey, picture_of
from zeroshot.tasks import make_problem


def in_turn(stack: Stack, joint: JointChannels | None) -> Iterator[Index]:
    """The planes as they are worked on: in the order of the axes, but joint channels of a place one after another."""
    if joint is None or joint.found is None:
        yield from stack.indices()
        return
    at = stack.counted.index("C")
    for index in stack.indices():
        if index[at] == 0:
            for channel in range(stack.channels):
                yield (*index[:at], channel, *index[at + 1 :])


class JointPlanes:
    """Denoises the channels of a place together when the first of them is asked for, and holds the others.

    Parameters
    ----------
    stack, request, survey
        As for :func:`zeroshot.planes.restored_planes`.
    options : PlaneOptions
    found : ChannelAxes
        Which channels, and along which axes.

    Attributes
    ----------
    apart : int
        How many planes were left to themselves, though others of their channels are not.
    """

    def __init__(
        self, stack: Stack, request: Request, options: PlaneOptions, survey: Survey, found: ChannelAxes
    ) -> None:
        self._stack, self._request, self._options, self._survey = stack, request, options, survey
        self._found, self._at = found, stack.counted.index("C")
        self._held: dict[Index, Restoration] = {}
        self._alone: Index | None = None
        self.apart = 0

    def held(self, index: Index) -> Restoration | None:
        """A plane that was restored along with another one, given away."""
        return self._held.pop(index, None)

    def restored(self, index: Index, left: int) -> Restoration | None:
        """A plane, and with it the others of its place; None where it is to be restored by itself.

        Parameters
        ----------
        index : tuple of int
        left : int
            How many planes share the time that is left, this one included.
        """
        place = (*index[: self._at], *index[self._at + 1 :])
        if index[self._at] not in self._found.together:
            return None
        if place != self._alone:
            self._held.clear()
            done = self._together(
                [(*place[: self._at], one, *place[self._at :]) for one in self._found.together], left
            )
            if done is not None:
                self._held.update(done)
                return self.held(index)
            self._alone = place
        self.apart += 1
        return None

    def _together(self, indices: Sequence[Index], left: int) -> dict[Index, Restoration] | None:
        """The planes of a place; None where one of them has pixels that are not measured, or other noise."""
        began = time.monotonic()
        posed, seen = [], []
        for index in indices:
            channel = self._survey.channels[self._stack.channel_of(index)]
            plane, told = self._stack.plane(index), self._options.of(index, channel)
            if is_empty(plane, None):
                return None
            picture = picture_of(plane, channel)
            problem, inner, options = make_problem(self._request.task, picture, told)
            white = whitened(problem, picture)
            if white is None:
                return None
            posed.append(self._request.posed(picture, problem, inner, options))
            seen.append(white)
        axes = self._found.axes.float()
        planes = torch.stack([one.values for one in seen])
        # Axes that are not come to keep their noise: the first of them have most of what the channels show.
        denoised, runs = torch.einsum("kc,chw->khw", axes, planes), []
        broken_off = ""
        for number, axis in enumerate(axes):
            # After a resumption more axes may be left than planes.
            sharing = max(left, len(axes)) - number
            run, denoised[number] = self._axis(denoised[number], _noise_along(axis, seen), sharing)
            runs.append(run)
            if run.interrupted or run.stopped_by == LATE:
                broken_off = run.stopped_by
                break
        if len(runs) == 1 and broken_off and not runs[0].iterations:
            return {index: one.untouched(broken_off) for index, one in zip(indices, posed, strict=True)}
        counts = [run.iterations for run in runs] + [0] * (len(axes) - len(runs))
        runs += runs[-1:] * (len(axes) - len(runs))
        back = torch.einsum("kc,khw->chw", axes, denoised)
        seconds = (time.monotonic() - began) / len(indices)
        return {
            indices[number]: _answer(
                posed[number],
                seen[number],
                back[number],
                run,
                broken_off or run.stopped_by,
                seconds,
                counts[number],
                counts,
            )
            for number, run in enumerate(runs)
        }

    def _axis(self, values: torch.Tensor, noise: NoiseModel, left: int) -> tuple[Restoration, torch.Tensor]:
        """What becomes of an axis (H, W), denoised as a picture between its least and its largest value."""
        low = float(values.min())
        width = float(values.max()) - low or 1.0
        scaled = ((values - low) / width).clamp(0, 1)
        picture = images.load(scaled.numpy())
        problem = Problem(
            scaled[None, None],
            Identity(),
            sigma=noise.sigma / width,
            noise=noise.scaled(1 / width),
            task="denoise",
        )
        posed = self._request.posed(picture, problem, picture, {})
        remaining = seconds_left()
        if remaining <= 0:
            run = posed.untouched(LATE)
        else:
            run = posed.restored(None if remaining == math.inf else Deadline(remaining / left, grace=GRACE))
        return run, run.picture.colours[0, 0] * width + low


def _noise_along(axis: torch.Tensor, seen: Sequence[Whitened]) -> NoiseModel:
    """The noise of a sum of planes with noise of level 1, weighted by an axis of length 1."""
    if all(one.noise is None or one.noise.spectra is None for one in seen):
        return NoiseModel.white(1.0)
    weights = axis.square()
    spectra = [
        spectra_of.white() if one.noise is None or one.noise.spectra is None else one.noise.spectra
        for one in seen
    ]
    mixed = sum(weight * spectrum for weight, spectrum in zip(weights, spectra, strict=True))
    confidence = min(1.0 if one.noise is None else one.noise.confidence for one in seen)
    return replace(NoiseModel.white(1.0, confidence=confidence), spectra=mixed)


def _answer(
    posed: Posed,
    seen: Whitened,
    values: torch.Tensor,
    run: Restoration,
    stopped_by: str,
    seconds: float,
    iterations: int,
    of_axes: list[int],
) -> Restoration:
    """A plane turned back, on the scale of its picture.

    Its iterations are those of one axis, so that the planes of a place have as many together as the axes; those of
    all axes, each of which it was made of, stand beside them.
    """
    image = posed.problem.unstabilised((values * seen.level)[None, None]).clamp(0, 1)
    how = {name: run.provenance[name] for name in ("prior", "settings", "stopping")}
    return posed.answered(image, stopped_by, seconds, iterations, iterations_of_axes=of_axes, **how)
