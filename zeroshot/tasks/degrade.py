"""Damage with a known truth: what a task undoes, done to a good image, with a seed and a record of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import torch

from zeroshot import images
from zeroshot.checks import is_whole
from zeroshot.images.value_range import say_range
from zeroshot.noise import add_gaussian, add_poisson, add_salt_and_pepper
from zeroshot.operators import Operator
from zeroshot.provenance import described
from zeroshot.registry import __version__
from zeroshot.tasks import task_named
from zeroshot.tasks.noise import kinds_of_noise
from zeroshot.tasks.rounding import Quantise, measured, rounded

#: Operators may ask for sizes that are multiples of any number up to this.
_LARGEST_MULTIPLE = 64


@dataclass(frozen=True, eq=False)
class Degraded:
    """A damaged image beside its truth.

    Attributes
    ----------
    measurement : torch.Tensor
        y = Q(A x + n), (1, C, h, w), float32; noise may leave [0, 1].
    truth : torch.Tensor
        x, (1, C, H, W) in [0, 1], cropped at the bottom and the right where the operator asks for it, and without the
        margin that ``boundary="unknown"`` leaves to be guessed.
    task : str
        The task that undoes the damage.
    options : dict
        The task's options as :func:`zeroshot.solve` takes them; masks and hints that were drawn as tensors.
    operator : Operator
        A.
    provenance : dict
        How the measurement was made, JSON-able.
    """

    measurement: torch.Tensor
    truth: torch.Tensor
    task: str
    options: dict[str, Any]
    operator: Operator
    provenance: dict[str, Any]


def degrade(
    truth: Any,
    task: str,
    *,
    seed: int = 0,
    quantise: Quantise | None = None,
    value_range: tuple[float, float] | None = None,
    **options: Any,
) -> Degraded:
    """Damage an image as a task undoes it: ``y = Q(A x + n)`` with A from the task, noise n, rounding Q.

    The same image, options and seed give the same bytes.

    Parameters
    ----------
    truth : path, PIL image, numpy array, torch tensor or Picture
        One good image, H×W or H×W×C, or C×H×W for tensors; an alpha channel serves ``mask="alpha"`` only.
    task : str
        A name in the table of :func:`zeroshot.tasks`.
    seed : int
        Of the noise, of missing pixels and of hints.
    quantise : {"8-bit", "none"}, optional
        "8-bit" clips to [0, 1] and rounds to 256 levels, as an 8-bit file does. By default super-resolution
        without noise is rounded and all else is not, as in the published tables. Bicubic super-resolution
        rounds after each axis, which gives the published low-resolution images value by value.
    value_range : tuple of float, optional
        The values of black and white of `truth`, where they are not the full range of its type. For floats beyond
        [0, 1] they are found, with a warning; truth and measurement are given between black, 0, and white, 1, and
        so is every level of noise.
    **options
        At most one noise: ``sigma`` (Gaussian, on the [0, 1] scale), ``peak`` (photons that make white) or
        ``salt_pepper`` (share of the pixels). And by task:

        - "denoise": nothing more; one of the noises is required.
        - "destripe": ``stripes``, the standard deviation of the offsets; ``direction``, "rows", "columns" or "both".
        - "inpaint": ``missing`` (share of random pixels) or ``mask`` (true where pixels are kept).
        - "sr": ``scale``, ``kernel``, ``kernel_sigma``.
        - "colorize": ``luma``; ``hints``, a share of random pixels whose colours are told or an RGBA image.
        - "demosaic": ``pattern``.
        - "deblur": ``kernel``, ``boundary``.
        - "sharpen": ``radius``, the standard deviation of a Gaussian in pixels.
        - "jpeg": ``quality``, ``subsampling``; it takes no noise.
        - "restore": ``operator``.

        ``data_term`` goes into the options of the result, over the one that suits the noise.

    Returns
    -------
    Degraded
        On the CPU.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        In one line, before any work, where something does not fit.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from zeroshot.tasks.degrade import degrade
    >>> small = degrade(astronaut()[:97, :98], "sr", scale=4)
    >>> tuple(small.truth.shape), tuple(small.measurement.shape), small.options["scale"]
    ((1, 3, 96, 96), (1, 3, 24, 24), 4)
    """
    given = check(task, seed=seed, quantise=quantise, **options)
    picture = truth if isinstance(truth, images.Picture) else images.load(truth, value_range=value_range)
    say_range(picture)
    if picture.colours.shape[0] != 1:
        raise ValueError(f"degrade takes one image at a time, got a batch of {picture.colours.shape[0]}")
    generator = torch.Generator().manual_seed(int(seed))
    damage = task_named(task).damage(picture, given, generator)
    clean = cropped_for(damage.operator, picture.colours.clamp(0, 1))
    rounding = quantise or _usual_rounding(task, given)
    measurement = _noisy(measured(damage.operator, clean, rounding), given, generator)
    if damage.added is not None:
        measurement = measurement + damage.added
    if rounding == "8-bit":
        measurement = rounded(measurement)
    if damage.kept is not None:
        measurement = measurement * damage.kept
    down, right = damage.margin
    true = clean[..., down : clean.shape[-2] - down, right : clean.shape[-1] - right].contiguous()
    told = damage.options | _noise_options(given, task_named(task).name)
    provenance = {
        "zeroshot": __version__,
        "torch": str(torch.__version__),
        "degraded_for": task,
        "damage": {name: described(value) for name, value in given.items()},
        "options": {name: described(value) for name, value in told.items()},
        "operator": described(damage.operator),
        "quantise": rounding,
        "seed": int(seed),
        "input_size": list(picture.colours.shape[-2:]),
        "truth_size": list(true.shape[-2:]),
        "input_sha256": picture.sha256(),
    }
    return Degraded(measurement, true, task, told, damage.operator, provenance)


def check(task: str, *, seed: int = 0, quantise: str | None = None, **options: Any) -> dict[str, Any]:
    """Refuse what :func:`degrade` would refuse whatever the image.

    Returns
    -------
    dict
        The options that have a value.

    Raises
    ------
    ValueError, TypeError
        In one line.
    """
    entry = task_named(task)
    if not (is_whole(seed) and 0 <= seed < 2**63):
        raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}")
    if quantise is not None and quantise not in get_args(Quantise):
        raise ValueError(f"quantise must be '8-bit' or 'none', got {quantise!r}")
    return entry.checked_damage(options)


def cropped_for(operator: Operator, image: torch.Tensor) -> torch.Tensor:
    """The image without the rows at its bottom and the columns at its right that the operator cannot take.

    Both sides become multiples of the smallest number for which the operator accepts the image and restores
    it to its size.

    Raises
    ------
    ValueError
        The operator's own, where no crop helps.
    """
    refusal: ValueError | None = None
    height, width = image.shape[-2:]
    for multiple in range(1, min(_LARGEST_MULTIPLE, height, width) + 1):
        part = image[..., : height // multiple * multiple, : width // multiple * multiple]
        try:
            if operator.input_shape(operator.output_shape(tuple(part.shape))) == tuple(part.shape):
                return part.contiguous()
        except ValueError as error:
            refusal = refusal or error
    raise refusal or ValueError(f"{operator.describe()} does not fit an image of {height} × {width}")


def _usual_rounding(task: str, given: dict[str, Any]) -> Quantise:
    return "8-bit" if task == "sr" and not kinds_of_noise(given) else "none"


def _noisy(clean: torch.Tensor, given: dict[str, Any], generator: torch.Generator) -> torch.Tensor:
    """The image with the noise that `given` asks for, not clipped."""
    for kind in kinds_of_noise(given):
        add = {"sigma": add_gaussian, "peak": add_poisson, "salt_pepper": add_salt_and_pepper}[kind]
        return add(clean, float(given[kind]), generator)
    return clean


def _noise_options(given: dict[str, Any], task: str) -> dict[str, Any]:
    """What the task is told of the noise; sigma None has it estimated, where no one number describes it."""
    kinds = kinds_of_noise(given)
    options: dict[str, Any] = {"sigma": float(given.get("sigma", 0.0))}
    if kinds == ["peak"]:
        options = {"data_term": "poisson", "peak": float(given["peak"]), "sigma": None}
    elif kinds == ["salt_pepper"]:
        # Those that fill impulses in by themselves need no data term that bears them.
        fills = any(option.name == "outliers" for option in task_named(task).options)
        options = {"sigma": None} if fills else {"data_term": "l1", "sigma": None}
    return options | {name: given[name] for name in ("data_term",) if name in given}
