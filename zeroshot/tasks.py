"""Task name and its options → Problem, and the table of tasks.

A task says what the damage is. Its options are checked against the table here before any work starts.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ImageColor

from zeroshot import images
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.noise import estimate_sigma, phase_planes
from zeroshot.operators import (
    Blur,
    Composition,
    Downsample,
    Grayscale,
    Identity,
    Mask,
    Mosaic,
    Operator,
    Stack,
    as_operator,
    parse,
)
from zeroshot.problem import Problem
from zeroshot.registry import unknown

_REQUIRED = object()
_MARK_TOLERANCE = 2.5 / 255


@dataclass(frozen=True)
class Option:
    """One option of a task: its name, what it means, and its default (none: it must be given)."""

    name: str
    meaning: str
    default: Any = _REQUIRED

    @property
    def required(self) -> bool:
        return self.default is _REQUIRED

    def __str__(self) -> str:
        default = "required" if self.required else f"default {self.default!r}"
        return f"{self.name}: {self.meaning} ({default})"


@dataclass(frozen=True)
class Task:
    """A kind of damage: its name, what it undoes, its options, and how a problem is made of an image."""

    name: str
    summary: str
    options: tuple[Option, ...]
    build: Callable[[images.Picture, dict[str, Any]], tuple[Problem, images.Picture]]

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.summary}"]
        return "\n".join(lines + [f"    {option}" for option in self.options])


class TaskTable(dict[str, Task]):
    """The tasks by name; prints as a readable list."""

    def __str__(self) -> str:
        return "\n\n".join(str(task) for task in self.values())

    __repr__ = __str__


def tasks() -> TaskTable:
    """The table of tasks with their options.

    Examples
    --------
    >>> import zeroshot
    >>> sorted(zeroshot.tasks())
    ['colorize', 'deblur', 'demosaic', 'denoise', 'inpaint', 'restore', 'sr']
    """
    return TaskTable(_TASKS)


def make_problem(
    task: str, picture: images.Picture, options: dict[str, Any]
) -> tuple[Problem, images.Picture, dict[str, Any]]:
    """The problem that `task` with `options` poses for `picture`.

    Parameters
    ----------
    task : str
        A name in the table of tasks.
    picture : Picture
        The damaged image.
    options : dict
        The task's options by name.

    Returns
    -------
    problem : Problem
        On the CPU.
    picture : Picture
        The picture to put the result into: the input, less an alpha channel that was used up as a mask.
    options : dict
        All options with their defaults filled in.

    Raises
    ------
    ValueError
        Where the task or an option is unknown, a required option is missing, or a value does not fit.
    """
    if task not in _TASKS:
        raise ValueError(unknown("task", task, _TASKS))
    entry = _TASKS[task]
    known = {option.name: option for option in entry.options}
    for name in options:
        if name not in known:
            raise ValueError(f"task {task!r} has no option {name!r}; it has: {', '.join(known)}")
    for option in entry.options:
        if option.required and options.get(option.name) is None:
            raise ValueError(f"task {task!r} needs {option.name}=…: {option.meaning}")
    complete = {option.name: options.get(option.name, option.default) for option in entry.options}
    problem, picture = entry.build(picture, complete)
    return problem, picture, complete


# --- what the options mean ---------------------------------------------------------------------------------


def _checked_sigma(sigma: Any) -> float | None:
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


def _checked_data_term(options: dict[str, Any]) -> DataTerm:
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


def _mask_of(picture: images.Picture, mask: Any) -> tuple[torch.Tensor, images.Picture]:
    """The mask that a user's description of it means, (N, 1 or C, H, W), 1 where pixels are known."""
    size = tuple(picture.colours.shape[-2:])
    if isinstance(mask, str) and mask == "alpha":
        if picture.alpha is None:
            raise ValueError("mask='alpha' needs an image with an alpha channel; this one has none")
        return (picture.alpha >= 0.5).float(), picture.without_alpha()
    if isinstance(mask, tuple) or (isinstance(mask, str) and not Path(mask).exists() and _is_colour(mask)):
        return _known_beside_colour(picture, mask), picture
    wanted = f"an array or image of the input's height and width ({size[0]} × {size[1]})"
    values = images.load(mask).colours
    if tuple(values.shape[-2:]) != size:
        got = f"{values.shape[-2]} × {values.shape[-1]}"
        raise ValueError(f"mask must be {wanted}, true where pixels are known; got {got}")
    if values.shape[1] != picture.colours.shape[1] or isinstance(mask, str | Path):
        values = values.mean(dim=1, keepdim=True)
    return (values >= 0.5).float(), picture


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


