"""Task name and its options → Problem, and the table of tasks.

A task says what the damage is. Its options are checked against the table here before any work starts.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zeroshot import images
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
    fill_holes,
    parse,
)
from zeroshot.problem import Problem
from zeroshot.task_options import (
    checked_data_term,
    checked_sigma,
    hints_of,
    kernel_file,
    kernel_of,
    mask_of,
    scale_of,
)
from zeroshot.words import unknown

_REQUIRED = object()
_LOSSY_FLOOR = 1 / 255


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


def _applied_last(operator: Operator) -> Operator:
    """The part of the damage that makes the measurement what it is."""
    return operator.operators[0] if isinstance(operator, Composition) else operator


def _measured_by(operator: Operator) -> torch.Tensor | None:
    """The mask that is applied last, if any: elsewhere the measurement is empty."""
    last = _applied_last(operator)
    return last.mask if isinstance(last, Mask) else None


def _noise_level(
    y: torch.Tensor, operator: Operator, picture: images.Picture, options: dict[str, Any]
) -> float:
    """The noise level that was given, else an estimate that looks only at pixels of one kind at a time."""
    given = checked_sigma(options["sigma"])
    if given is not None:
        return given
    last = _applied_last(operator)
    if isinstance(last, Mosaic):
        estimate = estimate_sigma(phase_planes(y, last.period))
    else:
        estimate = estimate_sigma(y, _measured_by(operator))
    # Lossy compression hides noise from the estimate, and leaves errors of about a grey level of its own.
    return max(estimate, _LOSSY_FLOOR) if picture.lossy else estimate


def _problem(
    task: str,
    picture: images.Picture,
    operator: Operator,
    options: dict[str, Any],
    y: torch.Tensor | None = None,
) -> Problem:
    y = picture.colours if y is None else y
    operator.input_shape(tuple(y.shape))  # says in one line where the two do not fit
    data_term = checked_data_term(options)
    sigma = _noise_level(y, operator, picture, options)
    return Problem(y, operator, data_term, sigma, task, measured=_measured_by(operator))


# --- the tasks ---------------------------------------------------------------------------------------------


def _denoise(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    return _problem("denoise", picture, Identity(), options), picture


def _inpaint(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    mask, picture = mask_of(picture, options["mask"])
    operator = Mask(mask)
    return _problem("inpaint", picture, operator, options, operator(picture.colours)), picture


def _super_resolve(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    scale = scale_of(options["scale"])
    kernel, width = options["kernel"], options["kernel_sigma"]
    if isinstance(kernel, str) and kernel == "gaussian" and width is None:
        raise ValueError("kernel 'gaussian' needs kernel_sigma=…: its standard deviation in output pixels")
    if isinstance(kernel, Path) or (isinstance(kernel, str) and Path(kernel).suffix):
        kernel = kernel_file(kernel)
    operator = Downsample(scale, kernel) if width is None else Downsample(scale, kernel, sigma=width)
    return _problem("sr", picture, operator, options), picture


def _colorize(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    grayscale = Grayscale(options["luma"])
    colours = picture.colours
    grey = grayscale(colours) if colours.shape[1] == 3 else colours
    if options["hints"] is None:
        warnings.warn(
            "colorize without hints=…: the measurement says nothing about colour, so this prior can only guess",
            stacklevel=4,
        )
        return _problem("colorize", picture, grayscale, options, grey), picture
    hints, given = hints_of(options["hints"], colours)
    operator = Stack([grayscale, Mask(given)], _spreading_hints(grayscale, given))
    y = torch.cat([grey, hints * given], dim=1)
    measured = torch.cat([torch.ones_like(grey), given.expand(-1, 3, -1, -1)], dim=1)
    sigma = _noise_level(grey, Identity(), picture, options)
    return Problem(y, operator, checked_data_term(options), sigma, "colorize", measured=measured), picture


def _spreading_hints(grayscale: Grayscale, given: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The first estimate of a hinted image: what the hints add to the grey is spread smoothly from them."""

    def initial(y: torch.Tensor) -> torch.Tensor:
        grey, hints = y[:, :1], y[:, 1:]
        known = given.to(y).expand(-1, 3, -1, -1)
        spread = grey + fill_holes((hints - grey) * known, known)
        # Spreading moves the grey value a little; the measurement has it exactly.
        return spread + (grey - grayscale.to(y.device)(spread)) / grayscale.weights.sum()

    return initial


def _demosaic(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    if picture.colours.shape[1] != 1:
        channels = picture.colours.shape[1]
        raise ValueError(f"demosaic needs a raw mosaic of one channel; this image has {channels}")
    return _problem("demosaic", picture, Mosaic(options["pattern"]), options), picture


def _deblur(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    operator = Blur(kernel_of(options["kernel"]), boundary=options["boundary"])
    return _problem("deblur", picture, operator, options), picture


def _restore(picture: images.Picture, options: dict[str, Any]) -> tuple[Problem, images.Picture]:
    chosen = options["operator"]
    operator = parse(chosen) if isinstance(chosen, str) else as_operator(chosen)
    operator.input_shape(tuple(picture.colours.shape))
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
                    "an array, or a file (.npy or an image)",
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
                Option("luma", "how colours became grey: 'bt601', 'bt709', 'mean'", "bt601"),
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
                Option(
                    "boundary",
                    "how the scene goes on beyond the image: 'reflect', 'circular', 'replicate', or 'valid', "
                    "which restores the margin too, so that the result is larger by the kernel",
                    "reflect",
                ),
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
