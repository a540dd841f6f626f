"""How a learned model expects its images, and how its output is to be read, which no file of weights tells."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from zeroshot.checks import is_number, require_choice, require_whole
from zeroshot.compare.method import Case
from zeroshot.compare.methods.arrays import (
    described_shape,
    from_luma_and_chroma,
    to_luma_and_chroma,
)
from zeroshot.compare.methods.enlarging import enlarge

#: The sizes that a model declares for one input, None for those that are free; None where it declares nothing.
Declared = tuple["int | None", ...] | None

_CHOICES = {
    "channels": ("auto", "rgb", "bgr", "grey", "y", "y-full"),
    "layout": ("auto", "nchw", "nhwc"),
    "input": ("damaged", "enlarged", "first"),
    "output": ("image", "residual", "noise"),
    "sigma": ("auto", "none", "channel", "input"),
}


@dataclass(frozen=True)
class ModelInterface:
    """How a learned model expects its images, and how its output is to be read.

    Parameters
    ----------
    channels : str
        "rgb" or "bgr": three channels; a grey image is given three times, and the mean of the output is taken.
        "grey": one channel; a colour image is restored channel by channel. "y": one channel, the luma of ITU-R
        BT.601 in the 16–235 range, as VDSR and the tables of super-resolution; chroma is left as it is, or
        enlarged by bicubic interpolation. "y-full": the same with luma in the full range. "auto": by what the
        model declares, "rgb" where it declares nothing.
    range : tuple of float, or float
        The values of black and white; a single number is that of white.
    layout : str
        "nchw", "nhwc", or "auto": by what the model declares.
    multiple : int
        Height and width must be multiples of this; the image is continued to them and cut again.
    input : str
        "damaged": the image as it is. "enlarged": brought to the size of the wanted one by bicubic
        interpolation. "first": the operator's first estimate, of the shape of the wanted image.
    output : str
        "image", "residual" (what to add to the input) or "noise" (what to subtract from it).
    sigma : str
        How the model is told the noise level: "none"; "channel": by a constant plane after the others;
        "input": by a second input; "auto": by what the model declares.
    tile : int
        Side of the tiles in which large images are handled; 0: the whole image at once.
    overlap : int
        How many pixels tiles share.
    """

    channels: str = "auto"
    range: Any = (0.0, 1.0)
    layout: str = "auto"
    multiple: int = 1
    input: str = "damaged"
    output: str = "image"
    sigma: str = "auto"
    tile: int = 0
    overlap: int = 32

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            require_choice(self, name, choices)
        require_whole(self, "multiple", least=1)
        require_whole(self, "tile", "overlap", least=0)
        if self.tile and self.overlap >= self.tile:
            raise ValueError(f"overlap must be below tile={self.tile}, got {self.overlap}")
        limits = (0, self.range) if is_number(self.range) else self.range
        is_pair = isinstance(limits, tuple | list) and len(limits) == 2 and all(map(is_number, limits))
        if not is_pair or not limits[0] < limits[1]:
            raise ValueError(f"range must be (black, white) or the value of white, got {self.range!r}")
        object.__setattr__(self, "range", (float(limits[0]), float(limits[1])))

    @classmethod
    def from_options(cls, options: dict[str, Any], subject: str) -> ModelInterface:
        """The interface of these options; `subject` is what the messages call the model.

        Raises
        ------
        ValueError
            Where an option is unknown or has a value that it cannot have.
        """
        known = [one.name for one in dataclasses.fields(cls)]
        for name in options:
            if name not in known:
                raise ValueError(f"{subject} has no option {name!r}; it has: {', '.join(known)}")
        try:
            return cls(**options)
        except ValueError as error:
            raise ValueError(f"{subject}: {error}") from None

    def resolved(self, declared: list[Declared]) -> ModelInterface:
        """The same interface, with "auto" replaced by what the model's declared input shapes say."""
        shape = declared[0] if declared else None
        layout = self.layout
        if layout == "auto":
            last = shape is not None and len(shape) == 4 and shape[1] not in (1, 2, 3, 4)
            layout = "nhwc" if last and shape is not None and shape[3] in (1, 2, 3, 4) else "nchw"
        planes = None if shape is None or len(shape) != 4 else shape[3 if layout == "nhwc" else 1]
        sigma = self.sigma
        if sigma == "auto":
            sigma = "input" if len(declared) > 1 else "channel" if planes in (2, 4) else "none"
        channels = self.channels
        if channels == "auto":
            channels = "grey" if planes == (2 if sigma == "channel" else 1) else "rgb"
        return dataclasses.replace(self, layout=layout, sigma=sigma, channels=channels)

    @property
    def colours(self) -> int:
        """How many channels of colour the model takes."""
        return 3 if self.channels in ("rgb", "bgr") else 1

    def given(self, image: torch.Tensor, case: Case) -> torch.Tensor:
        """What the model is given of the damaged image, before its channels are separated."""
        if self.input == "first":
            return case.problem.framed(case.problem.initial())
        if self.input == "enlarged":
            return enlarge(image, scale_between(image.shape, case.problem.framed_shape))
        return image


def scale_between(small: tuple[int, ...], large: tuple[int, ...]) -> int:
    """How many times larger the second shape (N, C, H, W) is.

    Raises
    ------
    ValueError
        Where that is no whole number, or not the same for height and width.
    """
    scale = large[-2] // small[-2] if small[-2] else 0
    if scale < 1 or (scale * small[-2], scale * small[-1]) != tuple(large[-2:]):
        raise ValueError(
            f"the wanted image of {described_shape(large[-2:])} pixels is no whole number of times larger than "
            f"the {described_shape(small[-2:])} that the model gets"
        )
    return scale


def by_colours(
    network: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, channels: str
) -> torch.Tensor:
    """A grey or colour image through a network of one or three channels.

    Parameters
    ----------
    network : callable
        From (1, 1, h, w) or (1, 3, h, w) to an image of the same number of channels or more.
    image : torch.Tensor
        (1, 1, h, w) or (1, 3, h, w).
    channels : str
        As :class:`ModelInterface` has it, but for "auto".

    Returns
    -------
    torch.Tensor
        (1, C, H, W); C as in `image`, unless the network makes colours of grey.
    """
    is_grey = image.shape[1] == 1
    if channels in ("rgb", "bgr"):
        colours = network(_reordered(image.expand(-1, 3, -1, -1), channels))
        return colours.mean(dim=1, keepdim=True) if is_grey else _reordered(colours, channels)
    if channels == "grey":
        return torch.cat([network(image[:, index : index + 1]) for index in range(image.shape[1])], dim=1)
    black, span = (16 / 255, 219 / 255) if channels == "y" else (0.0, 1.0)
    y, chroma = to_luma_and_chroma(image.expand(-1, 3, -1, -1))
    full = (y - 16 / 255) * (255 / 219)
    restored = (network(full * span + black) - black) / span
    if is_grey:
        return restored
    larger = enlarge(chroma, scale_between(chroma.shape, restored.shape))
    return from_luma_and_chroma(restored * (219 / 255) + 16 / 255, larger)


def _reordered(image: torch.Tensor, channels: str) -> torch.Tensor:
    return image.flip(1) if channels == "bgr" else image
