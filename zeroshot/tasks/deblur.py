"""Deblurring: y = k ∗ x + n, with a kernel k that is known or found from the picture itself."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroshot import synonyms
from zeroshot.checks import is_number
from zeroshot.notes import note
from zeroshot.spelling import Argument, NoFileError, OptionError, OptionWarning, Wording
from zeroshot.tasks.found_kernel import Wanted, is_misspelt, misspelt, require_no_sheet, wanted
from zeroshot.tasks.noise import NOISY
from zeroshot.tasks.options import Choice, Option, OptionType
from zeroshot.tasks.task import Damage, Options, Task
from zeroshot.words import likeliest, shortened

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.kernels import KernelEstimate
    from zeroshot.operators.blurring import Blurring
    from zeroshot.problem import Problem


#: How each shape is written.
_EXAMPLES = {"gaussian": "gaussian=1.6", "motion": "motion=15, angle=30", "disk": "disk=3"}
#: What needs no closer look before the picture is there.
_PLAIN_SHAPE = re.compile(r"\s*\w+\s*=\s*[0-9.]*[1-9][0-9.]*\s*(,\s*angle\s*=\s*-?[0-9]+\.?[0-9]*\s*)?")


@dataclass(frozen=True)
class BlurKernel(OptionType):
    """An array, a file, or one of a few shapes by name with its size.

    Attributes
    ----------
    is_found : bool
        Whether "auto" and "sheet" are values, which have it found from the picture.
    """

    is_found: bool = False

    def check(self, name: str, value: Any) -> None:
        if self.is_found and wanted(value) is not None:
            return
        if isinstance(value, Path) and not value.exists():
            raise self._without_file(name, str(value))
        is_text = isinstance(value, str) and not os.path.exists(value)
        if is_number(value) or (is_text and re.fullmatch(r"[0-9]*\.?[0-9]+", value.strip())):
            gaussian = Argument(name, f"gaussian={float(value):g}")
            must = f" must be a file or a shape with its size, got {value}; did you mean "
            raise OptionError(Argument(name), must, gaussian, "?")
        if is_text:
            self._check_shape(name, value)

    def parse(self, name: str, word: str) -> str:
        with contextlib.suppress(
            NoFileError
        ):  # whether a file is there is told with the pictures, by `check`
            self.check(name, word)
        return word

    def _check_shape(self, name: str, text: str) -> None:
        shape, equals, size = text.partition("=")
        meant = synonyms.canonical(shape, synonyms.KERNELS, synonyms.KERNELS)
        if equals and shape.strip() == meant:
            if not _PLAIN_SHAPE.fullmatch(text):
                _weights_of_shape(name, text)
            return
        # Without a size it is the name of a file, unless it is that of a shape.
        if not (equals or meant or is_misspelt(text)):
            raise self._without_file(name, text)
        if is_misspelt(text):
            raise self._not_found(name, text)
        meant = meant or likeliest(shape, synonyms.KERNELS)
        hint = () if meant is None else ("; did you mean ", Argument(name, f"{meant}={size or 3}"), "?")
        shapes = ", ".join(f"{one}=…" for one in synonyms.KERNELS)
        raise OptionError(Argument(name), f" must be a file or one of {shapes}, got {text!r}", *hint)

    def _without_file(self, name: str, text: str) -> NoFileError:
        shapes = ", ".join(_EXAMPLES.values())
        found = ", 'auto', which finds it from the picture," if self.is_found else ""
        right = f" must be a file (.npy or a picture){found} or a shape with its size ({shapes})"
        return NoFileError(Argument(name), right, f"; there is no such kernel file: {text}")

    def _not_found(self, name: str, text: str) -> OptionError:
        if not self.is_found:
            return OptionError(Argument(name), f" cannot be {text!r}: there is no blur to find it from")
        return misspelt(name, text)


_PYTHON = (
    ": an array of odd size, a file (.npy or an image), or text such as 'gaussian=1.6', 'motion=15, angle=30', "
    "'disk=3'; an array (rows, columns, height, width) holds kernels on a grid over the picture"
)
_COMMAND_LINE = (
    ": a file (.npy or an image, of odd height and width), or text such as 'gaussian=1.6', 'motion=15, angle=30', "
    "'disk=3'; a .npy of (rows, columns, height, width) holds kernels on a grid over the picture"
)
_FOUND = (
    "; 'auto' finds it from the picture, 'auto=motion' among lines, 'auto=lens' among those of a lens; "
    "'auto, width=0.8' takes it narrower than found"
)
_SHEET = "; 'sheet' shows, in place of the result, what the kernels about it give, each with its option"
_KERNEL = Option(
    "kernel",
    BlurKernel(Wording(_PYTHON + _FOUND, _COMMAND_LINE + _FOUND + _SHEET), is_file=True, is_found=True),
    "the blur kernel",
    "auto",
)
_DAMAGE_KERNEL = Option(
    "kernel", BlurKernel(Wording(_PYTHON, _COMMAND_LINE), is_file=True), "the blur kernel"
)
_BOUNDARIES = ("unknown", "valid", "reflect", "circular", "replicate")
_BOUNDARY = Option(
    "boundary",
    Choice(
        ": 'unknown', where what lies beyond is restored with it and cut off; 'valid', where that is kept, so that the "
        "result is larger by the kernel; or 'reflect', 'circular', 'replicate' of pictures that were blurred so by a "
        "program. By default what 'zeroshot degrade' has written into the file, else 'unknown'",
        words=_BOUNDARIES,
    ),
    "how the scene goes on beyond the picture",
    None,
    expert=True,
)
_DAMAGE_BOUNDARY = Option(
    "boundary",
    Choice(
        ": 'reflect', 'circular', 'replicate', or not at all: 'unknown', where truth and damaged picture lack the "
        "margin whose blur nobody knows, and 'valid', where the damaged one alone does",
        words=_BOUNDARIES,
    ),
    "how the scene goes on beyond the picture",
    "reflect",
    expert=True,
)


def blur_weights(kernel: Any) -> torch.Tensor:
    """The blur kernel (height, width) that a user means: an array, a file, or text such as gaussian=1.6.

    Or kernels on a grid, (rows, columns, height, width).
    """
    import numpy as np
    import torch

    from zeroshot.operators.plane_files import kernel_file

    if isinstance(kernel, str) and not os.path.exists(kernel) and "=" in kernel:
        return _weights_of_shape("kernel", kernel)
    if isinstance(kernel, str | Path):
        return kernel_file(kernel).float()
    if isinstance(kernel, torch.Tensor):
        return kernel.detach().float()
    try:
        return torch.as_tensor(np.asarray(kernel, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise OptionError(
            Argument("kernel"), f" must be an array of numbers, got {type(kernel).__name__}"
        ) from error


def _weights_of_shape(name: str, text: str) -> torch.Tensor:
    """The kernel (height, width) of a shape with its size.

    Raises
    ------
    OptionError
        Which names the option, what is wrong with the text and what is right.
    """
    from zeroshot.operators.expression import blur_kernel

    try:
        return blur_kernel(text)
    except ValueError as error:
        example = _EXAMPLES.get(text.partition("=")[0].strip(), _EXAMPLES["gaussian"])
        must = (
            f" must be a shape with its size in pixels, such as {example}, got {shortened(text)!r}: {error}"
        )
        raise OptionError(Argument(name), must) from None


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    from zeroshot.noise import saturated
    from zeroshot.operators.window import Window
    from zeroshot.tasks.posing import posed, without_blur

    boundary = options["boundary"] or _recorded_boundary(picture) or "unknown"
    what = wanted(options["kernel"])
    found = None if what is None else _found(picture, what)
    if found is not None and found.kind == "none":
        return without_blur("deblur", picture, options, _told(found)), picture
    operator = _blur(options["kernel"] if found is None else found.kernel, boundary).spanning(
        *picture.colours.shape[-2:]
    )
    # What is stored in hidden pixels is no measurement.
    clipped = saturated(picture.colours if picture.visible is None else picture.colours * picture.visible)
    problem = _with_misfit(posed("deblur", picture, operator, options), operator, options, clipped)
    if clipped is not None and not bool(clipped.all()):
        white = clipped.to(problem.y)
        problem = replace(problem, measured=1 - white, clipped=white)
    if found is not None:
        problem = replace(problem, kernel=_told(found))
    if boundary == "unknown":
        problem = replace(problem, frame=Window(*operator.radius, *picture.colours.shape[-2:]))
    return problem, picture


def _found(picture: Picture, what: Wanted) -> KernelEstimate:
    """The kernel of the picture, with a note that tells it."""
    require_no_sheet(what)
    estimate = kernel_of(picture, what.kind).widened(what.width)
    kept = "; the picture is left as it is" if estimate.kind == "none" else ""
    note(OptionWarning("kernel: ", estimate.sentence, kept))
    return estimate


def kernel_of(picture: Picture, kind: str | None = None) -> KernelEstimate:
    """The kernel that the picture tells: {"motion", "lens"} or None for any."""
    from zeroshot.kernels import blur_kernel

    return blur_kernel(picture.colours, kind, known=picture.visible)


def _told(found: KernelEstimate) -> dict[str, Any]:
    """What the provenance says of a kernel that was found, and the weights of one without a name."""
    weights = (
        {} if found.text else {"weights": [[round(float(one), 6) for one in row] for row in found.kernel]}
    )
    return {**found.to_dict(), **weights}


def _with_misfit(problem: Problem, blur: Blurring, options: Options, clipped: torch.Tensor | None) -> Problem:
    """The problem whose level, where it is estimated, reckons with what the kernel gets wrong."""
    from zeroshot.data_terms import Gaussian
    from zeroshot.noise import noise_behind_blur
    from zeroshot.operators import Blur

    # What kernels that change over the field get wrong cannot be told from the spectrum of the whole.
    is_single = isinstance(blur, Blur) and isinstance(problem.data_term, Gaussian)
    if not is_single or options["sigma"] is not None or problem.sigma is None:
        return problem
    assert isinstance(blur, Blur)
    found = noise_behind_blur(problem.y, blur.kernel, clipped)
    if found is None:
        return problem
    level = max(problem.sigma, found.sigma)
    return replace(problem, sigma=level, equivalent_sigma=max(level, found.strongest))


def _blur(kernel: Any, boundary: str) -> Blurring:
    from zeroshot.operators.space_varying_blur import blur_by

    return blur_by(blur_weights(kernel), boundary="valid" if boundary == "unknown" else boundary)


def _recorded_boundary(picture: Picture) -> str | None:
    """The boundary by which the file of the picture says that it was blurred; None where it says nothing."""
    from zeroshot.images import ImageError, read_provenance

    if picture.source is None:
        return None
    try:
        record = read_provenance(picture.source) or {}
    except ImageError:  # it may have been moved since
        return None
    told = record.get("options") if record.get("degraded_for") == "deblur" else None
    boundary = told.get("boundary") if isinstance(told, dict) else None
    if boundary not in _BOUNDARIES:
        return None
    note(
        OptionWarning(f"{picture.source.name} says that it was blurred with ", Argument("boundary", boundary))
    )
    return boundary


def _damage(picture: Picture, given: Options, generator: torch.Generator) -> Damage:
    kernel, boundary = given["kernel"], given.get("boundary", _DAMAGE_BOUNDARY.default)
    operator = _blur(kernel, boundary)
    margin = operator.radius if boundary == "unknown" else (0, 0)
    return Damage(operator, {"kernel": kernel, "boundary": boundary}, margin=margin)


DEBLUR = Task(
    name="deblur",
    summary="undo a blur, known or found from the picture",
    options=(_KERNEL, _BOUNDARY, *NOISY),
    pose=_pose,
    damage_options=(_DAMAGE_KERNEL, _DAMAGE_BOUNDARY),
    damage=_damage,
    suited=("pnp", "tv", "wavelet", "gsr", "tgv"),
    examples=(
        "zeroshot deblur shaky.jpg",
        "zeroshot deblur shaky.jpg -o sharp.jpg --kernel gaussian=1.6 --sigma 2",
    ),
    outcome="deblurred",
    prior="pnp",
)
