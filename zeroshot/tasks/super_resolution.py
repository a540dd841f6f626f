"""Super-resolution: y = (k ∗ x)↓, every pixel is a weighted mean of a block of the large image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from zeroshot import synonyms
from zeroshot.notes import note
from zeroshot.spelling import Argument, NoFileError, OptionError, OptionWarning, Text, Wording
from zeroshot.tasks.found_kernel import AUTO, is_misspelt, misspelt, require_no_sheet, wanted
from zeroshot.tasks.noise import CLEAN
from zeroshot.tasks.options import Option, OptionType, Positive, Scale
from zeroshot.tasks.task import Damage, Options, Task

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.kernels import KernelEstimate
    from zeroshot.operators import Downsample
    from zeroshot.problem import Problem

_GAUSSIAN = Argument("kernel", "gaussian")
#: As :data:`zeroshot.operators.downsample.KERNELS`, which comes with PyTorch.
_SHAPES = ("bicubic", "lanczos2", "lanczos3", "box", "gaussian")
_SCALE = Option("scale", Scale(), "how many times larger the large image is than the small one")
_KERNEL = Option(
    "kernel",
    OptionType(
        Wording(
            ": 'bicubic', 'lanczos2', 'lanczos3', 'box', 'gaussian', an array, a file (.npy or an image), or 'auto', "
            "which finds it from the image ('auto, width=0.8': narrower than found)",
            ": 'bicubic', 'lanczos2', 'lanczos3', 'box', 'gaussian', a file of the kernel (.npy or an image), or "
            "'auto', which finds it from the image ('auto, width=0.8': narrower than found); 'sheet' shows, in place "
            "of the result, what the kernels about it give, each with its option",
        ),
        is_file=True,
    ),
    "how the small image comes about",
    "bicubic",
)
_DAMAGE_KERNEL = Option(
    "kernel",
    OptionType(
        Wording(
            ": 'bicubic', 'lanczos2', 'lanczos3', 'box', 'gaussian', an array, or a file (.npy or an image)",
            ": 'bicubic', 'lanczos2', 'lanczos3', 'box', 'gaussian', or a file of the kernel (.npy or an image)",
        ),
        is_file=True,
    ),
    "how the small image comes about",
    "bicubic",
)
_KERNEL_SIGMA = Option(
    "kernel_sigma",
    Positive(),
    Text("with ", _GAUSSIAN, ": its standard deviation in pixels of the large image"),
    None,
)


def _number(text: str) -> float | str:
    """The number that a text is, or the text."""
    try:
        return float(text)
    except ValueError:
        return text


def _check(options: Mapping[str, Any], *, is_damage: bool = False) -> None:
    kernel = options.get("kernel")
    is_word = isinstance(kernel, str) and not Path(kernel).exists()
    shapes = _SHAPES if is_damage else (AUTO, *_SHAPES)
    if is_word and is_misspelt(kernel) and wanted(kernel, ()) is None:
        raise misspelt("kernel", str(kernel), ())
    if _is_file(kernel) and not Path(kernel).exists():
        *others, last = map(repr, shapes)
        words = f"{', '.join(others)} or {last}"
        must = f" must be a file (.npy or a picture), {words}; there is no such kernel file: {kernel}"
        raise NoFileError(Argument("kernel"), must)
    is_gaussian = isinstance(kernel, str) and kernel == "gaussian"
    width = options.get("kernel_sigma")
    shape, _, size = kernel.partition("=") if isinstance(kernel, str) else ("", "", "")
    if size and synonyms.canonical(shape, synonyms.KERNELS, synonyms.KERNELS) == "gaussian":
        raise OptionError(
            Argument("kernel", kernel),
            " is written ",
            _GAUSSIAN,
            " ",
            Argument("kernel_sigma", _number(size)),
        )
    if is_word and kernel not in shapes and wanted(kernel, ()) is None:
        own = Wording("an array of weights", "the name of a file")
        raise OptionError(f"unknown kernel {kernel!r}; known are {', '.join(shapes)} or ", own)
    if is_gaussian and width is None:
        standard_deviation = ": its standard deviation in output pixels"
        raise OptionError(_GAUSSIAN, " needs ", Argument("kernel_sigma", ...), standard_deviation)
    if width is not None and not is_gaussian:
        raise OptionError(Argument("kernel_sigma", ...), " goes with ", _GAUSSIAN)


def _is_file(kernel: Any) -> TypeGuard[str | Path]:
    """Whether this is the name of a file; 'gaussian=1.6' is none, although it has a suffix."""
    return isinstance(kernel, Path) or (
        isinstance(kernel, str) and bool(Path(kernel).suffix) and ("=" not in kernel or Path(kernel).exists())
    )


def _check_damage(options: Mapping[str, Any]) -> None:
    if wanted(options.get("kernel"), ()) is not None:
        what = " finds the kernel of a small image; there is none yet to find it from"
        raise OptionError(Argument("kernel", "auto"), what)
    _check(options, is_damage=True)


def _operator(options: Options) -> Downsample:
    from zeroshot.operators import Downsample
    from zeroshot.operators.plane_files import kernel_file

    kernel = options.get("kernel", _KERNEL.default)
    if _is_file(kernel):
        kernel = kernel_file(kernel).float()
    return Downsample(int(options["scale"]), kernel, sigma=options.get("kernel_sigma"))


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    from zeroshot.tasks.posing import posed

    what = wanted(options["kernel"], ())
    if what is None:
        return posed("sr", picture, _operator(options), options), picture
    require_no_sheet(what)
    found = kernel_of(picture, int(options["scale"]), options["sigma"]).widened(what.width)
    _tell(found)
    kernel = "bicubic" if found.kind == "none" else found.kernel
    problem = posed("sr", picture, _operator({**options, "kernel": kernel}), options)
    return replace(problem, kernel=found.to_dict()), picture


def kernel_of(picture: Picture, scale: int, sigma: float | None = None) -> KernelEstimate:
    """The kernel that the small picture tells, with noise of the level `sigma` as its caller gives it."""
    from zeroshot.kernels.downsampling import downsampling_kernel
    from zeroshot.tasks.ranging import level_of

    level = None if sigma is None else level_of(sigma, picture)
    colours = picture.colours if picture.visible is None else _seen(picture.colours, picture.visible)
    return downsampling_kernel(colours, scale, level)


def _tell(found: KernelEstimate) -> None:
    """Tell the user which kernel was found."""
    auto = Argument("kernel", "auto")
    if found.kind == "none":
        what = ": the image does not tell the kernel apart from bicubic, which is taken"
        note(OptionWarning(auto, what))
    elif found.kind == "gaussian":
        width = round(found.parameters["gaussian"], 2)
        sure = f", confidence {found.confidence:.2f}"
        note(OptionWarning(auto, " found ", _GAUSSIAN, " ", Argument("kernel_sigma", width), sure))
    else:
        note(OptionWarning(auto, f" found {_in_words(found.evidence)}, confidence {found.confidence:.2f}"))


def _in_words(evidence: Mapping[str, float]) -> str:
    along, across, angle = (evidence[name] for name in ("along", "across", "angle"))
    return f"a Gaussian of {along:.2f} × {across:.2f} pixels of the large image at {angle:.0f}°"


def _seen(colours: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    """The colours with the mean of those that are seen where none is."""
    mean = (colours * visible).sum(dim=(-2, -1), keepdim=True) / visible.sum().clamp(min=1)
    return colours * visible + mean * ~visible


def _damage(picture: Picture, given: Options, generator: torch.Generator) -> Damage:
    told: Options = {name: given[name] for name in ("kernel", "kernel_sigma") if name in given}
    return Damage(_operator(given), {"scale": int(given["scale"]), **told})


SUPER_RESOLUTION = Task(
    name="sr",
    summary="super-resolution: enlarge",
    options=(_SCALE, _KERNEL, _KERNEL_SIGMA, *CLEAN),
    pose=_pose,
    damage_options=(_SCALE, _DAMAGE_KERNEL, _KERNEL_SIGMA),
    damage=_damage,
    suited=("pnp", "ncsr", "tv", "tgv", "wavelet"),
    examples=(
        "zeroshot sr small.png --scale 4",
        "zeroshot sr small.png -o large.png --scale 2 --kernel auto",
    ),
    outcome="upscaled",
    prior="pnp",
    check=_check,
    check_damage=_check_damage,
)
