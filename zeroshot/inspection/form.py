"""The form of a picture: size, channels, depth, range, orientation, clipping."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from zeroshot.images import Picture
from zeroshot.inspection.finding import Finding

#: The share of the pixels that must be clipped to be worth a word.
_LEAST_CLIPPED = 0.005
#: So many values are looked up in a table.
_MOST_VALUES = 1 << 17


@dataclass(frozen=True)
class Form(Finding):
    """How a picture is stored, and how much of it is black or white.

    Attributes
    ----------
    width, height : int
        After it was turned upright.
    channels : int
        1 or 3.
    dtype : str
        Of a sample.
    bits_used : int or None
        Of integers, how many the values really have: 8 where 8-bit values were stored in 16. None for floats.
    grey_in_colour : bool
        Whether the three channels are one.
    alpha : bool
        Whether there is an alpha channel.
    turned : int
        The EXIF orientation that was undone; 1: none.
    values : tuple of float
        The smallest and the largest value of a sample.
    value_range : tuple of float
        The values that are black and white.
    black, white : float
        The share of the pixels that are black, or white, in any channel.
    """

    topic: ClassVar[str] = "form"
    width: int
    height: int
    channels: int
    dtype: str
    bits_used: int | None
    grey_in_colour: bool
    alpha: bool
    turned: int
    values: tuple[float, float]
    value_range: tuple[float, float]
    black: float
    white: float

    @property
    def sentence(self) -> str:
        colour = (
            "grey" if self.channels == 1 else "grey stored as colour" if self.grey_in_colour else "colour"
        )
        parts = [f"{self.width} × {self.height}, {colour}, {self.dtype}"]
        depth = np.dtype(self.dtype).itemsize * 8 if self.bits_used is not None else None
        if self.bits_used is not None and depth is not None and self.bits_used < depth:
            parts.append(f"of which {self.bits_used} bits are used")
        if self.value_range not in ((0.0, 1.0), (0.0, 255.0), (0.0, 65535.0)):
            parts.append(f"black at {self.value_range[0]:g} and white at {self.value_range[1]:g}")
        if self.alpha:
            parts.append("with alpha")
        if self.turned != 1:
            parts.append(f"turned upright (orientation {self.turned})")
        clipped = [
            f"{share:.1%} of the pixels are {name}"
            for name, share in (("black", self.black), ("white", self.white))
            if share >= _LEAST_CLIPPED
        ]
        return ", ".join(parts + clipped)


def form_of(picture: Picture, orientation: int = 1) -> Form:
    """The form of a picture; of a batch that of the first image."""
    form, colours = picture.form, picture.colours[0]
    low, high = form.value_range
    seen = colours if picture.visible is None else colours[:, picture.visible[0, 0]]
    if seen.numel() == 0:
        seen = colours
    grey = len(colours) == 3 and bool((colours[0] == colours[1]).all() and (colours[1] == colours[2]).all())
    pixels = seen.reshape(len(colours), -1)
    return Form(
        confidence=1.0,
        width=colours.shape[-1],
        height=colours.shape[-2],
        channels=len(colours),
        dtype=str(form.numpy_dtype or form.dtype).removeprefix("torch."),
        bits_used=_bits_used(picture),
        grey_in_colour=grey,
        alpha=picture.alpha is not None,
        turned=orientation,
        values=(low + float(seen.min()) * (high - low), low + float(seen.max()) * (high - low)),
        value_range=(float(low), float(high)),
        black=float((pixels <= 0).any(dim=0).float().mean()),
        white=float((pixels >= 1).any(dim=0).float().mean()),
    )


def _bits_used(picture: Picture) -> int | None:
    dtype = picture.form.dtype
    if dtype.is_floating_point:
        return None
    if dtype == torch.bool:
        return 1
    low, high = picture.form.value_range
    values = _values(picture.colours[0], low, high)
    depth = np.iinfo(str(dtype).removeprefix("torch.")).bits
    for bits in range(1, depth):
        # Stretched so that white is white, or shifted to the upper end, or left at the lower.
        most, step = 2**bits - 1, (2**depth - 1) / (2**bits - 1)
        if (
            (np.abs(values - np.rint(np.rint(values / step) * step)) == 0).all()
            or (values % 2 ** (depth - bits) == 0).all()
            or values.max() <= most
        ):
            return bits if len(values) > 2 else max(1, math.ceil(math.log2(max(len(values), 2))))
    return depth


def _values(colours: torch.Tensor, low: float, high: float) -> np.ndarray:
    """The whole values that the samples have, in ascending order."""
    least, most = (round(low + float(extreme) * (high - low)) for extreme in colours.aminmax())
    if most - least >= _MOST_VALUES:
        return np.unique(np.rint(colours.double().numpy() * (high - low) + low).astype(np.int64))
    # So many that floats of 32 bits tell them apart: a table is much quicker than sorting.
    held = torch.zeros(most - least + 1, dtype=torch.bool)
    held[(colours * (high - low) + (low - least)).round_().long().flatten().clamp_(0, most - least)] = True
    return held.nonzero()[:, 0].numpy() + least
