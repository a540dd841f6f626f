"""What the options of a task mean: noise levels, data terms, masks, kernels and hints as users write them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageColor

from zeroshot import images
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.operators import Blur, Mask, parse

_MARK_TOLERANCE = 2.5 / 255


def checked_sigma(sigma: Any) -> float | None:
    if sigma is None:
        return None
    if isinstance(sigma, bool) or not isinstance(sigma, int | float | np.number):
        raise TypeError(f"sigma must be a number on the [0, 1] scale or None, got {sigma!r}")
    value = float(sigma)
    if not value >= 0:
        raise ValueError(f"sigma must be at least 0, got {sigma}")
    if value > 1:
        raise ValueError(
            f"sigma must lie on the [0, 1] scale, got {sigma}; for 8-bit grey levels write sigma={sigma}/255"
        )
    return value


def checked_data_term(options: dict[str, Any]) -> DataTerm:
    chosen, peak = options["data_term"], options["peak"]
    if isinstance(chosen, DataTerm):
        return chosen
    if chosen not in ("gaussian", "poisson", "l1", "huber"):
        raise ValueError(
            f"data_term must be 'gaussian', 'poisson', 'l1', 'huber' or a DataTerm, got {chosen!r}"
        )
    if chosen == "poisson":
        if peak is None or not peak > 0:
            raise ValueError(f"data_term 'poisson' needs peak=…: how many photons make white, got {peak}")
        return Poisson(gain=1 / float(peak))
    return {"gaussian": Gaussian(), "l1": L1(), "huber": Huber()}[chosen]


def mask_of(picture: images.Picture, mask: Any) -> tuple[torch.Tensor, images.Picture]:
    """The mask that a user's description of it means.

    Parameters
    ----------
    picture : Picture
        The damaged picture.
    mask : array, tensor, PIL image, path, "alpha", or colour
        True (white) where pixels are known. "alpha" takes the picture's own alpha channel; a colour, as text
        ("#ff00ff") or as a tuple of values in [0, 1], marks the pixels that are missing.

    Returns
    -------
    mask : torch.Tensor
        (N, 1 or C, H, W), 1 where pixels are known.
    picture : Picture
        Less its alpha channel, where that was the mask.
    """
    if isinstance(mask, str) and mask == "alpha":
        if picture.alpha is None:
            raise ValueError("mask='alpha' needs an image with an alpha channel; this one has none")
        return (picture.alpha >= 0.5).float(), picture.without_alpha()
    if isinstance(mask, tuple) or (isinstance(mask, str) and not Path(mask).exists() and _is_colour(mask)):
        return _known_beside_colour(picture, mask), picture
    if isinstance(mask, str | Path | Image.Image):
        values = (images.load(mask, subject="mask").colours.mean(dim=1, keepdim=True) >= 0.5).float()
    else:
        # Arrays put their channels last, tensors first.
        if isinstance(mask, np.ndarray) and mask.ndim == 3:
            mask = np.moveaxis(mask, -1, 0)
        values = Mask(mask).mask.float()
    _check_mask_fits(values, picture)
    return values, picture


def _check_mask_fits(mask: torch.Tensor, picture: images.Picture) -> None:
    count, channels, height, width = picture.colours.shape
    wanted = f"an array or image of the input's height and width ({height} × {width})"
    if tuple(mask.shape[-2:]) != (height, width):
        got = f"{mask.shape[-2]} × {mask.shape[-1]}"
        raise ValueError(f"mask must be {wanted}, true where pixels are known; got {got}")
    if mask.shape[0] not in (1, count) or mask.shape[1] not in (1, channels):
        raise ValueError(
            f"mask must be {wanted}, for all channels or each of the {channels}; got {mask.shape[1]} channels"
        )


def _is_colour(text: str) -> bool:
    try:
        ImageColor.getrgb(text)
    except ValueError:
        return False
    return True


def _known_beside_colour(picture: images.Picture, colour: str | Sequence[float]) -> torch.Tensor:
    """1 where the picture does not have the colour that marks the hole."""
    values = [v / 255 for v in ImageColor.getrgb(colour)[:3]] if isinstance(colour, str) else list(colour)
    channels = picture.colours.shape[1]
    if channels == 1:
        values = values[:1]
    if len(values) != channels or not all(0 <= v <= 1 for v in values):
        raise ValueError(f"a colour that marks the hole needs {channels} values in [0, 1], got {colour!r}")
    mark = torch.tensor(values).view(1, -1, 1, 1)
    is_hole = ((picture.colours - mark).abs() <= _MARK_TOLERANCE).all(dim=1, keepdim=True)
    if not is_hole.any():
        raise ValueError(f"no pixel has the colour {colour!r} that is to mark the hole")
    return (~is_hole).float()


def kernel_of(kernel: Any) -> torch.Tensor:
    """The blur kernel that a user means: an array, a file (.npy or an image), or text such as gaussian=1.6.

    Returns
    -------
    torch.Tensor
        (height, width).
    """
    if isinstance(kernel, str) and not Path(kernel).exists() and "=" in kernel:
        operator = parse(f"blur({kernel})")
        assert isinstance(operator, Blur)
        return operator.kernel
    if isinstance(kernel, str | Path):
        return kernel_file(kernel)
    if isinstance(kernel, torch.Tensor):
        return kernel.detach().float()
    try:
        return torch.as_tensor(np.asarray(kernel, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise ValueError(f"kernel must be an array of numbers, got {type(kernel).__name__}") from error


def kernel_file(path: str | Path) -> torch.Tensor:
    """The kernel in a file: the array of a .npy file, or the brightness of an image."""
    if str(path).endswith(".npy"):
        try:
            return torch.as_tensor(np.load(path, allow_pickle=False).astype(np.float32))
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no such kernel file: {path}") from None
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"the kernel file holds no array: {path}") from error
    return images.load(path, subject="kernel").colours[0].mean(dim=0)


def scale_of(scale: Any) -> int:
    """The scale as a whole number from 2 to 16."""
    is_number = isinstance(scale, int | float | np.number) and not isinstance(scale, bool)
    if not is_number or not math.isfinite(scale) or scale != int(scale) or not 2 <= scale <= 16:
        raise ValueError(f"scale must be a whole number from 2 to 16, got {scale!r}")
    return int(scale)


def hints_of(hints: Any, colours: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The colours that hints give and where they give them: (N, 3, H, W) and (N, 1, H, W)."""
    picture = images.load(hints, subject="hints")
    count, _, height, width = colours.shape
    given = picture.colours
    if given.shape[1] != 3 or tuple(given.shape[-2:]) != (height, width):
        raise ValueError(
            f"hints must be a colour image of {height} × {width}, with alpha 0 where it is silent"
        )
    if picture.alpha is None:
        raise ValueError("hints need an alpha channel that is 0 where they say nothing (RGBA)")
    if given.shape[0] not in (1, count):
        raise ValueError(f"hints must be one image or {count}, got {given.shape[0]}")
    where = (picture.alpha >= 0.5).float()
    if not where.any():
        raise ValueError("the hints give no colour: their alpha is 0 everywhere")
    return given.expand(count, -1, -1, -1), where.expand(count, -1, -1, -1)
