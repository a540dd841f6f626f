"""What the values of a mask mean: masks of 0 and 1, of 0 and 255, drawn, compressed, labelled, in an alpha channel.

White is known, everywhere: the opposite of OpenCV and scikit-image, where white marks what is to be filled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from zeroshot.images import Picture

#: For messages: which of the two is which.
POLARITY = "white (1, true) where pixels are known and black (0, false) where they are missing"
#: Up to so many different values are labels, or the edges of a drawing; more are shades.
_MOST_LABELS = 32
#: An intermediate value that so large a share of the pixels has is a label and no edge.
_SHARE_OF_LABEL = 0.02
#: Where so large a share is neither dark nor bright the image is a picture and no mask.
_SHARE_OF_PICTURE = 0.5
#: What differs by so much between the channels, as a share of white, is coloured.
_COLOURED = 0.25


@dataclass(frozen=True)
class Known:
    """Which pixels are known, and what the user should be told of how that was read.

    Attributes
    ----------
    known : numpy.ndarray
        Boolean, of the shape of the values; (H, W) for a picture.
    remark : str
        One line; "" where there was nothing to decide.
    """

    known: np.ndarray
    remark: str = ""


def known_of(values: np.ndarray, soft: str = "refused") -> Known:
    """Which values of a mask say "known".

    Parameters
    ----------
    values : numpy.ndarray
        Booleans; 0 and one other value, which is known; or shades from black to white of 8 or 16 bits with few
        between them, as edges and compression leave, which are known from the middle upwards.
    soft : {"refused", "halved"}
        What becomes of floats between 0 and 1.

    Raises
    ------
    ValueError
        Where the values are labels, a picture, or anything else that does not say which is which.
    """
    if values.dtype.kind == "b":
        return Known(values)
    if values.dtype.kind not in "uif":
        raise ValueError(f"a mask holds numbers or booleans, got {values.dtype}")
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise ValueError("the mask holds NaN; a pixel is either known (1) or missing (0)")
    levels, counts = np.unique(values, return_counts=True)
    if len(levels) == 1:
        return _of_one(values, levels[0].item())
    if len(levels) == 2 and levels[0] == 0:
        return Known(values == levels[1])
    if values.dtype.kind == "f" or levels[0] < 0 or levels[-1] > 65535:
        return _of_floats(values, levels, soft)
    white = 255 if levels[-1] <= 255 else 65535
    return _of_shades(values, levels, counts / values.size, white)


def _of_one(values: np.ndarray, level: float) -> Known:
    """A mask of one value: nothing is known, or everything."""
    top = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 0
    if level in (0, 1, 255, 65535) or (top and level > top // 2):
        return Known(values != 0)
    raise ValueError(f"a mask holds 0 (missing) and 1 (known); this one holds {level:g} everywhere")


def _of_floats(values: np.ndarray, levels: np.ndarray, soft: str) -> Known:
    least, largest = float(levels[0]), float(levels[-1])
    if least < 0 or not np.isfinite(largest):
        raise ValueError(f"a mask is {POLARITY}; this one holds values from {least:g} to {largest:g}")
    white = 1.0 if largest <= 1 else 255.0 if largest <= 255 else largest
    between = levels[(levels > 0.02 * white) & (levels < 0.98 * white)]
    if between.size == 0:
        return Known(values > white / 2)
    if soft == "halved" and white == 1:
        return Known(values >= 0.5, "the mask has values between 0 and 1: known from 0.5 upwards")
    raise ValueError(
        f"the mask holds values between 0 and {white:g}, such as {float(between[0]):.3g}, and a pixel is either known "
        f"or missing; threshold it, for example mask > {white / 2:g}"
    )


def _of_shades(values: np.ndarray, levels: np.ndarray, shares: np.ndarray, white: int) -> Known:
    """A mask of unsigned whole numbers."""
    middle = (levels > 0.1 * white) & (levels < 0.9 * white)
    few = len(levels) <= _MOST_LABELS
    if len(levels) == 2 and levels[0] <= white // 2 < levels[1]:
        return Known(values > white // 2)
    if levels[-1] < white / 2 or (few and (shares[middle] >= _SHARE_OF_LABEL).any()):
        shown = ", ".join(f"{level:g}" for level in levels[:6]) + (" …" if len(levels) > 6 else "")
        raise ValueError(
            f"the mask holds the values {shown}, like the labels of several classes; say which of them are known, for "
            f"example mask == {levels[-1]:g}, or write a mask of 0 (missing) and 255 (known)"
        )
    between = float(shares[middle].sum())
    if between > _SHARE_OF_PICTURE:
        raise ValueError(
            f"the mask looks like a picture: {between:.0%} of its values are neither dark nor bright; a mask is "
            f"{POLARITY}"
        )
    return Known(
        values > white // 2, f"the mask has {len(levels)} shades: known from {white // 2 + 1} upwards"
    )


def known_in_picture(picture: Picture) -> Known:
    """Which pixels a mask that is an image knows: by its brightness, or by its alpha channel.

    Where the alpha channel varies and the visible pixels are of one colour, as an eraser leaves them, what is
    transparent is missing; strokes of black on a transparent ground are what is missing themselves. Where both vary,
    pixels are known that are bright and visible.

    Raises
    ------
    ValueError
        Where the image does not say which pixels are known, see :func:`known_of`.
    """
    pixels = picture.without_alpha().pixels(picture.form.dtype)
    colours = pixels if pixels.ndim == 3 else pixels[..., None]
    alpha = None if picture.alpha is None else picture.alpha[0, 0].numpy() >= 0.5
    if alpha is None or alpha.all() or not alpha.any():
        return _by_colour(colours)
    shown = colours[alpha]
    if (shown == shown[0]).all():
        white = 1.0 if picture.form.dtype.is_floating_point else picture.form.value_range[1]
        if shown[0].mean() <= 0.1 * white and not (white > 1 and shown[0].mean() == 1):
            return Known(
                ~alpha, "the mask is black strokes on a transparent ground: what is black is missing"
            )
        return Known(alpha, "the mask is in the alpha channel of its file: what is transparent is missing")
    try:
        found = _by_colour(np.where(alpha[..., None], colours, 0).astype(colours.dtype))
    except ValueError:  # such as the colours of hints
        return Known(alpha, "the mask is the alpha channel of a picture: what is transparent is missing")
    return Known(
        found.known & alpha,
        "both brightness and alpha of the mask vary: known is what is bright and not transparent",
    )


def _by_colour(colours: np.ndarray) -> Known:
    """By the brightness of (H, W, C)."""
    if (colours == colours[..., :1]).all():
        return known_of(colours[..., 0], "halved")
    brightness = colours.mean(axis=2, dtype=np.float64)
    if colours.dtype.kind != "u":
        return known_of(brightness, "halved")
    codes = np.unique((colours.astype(np.int64) << np.array([0, 16, 32])).sum(axis=2))
    if len(codes) == 2 and codes[0] == 0:
        return Known(brightness > 0)
    spread = colours.max(axis=2).astype(np.int64) - colours.min(axis=2)
    coloured = float((spread > _COLOURED * np.iinfo(colours.dtype).max).mean())
    if len(codes) > 2 and coloured > _SHARE_OF_LABEL:
        raise ValueError(
            f"the mask has {len(codes)} colours, like the labels of several classes or a picture; a mask is {POLARITY}"
        )
    return known_of(brightness.round().astype(colours.dtype))