def _measured_by(operator: Operator) -> torch.Tensor | None:
    """The mask that is applied last, if any: elsewhere the measurement is empty."""
    last = operator.operators[0] if isinstance(operator, Composition) else operator
    return last.mask if isinstance(last, Mask) else None


def _noise_level(y: torch.Tensor, operator: Operator) -> float:
    """The noise level of a measurement, looking only at pixels of one kind at a time."""
    last = operator.operators[0] if isinstance(operator, Composition) else operator
    if isinstance(last, Mosaic):
        return estimate_sigma(phase_planes(y, last.period))
    return estimate_sigma(y, _measured_by(operator))


def _problem(
    task: str,
    picture: images.Picture,
    operator: Operator,
    options: dict[str, Any],
    y: torch.Tensor | None = None,
) -> Problem:
    y = picture.colours if y is None else y
    sigma = _checked_sigma(options["sigma"])
    data_term = _checked_data_term(options)
    if sigma is None:
        sigma = _noise_level(y, operator)
    return Problem(y, operator, data_term, sigma, task, measured=_measured_by(operator))


# --- the tasks ---------------------------------------------------------------------------------------------


def _denoise(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    return _problem("denoise", picture, Identity(), options), picture


def _inpaint(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    mask, picture = _mask_of(picture, options["mask"])
    operator = Mask(mask)
    return _problem("inpaint", picture, operator, options, operator(picture.colours)), picture


def _super_resolve(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    scale = options["scale"]
    if isinstance(scale, bool) or scale != int(scale) or not 2 <= scale <= 16:
        raise ValueError(f"scale must be a whole number from 2 to 16, got {scale}")
    kernel, width = options["kernel"], options["kernel_sigma"]
    if isinstance(kernel, str) and kernel == "gaussian" and width is None:
        raise ValueError("kernel 'gaussian' needs kernel_sigma=…: its standard deviation in output pixels")
    operator = (
        Downsample(int(scale), kernel) if width is None else Downsample(int(scale), kernel, sigma=width)
    )
    return _problem("sr", picture, operator, options), picture


def _colorize(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    grayscale = Grayscale(options["weights"])
    colours = picture.colours
    grey = grayscale(colours) if colours.shape[1] == 3 else colours
    if options["hints"] is None:
        warnings.warn(
            "colorize without hints=…: the measurement says nothing about colour, so this prior can only guess",
            stacklevel=4,
        )
        return _problem("colorize", picture, grayscale, options, grey), picture
    hints = images.load(options["hints"])
    if hints.colours.shape[1] != 3 or hints.colours.shape[-2:] != colours.shape[-2:]:
        height, width = colours.shape[-2:]
        raise ValueError(
            f"hints must be a colour image of {height} × {width}, with alpha 0 where it is silent"
        )
    if hints.alpha is None:
        raise ValueError("hints need an alpha channel that is 0 where they say nothing (RGBA)")
    given = (hints.alpha >= 0.5).float()
    operator = Stack([grayscale, Mask(given)])
    y = torch.cat([grey, hints.colours * given], dim=1)
    measured = torch.cat([torch.ones_like(grey), given.expand(-1, 3, -1, -1)], dim=1)
    sigma = _checked_sigma(options["sigma"])
    return Problem(y, operator, _checked_data_term(options), sigma, "colorize", measured=measured), picture


def _demosaic(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    if picture.colours.shape[1] != 1:
        channels = picture.colours.shape[1]
        raise ValueError(f"demosaic needs a raw mosaic of one channel; this image has {channels}")
    return _problem("demosaic", picture, Mosaic(options["pattern"]), options), picture


def _deblur(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    operator = Blur(_blur_kernel(options["kernel"]), boundary=options["boundary"])
    return _problem("deblur", picture, operator, options), picture


def _blur_kernel(kernel: Any) -> torch.Tensor:
    """A kernel from an array, a file (.npy or an image), or text such as gaussian=1.6."""
    if isinstance(kernel, str) and not Path(kernel).exists() and "=" in kernel:
        operator = parse(f"blur({kernel})")
        assert isinstance(operator, Blur)
        return operator.kernel
    if isinstance(kernel, str | Path):
        if str(kernel).endswith(".npy"):
            return torch.as_tensor(np.load(kernel, allow_pickle=False), dtype=torch.float32)
        values = images.load(kernel).colours[0].mean(dim=0)
        return values / values.sum() if values.sum() > 0 else values
    return torch.as_tensor(np.asarray(kernel), dtype=torch.float32)


def _restore(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    chosen = options["operator"]
    operator = parse(chosen) if isinstance(chosen, str) else as_operator(chosen)
    measured = _measured_by(operator)
    y = picture.colours if measured is None else picture.colours * measured
    return _problem("restore", picture, operator, options, y), picture


_SIGMA_ESTIMATED = Option(
    "sigma", "standard deviation of the noise on the [0, 1] scale; None estimates it from the image", None
)
_SIGMA_NONE = Option(
    "sigma", "standard deviation of the noise on the [0, 1] scale; None estimates it from the image", 0.0
)
_NOISE = (
    Option("data_term", "'gaussian', 'poisson', 'l1', 'huber', or a DataTerm", "gaussian"),
    Option("peak", "with 'poisson': how many photons make white", None),
)

_TASKS = {
    task.name: task
    for task in (
        Task("denoise", "remove noise", (_SIGMA_ESTIMATED, *_NOISE), _denoise),
        Task(
            "inpaint",
            "fill holes",
            (
                Option(
                    "mask",
                    "an array or image of the input's height and width, true (white) where pixels are known; "
                    "'alpha' for the image's own alpha channel; or the colour that marks the hole (#ff00ff)",
                ),
                _SIGMA_NONE,
                *_NOISE,
            ),
            _inpaint,
        ),
        Task(
            "sr",
            "super-resolution: enlarge",
            (
                Option("scale", "how many times larger, a whole number from 2 to 16"),
                Option(
                    "kernel",
                    "how the small image came about: 'bicubic', 'lanczos2', 'lanczos3', 'box', 'gaussian', "
                    "or an array",
                    "bicubic",
                ),
                Option("kernel_sigma", "with 'gaussian': its standard deviation in output pixels", None),
                _SIGMA_NONE,
                *_NOISE,
            ),
            _super_resolve,
        ),
        Task(
            "colorize",
            "add colours to a grey image",
            (
                Option(
                    "hints",
                    "an RGBA image of the input's size: colours where alpha is set, nothing elsewhere",
                    None,
                ),
                Option("weights", "how colours became grey: 'bt601', 'bt709', 'mean'", "bt601"),
                _SIGMA_NONE,
                *_NOISE,
            ),
            _colorize,
        ),
        Task(
            "demosaic",
            "a colour image from a one-channel raw mosaic",
            (
                Option("pattern", "'RGGB', 'BGGR', 'GRBG', 'GBRG', 'quad-rggb' …, or 'xtrans'", "RGGB"),
                _SIGMA_NONE,
                *_NOISE,
            ),
            _demosaic,
        ),
        Task(
            "deblur",
            "undo a known blur",
            (
                Option(
                    "kernel",
                    "the blur kernel: an array of odd size, a file (.npy or an image), or text such as "
                    "'gaussian=1.6', 'motion=15, angle=30', 'disk=3'",
                ),
                Option("boundary", "'reflect', 'circular', 'replicate' or 'valid'", "reflect"),
                _SIGMA_ESTIMATED,
                *_NOISE,
            ),
            _deblur,
        ),
        Task(
            "restore",
            "undo any composition of damages, for instance joint demosaicking, denoising and super-resolution",
            (
                Option(
                    "operator",
                    "the damage: an Operator, or text such as 'mosaic(RGGB) @ downsample(2)'",
                ),
                _SIGMA_ESTIMATED,
                *_NOISE,
            ),
            _restore,
        ),
    )
}
