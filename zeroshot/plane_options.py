"""What a plane of a stack is to the engine: a picture on the range of its channel, and the task's options for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from zeroshot import images
from zeroshot.images.stack import ArrayStack, Index, Stack
from zeroshot.survey import Channel, Survey, picture_of
from zeroshot.tasks.options import ShareOfRange


class PlaneOptions:
    """The options of the task for each plane: arrays with the shape of the stack are cut like it."""

    def __init__(self, stack: Stack, options: dict[str, Any]) -> None:
        given = stack.given_axes if isinstance(stack, ArrayStack) else stack.axes
        lengths = dict(zip(stack.axes, stack.shape, strict=True))
        # Masks have no samples of their own.
        shapes = {tuple(lengths[one] for one in axes): axes for axes in (given.replace("S", ""), given)}
        self._options = options
        self._own = {
            name: ArrayStack(value, shapes[tuple(value.shape)])
            for name, value in options.items()
            if isinstance(value, np.ndarray) and value.ndim > 2 and tuple(value.shape) in shapes
        }

    def of(self, index: Index, channel: Channel) -> dict[str, Any]:
        """Those of one plane, with the noise of its channel."""
        options = {**self._options, **{name: each.plane(index) for name, each in self._own.items()}}
        if channel.noise is None:
            return options
        if options.get("data_term", "gaussian") == "gaussian":
            return {**options, "noise": channel.noise}
        return {**options, "sigma": ShareOfRange(channel.noise.sigma)}


def plane_of(
    stack: Stack, index: Index, survey: Survey, options: PlaneOptions
) -> tuple[np.ndarray, images.Picture, dict[str, Any]]:
    """A plane as it is stored, as a picture, and the options of the task for it.

    Raises
    ------
    ImageError
        Where none of its values is a number.
    """
    channel = survey.channels[stack.channel_of(index)]
    plane = stack.plane(index)
    if plane.dtype.kind == "f" and not np.isfinite(plane).any():
        raise images.ImageError(
            f"plane {index} has no value that is a number, and a volume needs some in each; leave volume=… out"
        )
    return plane, picture_of(plane, channel), options.of(index, channel)


def is_empty(plane: np.ndarray, mask: Any) -> bool:
    """Whether a plane has no number, or a mask of its own size hides them all."""
    if plane.dtype.kind == "f" and not np.isfinite(plane).any():
        return True
    if isinstance(mask, np.ndarray):
        return mask.shape[:2] == plane.shape[:2] and not mask.any()
    has_alpha = plane.ndim == 3 and plane.shape[2] == 4
    return isinstance(mask, str) and mask == "alpha" and has_alpha and not plane[..., 3].any()
