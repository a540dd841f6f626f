"""What all planes of a stack have in common, found before the first is restored: range and noise of each channel.

A channel was recorded in one way, so that black, white and the noise are the same in all its planes.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from zeroshot import images
from zeroshot.images.picture import Origin
from zeroshot.images.stack import Stack
from zeroshot.images.value_range import range_of_values
from zeroshot.noise import NoiseModel, estimate_noise
from zeroshot.notes import note
from zeroshot.spelling import OptionWarning, Wording
from zeroshot.tasks import task_named
from zeroshot.words import counted

#: So many channels are told one by one.
MOST_TOLD = 6
#: From that many planes of a channel the noise is estimated, spread over it, and from that many rows and columns each.
NOISE_PLANES, NOISE_SIDE = 8, 1024


@dataclass(frozen=True)
class Channel:
    """What the planes of a channel have in common.

    Attributes
    ----------
    value_range : tuple of float
        Black and white.
    origin : {"type", "given", "found", "widened"}
        How that came about, as :class:`~zeroshot.images.GivenForm` has it.
    noise : NoiseModel or None
        Between black and white; None where the task has no use for it, or was told.
    """

    value_range: tuple[float, float]
    origin: Origin
    given_range: tuple[float, float] | None = None
    noise: NoiseModel | None = None

    @property
    def width(self) -> float:
        """From black to white."""
        return self.value_range[1] - self.value_range[0]


@dataclass(frozen=True)
class Survey:
    """What a first pass over a stack has found.

    Attributes
    ----------
    channels : tuple of Channel
    sha256 : str
        Of axes, shape, type and values.
    """

    channels: tuple[Channel, ...]
    sha256: str


def surveyed(
    stack: Stack,
    task: str,
    options: dict[str, Any],
    value_range: tuple[float, float] | None,
    *,
    hidden: bool = True,
) -> Survey:
    """The range and the noise of each channel, from one pass over all planes and a second over some.

    Parameters
    ----------
    stack : Stack
    task : str
    options : dict
        Of the task.
    value_range : tuple of float or None
        Black and white, where they were told.
    hidden : bool
        Whether no progress is shown.

    Raises
    ------
    ImageError
        Where a plane cannot be read, or there is no finite value in any.
    """
    digest = hashlib.sha256(f"{stack.axes} {stack.shape} {stack.dtype.name}".encode())
    extent = [(math.inf, -math.inf)] * stack.channels
    for index in stack.indices():
        plane = stack.plane(index)
        digest.update(plane.astype(plane.dtype.newbyteorder("<"), copy=False).tobytes())
        values = plane[..., :3] if plane.ndim == 3 else plane
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        if values.size:
            channel = stack.channel_of(index)
            low, high = extent[channel]
            extent[channel] = min(low, float(values.min())), max(high, float(values.max()))
    channels = []
    if all(low > high for low, high in extent):
        raise images.ImageError("has no value that is a number in any plane")
    for low, high in extent:
        if low > high:  # a channel without any
            low, high = 0.0, 1.0
        channels.append(Channel(*range_of_values(low, high, stack.dtype, value_range)))
    if _noise_is_sought(task, options):
        # A short wait is not worth a bar.
        bar = tqdm(
            channels, desc="estimating the noise", unit="channel", disable=hidden, leave=False, delay=2
        )
        channels = [
            replace(channel, noise=_noise_of(stack, number, channel)) for number, channel in enumerate(bar)
        ]
    return Survey(tuple(channels), digest.hexdigest())


def _noise_is_sought(task: str, options: dict[str, Any]) -> bool:
    """Whether the task takes a model of the noise, and nobody has said what it is."""
    takes = any(option.name == "noise" for option in task_named(task).options)
    return takes and all(options.get(name) is None for name in ("sigma", "noise", "peak"))


def _noise_of(stack: Stack, channel: int, found: Channel) -> NoiseModel:
    planes = [index for index in stack.indices() if stack.channel_of(index) == channel]
    step = max(1, len(planes) / NOISE_PLANES)
    chosen = [planes[int((number + 0.5) * step)] for number in range(min(len(planes), NOISE_PLANES))]
    height, width = stack.plane_shape[:2]
    top, left = max(0, (height - NOISE_SIDE) // 2), max(0, (width - NOISE_SIDE) // 2)
    parts = []
    for index in chosen:
        crop = stack.plane(index)[top : top + NOISE_SIDE, left : left + NOISE_SIDE]
        if crop.dtype.kind != "f" or np.isfinite(crop).any():
            parts.append(picture_of(crop, found))
    if not parts:
        return NoiseModel.white(0.0, confidence=0.0)
    known = None
    if any(one.visible is not None for one in parts):
        known = torch.cat(
            [torch.ones_like(one.colours[:, :1]) if one.alpha is None else one.alpha for one in parts]
        )
    return estimate_noise(torch.cat([one.colours for one in parts]), known)


def picture_of(plane: np.ndarray, channel: Channel) -> images.Picture:
    """The colours of a plane on the range of its channel; what is NaN is unknown."""
    values = plane[..., :3] if plane.ndim == 3 else plane
    if values.dtype.kind != "f":
        values = values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)
    picture = images.load(values, value_range=channel.value_range, nan="unknown")
    form = replace(picture.form, origin=channel.origin, given_range=channel.given_range)
    return replace(picture, form=form)


def say_channels(stack: Stack, survey: Survey) -> None:
    """Tell the user of how many planes the stack is, which are missing, and what black and white are taken to be."""
    shape = " × ".join(map(str, stack.shape))
    name = "" if stack.source is None else f"{stack.source.name}: "
    stack.say_remarks()
    if stack.missing:
        note(
            f"{name}{stack.missing} of {counted(stack.count, 'plane')} are not in the file, and are taken for 0"
        )
    ranges = [f"{low:.6g} to {high:.6g}" for low, high in (one.value_range for one in survey.channels)]
    told = (
        ranges[0]
        if len(set(ranges)) == 1
        else "; ".join(f"{each} in channel {number}" for number, each in enumerate(ranges[:MOST_TOLD]))
    )
    text = f"{name}{counted(stack.count, 'plane')} ({stack.axes}, {shape}), worked on from {told}"
    if all(one.origin in ("type", "given") for one in survey.channels):
        return
    choose = Wording(
        "; sigma is in the units of the stack; say value_range=(black, white) to choose",
        "; say --range LOW,HIGH to choose",
    )
    note(OptionWarning(text, choose))
