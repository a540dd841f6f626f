"""The range that a task works in, where what it is told says which values are measured and how noisy they are."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zeroshot.checks import is_number
from zeroshot.spelling import Argument, OptionError
from zeroshot.tasks.options import ShareOfRange, beyond_scale

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.tasks.task import Task


#: Its square, the variance, is still a number of the engine, whose floats are of 32 bits; what is less is none.
_NO_NOISE = 1e-18


def level_of(sigma: float, picture: Picture) -> float:
    """A noise level as the caller gives it, between the black and the white that are worked with.

    In Python it is in the units of the image where its range was found, else between black and white of the type or
    as given; on the command line it always is between black and white.
    """
    form = picture.form
    level = float(sigma)
    if not (isinstance(sigma, ShareOfRange) and form.origin == "found"):
        level *= form.level_factor
    if level < _NO_NOISE:
        return 0.0
    if level > 1 and form.origin != "found":
        raise beyond_scale("sigma", sigma)
    if level > 1:
        low, high = form.value_range
        raise OptionError(
            Argument("sigma"),
            f" is larger than the range of the values, {low:.6g} to {high:.6g}: got {sigma}",
        )
    return level


def without_missing(image: Any, options: dict[str, Any]) -> Any:
    """An array or tensor with 0 for NaN and infinity where the mask says that pixels are missing.

    Where the mask knows one of them, or there is no mask, the image is left as it is, and refused when it is loaded.
    """
    import numpy as np
    import torch

    from zeroshot import images

    if options.get("mask") is None:
        return image
    if isinstance(image, np.ndarray) and image.dtype.kind == "f":
        finite: Any = np.isfinite(image)
        filled: Any = np.where(finite, image, image.dtype.type(0))
        told: Any = finite.astype(np.float32)
    elif isinstance(image, torch.Tensor) and image.is_floating_point():
        finite = torch.isfinite(image)
        filled, told = torch.where(finite, image, torch.zeros_like(image)), finite.float()
    else:
        return image
    if bool(finite.all()):
        return image
    try:
        known = _known(images.load(filled), options)
        measured = images.load(told, subject="mask").colours
    except (ValueError, TypeError, OSError):  # the image or the mask will be refused with the reason
        return image
    return image if bool((known * (1 - measured)).any()) else filled


def on_working_range(picture: Picture, task: Task, options: dict[str, Any]) -> Picture:
    """The picture on the range in which its measured values lie, see :mod:`zeroshot.images.value_range`.

    Parameters
    ----------
    picture : Picture
        As it was loaded.
    task : Task
        What is to be undone.
    options : dict
        What the task is told, not checked yet: of "mask", "sigma" and "data_term" it is seen what to make of values
        beyond black and white.
    """
    from zeroshot.images.value_range import on_range, working_range

    form = picture.form.asked()
    if form.origin == "type" and picture.samples is None:
        return picture
    samples = picture.samples
    if samples is None:
        from zeroshot.images.picture import from_unit

        samples = from_unit(picture.colours, form.dtype, picture.form.value_range).double()
    low, high = form.value_range
    inside = low <= float(samples.min()) and float(samples.max()) <= high
    if inside and form.origin != "type":
        return picture
    default = next((option.default for option in task.options if option.name == "sigma"), None)
    sigma, noise = options.get("sigma", default), None
    # A share of a range that is still to be found says nothing, but that of nothing.
    if is_number(sigma) and (sigma == 0 or form.origin != "type" or not isinstance(sigma, ShareOfRange)):
        noise = float(sigma) * form.level_unit
    peak, photons = options.get("peak"), options.get("data_term") == "poisson"
    if photons and is_number(peak) and peak > 0:
        # The standard deviation at white, and one photon more for the long tail of few of them.
        noise = (peak**-0.5 + 1 / peak) * form.level_unit
    found = working_range(samples, picture.form, _measured(picture, options), noise)
    low, high = found.value_range
    if found.origin == "found" and photons and high > 0:
        # The variance of photons is proportional to the intensity: black is where there are none.
        found = replace(found, value_range=(0.0, high))
    return on_range(picture, found)


def _measured(picture: Picture, options: dict[str, Any]) -> torch.Tensor | None:
    """True where the picture is seen and the mask, if any, knows it."""
    visible = picture.visible
    if options.get("mask") is None:
        return visible
    try:
        known = _known(picture, options) > 0.5
    except (ValueError, TypeError, OSError):  # the task itself will say why
        return visible
    return known if visible is None else known & visible


def _known(picture: Picture, options: dict[str, Any]) -> torch.Tensor:
    """1 where the mask knows a pixel; what there is to say of the mask the task itself will say."""
    from zeroshot.tasks.masks import mask_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mask_of(picture, options["mask"], options.get("invert_mask"))[0]
