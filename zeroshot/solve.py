"""solve(): a damaged image and the name of the damage in, the restored image out."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeroshot import choice, images, synonyms, threads
from zeroshot.checks import is_number
from zeroshot.deadline import deadline_of_call, kept
from zeroshot.depth import depth_of
from zeroshot.images.raw import is_raw, read_raw
from zeroshot.images.stack import stack_of
from zeroshot.images.value_range import say_range
from zeroshot.joint_channels import check_channels, joint_channels, say_joint
from zeroshot.memory import keep_large_allocations
from zeroshot.operators.operator import Operator
from zeroshot.planes import restored_stack
from zeroshot.prior import Prior
from zeroshot.problem import Problem
from zeroshot.raw import check_raw, restored_raw
from zeroshot.registry import prior_class, settings_of_priors
from zeroshot.request import Request, joined, restored_in_turn
from zeroshot.restoration import Restoration
from zeroshot.spelling import Argument, OptionError
from zeroshot.stopping import StoppingRule
from zeroshot.survey import say_channels, surveyed
from zeroshot.tasks import make_problem, task_named
from zeroshot.tasks.ranging import on_working_range, without_missing
from zeroshot.terminal import is_terminal
from zeroshot.tiling.planning import Tiling
from zeroshot.volumes import restored
from zeroshot.watch import Callback, Watch


def solve(
    image: Any,
    task: str,
    prior: str | Prior | None = None,
    *,
    settings: dict[str, Any] | None = None,
    stopping: StoppingRule | None = None,
    seconds: float | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    value_range: tuple[float, float] | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool | None = None,
    preview: str | Path | None = None,
    preview_seconds: float = 5.0,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
    resume: bool = False,
    keep_checkpoint: bool = False,
    tile: int | str | None = "auto",
    overlap: int | str = "auto",
    samples: int = 1,
    axes: str | None = None,
    scene: int | str | None = None,
    volume: str | None = None,
    spacing: float | None = None,
    channels: str = "auto",
    rendering: str = "srgb",
    **options: Any,
) -> Restoration:
    """Restore an image: ``min over θ of D(A(x(θ)), y) + λR(x)`` with A and D from the task, x and R from the prior.

    Parameters
    ----------
    image : path, PIL image, numpy array or torch tensor
        The damaged image: H×W or H×W×C arrays of uint8, uint16 or float in [0, 1]; C×H×W or N×C×H×W tensors.
        Each image of a batch is a run of its own.
    task : str
        What the damage is; :func:`zeroshot.tasks` lists the names and their options.
    prior : str or Prior, optional
        What images look like; a registered name takes the family's defaults for the task. None takes the task's
        default, "fast" what was measured to be the best in two seconds for 256² pixels, or the quickest where none is
        that quick, and "best" the best in `seconds`; :mod:`zeroshot.standings` holds the figures.
    settings : dict, optional
        Hyper-parameters to put over those defaults, such as ``{"channels": 64}``.
    stopping : StoppingRule, optional
        When to stop; by default the prior's own rule.
    seconds : float, optional
        Stop after this time in any case, with the best image so far. It counts from the call on, reading the image
        and estimating its noise included. Where it does not suffice for a first step the result is the prior's guide
        or the task's first estimate, for denoising the input, and its reason says so.
    seed : int
        On a CPU the same seed and thread count give the same bytes. Where nobody has said how many threads there are
        to be, one is taken where all are not faster (:mod:`zeroshot.threads`); ``provenance["threads"]`` tells.
    device : str or torch.device
        "auto" takes a GPU where there is one.
    value_range : tuple of float, optional
        The values that mean black and white, where they are not those of the type. Floats beyond [0, 1] by more
        than noise have theirs found and said: `sigma`, and `peak` as the photons that make the value 1, are then
        in the units of the image. Where measured values lie beyond a range that was given, the image is worked on
        in a wider one, and `sigma` still is a share of the given one. Callbacks see the image between black, 0, and
        white, 1; the result comes back in the image's own values.
    callbacks : sequence of callable
        Called as ``callback(estimate, run)`` after every step; or :class:`zeroshot.loop.Listener` objects, which see
        the loop and may end it.
    progress : bool, optional
        Whether to show a progress bar; by default where standard error is a terminal.
    preview : path, optional
        An image file that is rewritten every `preview_seconds` with the estimate.
    checkpoint : path, optional
        A file that the run is saved to every `checkpoint_seconds`, and that is removed when it ends.
    resume : bool
        Continue from `checkpoint` where it exists.
    keep_checkpoint : bool
        Leave the checkpoint in place at the end, for a caller who removes it once the result is safe.
    tile : int, "auto" or None
        Restore overlapping tiles of this height and width one after the other, each with its own stopping,
        and blend them. "auto" does so where the run would need more memory than 6 GiB, or than is free.
    overlap : int or "auto"
        The least that neighbouring tiles share, in pixels of the restored image.
    samples : int
        How many runs to make from different seeds, side by side: the image is their mean, and
        ``maps["deviation"]`` their standard deviation, which is large where the image is uncertain.
    axes : str, optional
        That the image is a stack, with a letter for each of its axes, such as "TZCYX": Y and X are a plane, S the
        samples of a colour image, C channels, each with a range and a noise of its own, which are found over the
        whole stack. Files say so themselves; the planes are restored one by one, see :mod:`zeroshot.planes`, and
        `sigma` is in the units of the stack where its range was found. The result has its axes and its type.
    scene : int or str, optional
        Which image of a microscope file that holds several, by its number, from 1, or its name; by default the
        first, as a note says.
    volume : str, optional
        The axis of a stack that is the third dimension, "Z", or "T" of what moves slowly: the planes along it are
        denoised together, by the priors bm3d, nlm, tv and wavelet (:mod:`zeroshot.volumes`).
    spacing : float, optional
        With `volume`: how many pixels two planes are apart. By default what the file says of the lengths of its
        voxels, else 1. Total variation weighs by it.
    channels : {"auto", "joint", "separate"}
        Of a stack with an axis C, in denoising and destriping: whether channels that show the same are denoised
        together, along their principal axes (:mod:`zeroshot.joint_channels`). "auto" does so with those that are
        expected to gain by it.
    rendering : {"srgb", "linear"}
        What is made of a raw photograph, which "demosaic" and "denoise" take as it is (:mod:`zeroshot.raw`): sRGB by
        the camera's matrix, or its own colours, linear in the light. The result has 16 bits.
    **options
        The task's options: ``sigma=25/255``, ``scale=4``, ``mask=…``

    Returns
    -------
    Restoration
        With `image` of the kind and dtype of the input.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        In one line, before any work, where something about the input does not fit.

    Examples
    --------
    >>> import zeroshot
    >>> from skimage.data import astronaut
    >>> noisy = astronaut()[:64, 200:264]
    >>> restored = zeroshot.solve(noisy, task="denoise", prior="tv", sigma=10 / 255)
    >>> restored.image.shape, restored.image.dtype
    ((64, 64, 3), dtype('uint8'))
    """
    called = time.monotonic()
    _check_kinds({"preview": preview, "checkpoint": checkpoint}, {"progress": progress, "resume": resume})
    task = task_named(task).name
    _refuse_misplaced(task, choice.named(prior, task), options)
    watch = Watch(
        callbacks=callbacks,
        progress=progress,
        preview=preview,
        preview_seconds=preview_seconds,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        resume=resume,
        keep_checkpoint=keep_checkpoint,
    )
    tiling = Tiling(tile, overlap, samples)
    request = Request(task, prior, settings, stopping, seconds, seed, resolve_device(device), watch, tiling)
    deadline = deadline_of_call(seconds, called)
    with kept(deadline), threads.chosen(request.device, watch.recorded_threads(), seconds):
        _keep_memory(request.device)
        if is_raw(image) and axes is None and scene is None:
            check_raw(task, options, rendering)
            return restored_raw(read_raw(image), request, options, rendering, deadline)
        stack = stack_of(image, axes, scene=scene)
        if stack is not None:
            _refuse_for_stack(preview, checkpoint)
            hidden = progress is False or (progress is None and not is_terminal(sys.stderr))
            silent = replace(request, watch=Watch(callbacks=callbacks, progress=False))
            depth = depth_of(stack, volume, spacing, silent, options)
            apart = check_channels(stack, channels, silent, options, volumes=depth is not None)
            survey = surveyed(stack, task, options, value_range, hidden=hidden)
            joint = joint_channels(stack, channels, apart, silent, options, survey, hidden=hidden)
            say_channels(stack, survey)
            say_joint(joint)
            planes = restored(stack, silent, options, survey, depth, hidden=hidden, joint=joint)
            return restored_stack(stack, survey, planes, joint)
        for name, value, default in (
            ("volume", volume, None),
            ("spacing", spacing, None),
            ("channels", channels, "auto"),
        ):
            if value != default:
                raise OptionError(
                    Argument(name, ...), " goes with a stack, whose axes ", Argument("axes", ...), " names"
                )
        loaded = images.load(without_missing(image, options), value_range=value_range)
        picture = on_working_range(loaded, task_named(task), options)
        say_range(picture)
        _check_preview(preview, image)
        count = picture.colours.shape[0]
        if count == 1:
            return request.posed(picture, *make_problem(task, picture, options)).restored(deadline)
        if checkpoint is not None or preview is not None:
            raise ValueError(
                "checkpoint and preview go with one image; give the images of a batch one by one"
            )
        share = replace(request, seconds=None if seconds is None else seconds / count)
        parts = [
            share.posed(part, *make_problem(task, part, _options_of(options, index, count)))
            for index, part in enumerate(map(picture.part, range(count)))
        ]
        return joined(picture, restored_in_turn(parts))


def solve_problem(
    image: Any,
    problem: Problem,
    prior: str | Prior = "dip",
    *,
    task: str = "restore",
    settings: dict[str, Any] | None = None,
    stopping: StoppingRule | None = None,
    seconds: float | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    callbacks: Sequence[Callback] = (),
    progress: bool | None = None,
    preview: str | Path | None = None,
    **options: Any,
) -> Restoration:
    """Solve a problem that is no task of the table, such as one in the features of a network.

    Parameters
    ----------
    image : path, PIL image, numpy array or torch tensor
        One image: what the result is to be a picture like.
    problem : Problem
        What is to be solved, on the CPU.
    prior, settings, stopping, seconds, seed, device, callbacks, progress, preview
        As for :func:`solve`.
    task : str
        What the provenance calls it.
    **options
        What the provenance says of how the problem was posed.
    """
    called = time.monotonic()
    watch = Watch(callbacks=callbacks, progress=progress, preview=preview)
    untiled = Tiling(tile=None)
    request = Request(task, prior, settings, stopping, seconds, seed, resolve_device(device), watch, untiled)
    deadline = deadline_of_call(seconds, called)
    with kept(deadline), threads.chosen(request.device, seconds=seconds):
        _keep_memory(request.device)
        picture = images.load(image)
        return request.posed(picture, problem, picture, options).restored(deadline)


def _refuse_misplaced(task: str, prior: str | Prior, options: dict[str, Any]) -> None:
    """Refuse what is no option of the task but a setting of the prior, or an argument by another name."""
    known = {option.name for option in task_named(task).options}
    arguments = signature(solve).parameters.keys() - {"options"}
    kind = prior_class(prior) if isinstance(prior, str) else type(prior)
    of_prior: set[str] = {field.name for field in fields(kind)} if is_dataclass(kind) else set()
    for name, value in options.items():
        if name in known:
            continue
        written = repr(value) if isinstance(value, str) else str(value) if is_number(value) else "…"
        by_name = f"settings={{{name!r}: {written}}}"
        if name in of_prior:
            place = by_name if isinstance(prior, str) else f"{kind.__name__}({name}={written})"
            raise OptionError(f"{name} is a setting of prior {kind.name!r}: write {place}")
        meant = synonyms.canonical(name, arguments, synonyms.OPTIONS)
        if meant is not None:
            raise OptionError(f"there is no argument {name!r}: write {meant}=…")
        other = settings_of_priors().get(name) if isinstance(prior, str) else None
        if other is not None:
            raise OptionError(f"{name} is a setting of other priors: write prior={other!r}, {by_name}")


def _check_kinds(paths: dict[str, Any], switches: dict[str, Any]) -> None:
    """Refuse what is no path, and words such as "no" that would count as yes."""
    for name, value in paths.items():
        if value is not None and not isinstance(value, str | os.PathLike):
            raise TypeError(f"{name} must be the path of a file, got {value!r}")
    for name, value in switches.items():
        if value is not None and not isinstance(value, bool | np.bool_):
            raise TypeError(f"{name} must be True or False, got {value!r}")


def _keep_memory(device: torch.device) -> None:
    """On a CPU: leave what is freed with this process, which has it again for the next operation."""
    if device.type == "cpu":
        keep_large_allocations()


def _check_preview(preview: str | Path | None, image: Any) -> None:
    if preview is None:
        return
    images.check_output(preview, overwrite=True)
    is_file = isinstance(image, str | Path) and Path(preview).exists()
    if is_file and Path(preview).samefile(image):
        raise ValueError(f"the preview is the input, which is never overwritten: {preview}")


def _refuse_for_stack(preview: str | Path | None, checkpoint: str | Path | None) -> None:
    if preview is not None or checkpoint is not None:
        raise ValueError("checkpoint and preview go with one picture, not with the planes of a stack")


def _options_of(options: dict[str, Any], index: int, count: int) -> dict[str, Any]:
    """The options for image `index` of a batch: what holds one thing per image gives that image's."""

    def own(value: Any) -> Any:
        if isinstance(value, Operator):
            return value.for_image(index, count)
        per_image = isinstance(value, torch.Tensor) and value.ndim == 4 and value.shape[0] == count
        return value[index : index + 1] if per_image else value

    return {name: own(value) for name, value in options.items()}


def resolve_device(device: str | torch.device) -> torch.device:
    """The torch device that `device` means; "auto" is a GPU where there is one, of CUDA before Apple's, else the CPU.

    Raises
    ------
    ValueError
        Where there is no such device here.
    """
    if device == "auto":
        apple = "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device("cuda" if torch.cuda.is_available() else apple)
    try:
        found = torch.device(device)
        torch.zeros(1, device=found).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"there is no device {str(device)!r} here; use 'cpu' or 'auto'") from error
    return found
