"""Which axis of a stack is the third dimension of its volumes, and what is done in volumes at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from zeroshot.checks import is_number
from zeroshot.data_terms import Gaussian, Poisson
from zeroshot.images.stack import Stack
from zeroshot.prior import Prior
from zeroshot.registry import prior_class, prior_names
from zeroshot.request import Request
from zeroshot.spelling import Argument, OptionError
from zeroshot.standings import ROLES

#: What is restored in volumes.
TASKS = ("denoise",)
#: The prior that None and a role stand for.
CHOSEN: dict[str | None, str] = {None: "bm3d", "best": "bm3d", "fast": "wavelet"}


@dataclass(frozen=True)
class Depth:
    """Which axis of a stack is the third dimension of its volumes.

    Attributes
    ----------
    axis : str
        A letter of the axes that count planes.
    spacing : float
        How many pixels of a plane two planes are apart.
    """

    axis: str
    spacing: float = 1.0


def depth_of(
    stack: Stack, volume: Any, spacing: Any, request: Request, options: dict[str, Any]
) -> Depth | None:
    """What `volume` and `spacing` say of a stack; None where it is restored plane by plane.

    Parameters
    ----------
    stack : Stack
    volume : str or None
        The letter of the axis.
    spacing : float or None
        None takes what the file says of the lengths of a voxel, else 1.
    request : Request
    options : dict
        Of the task.

    Raises
    ------
    OptionError
        In one line, where what is asked for is not done in volumes.
    """
    if volume is None:
        if spacing is not None:
            raise OptionError(Argument("spacing", ...), " goes with ", Argument("volume", ...))
        return None
    named = Argument("volume")
    known = [one for one in stack.counted if one != "C"]
    letter = volume.upper() if isinstance(volume, str) else volume
    if letter in ("Z", "T") and set(known) & set("QI"):
        raise OptionError(
            named,
            " needs ",
            Argument("axes", "ZYX"),
            f": the file does not say what its planes are ({stack.axes})",
        )
    if letter not in known:
        which = " or ".join(map(repr, known)) or "an axis that counts planes, of which it has none"
        raise OptionError(
            named, f" must be the axis of the stack ({stack.axes}) that is its depth, {which}, got {volume!r}"
        )
    if spacing is not None and not (is_number(spacing) and spacing > 0):
        raise OptionError(Argument("spacing"), f" must be a positive number of pixels, got {spacing!r}")
    _require_volumes(request, options)
    found = depth_spacing(stack) if letter == "Z" else None
    return Depth(letter, float(spacing or found or 1.0))


def depth_spacing(stack: Stack) -> float | None:
    """How many pixels two planes along Z are apart, where the file says so of both in one unit."""
    metadata = stack.metadata
    across, deep = metadata.scale.get("X"), metadata.scale.get("Z")
    if metadata.ome is not None:
        units = re.findall(r"PhysicalSize[XZ]Unit=\"([^\"]*)\"", metadata.ome)
        if len(set(units)) > 1:
            return None
    if metadata.imagej is not None and "resolution" in metadata.attributes:
        each = metadata.attributes["resolution"][0]
        across, deep = 1 / each if each else None, metadata.imagej.get("spacing")
    if not (is_number(across) and is_number(deep)) or across <= 0 or deep <= 0:
        return None
    return float(deep) / float(across)


def _require_volumes(request: Request, options: dict[str, Any]) -> None:
    """Refuse what is not done in volumes."""
    named = Argument("volume", ...)
    if request.task not in TASKS:
        raise OptionError(named, f" goes with task {' and '.join(map(repr, TASKS))}, not {request.task!r}")
    term = options.get("data_term", "gaussian")
    if not (
        term in ("gaussian", "poisson") if isinstance(term, str) else isinstance(term, Gaussian | Poisson)
    ):
        raise OptionError(named, " goes with ", Argument("data_term", "gaussian"), " and 'poisson'")
    if options.get("peak") == "auto":
        raise OptionError(
            named, " takes the noise that all planes share: leave out ", Argument("peak", "auto")
        )
    if request.tiling.samples != 1:
        raise OptionError(named, " makes one run: leave out ", Argument("samples", ...))
    if request.stopping is not None or request.watch.callbacks:
        raise OptionError(named, " has no steps to watch: leave out stopping=… and callbacks=…")
    prior = request.prior
    kind = prior_class(standing_for(prior)) if isinstance(prior, str | None) else type(prior)
    if not _denoises_volumes(kind):
        able = sorted(name for name in prior_names() if _denoises_volumes(prior_class(name)))
        raise OptionError(
            f"prior {kind.name!r} restores planes, not volumes: with ",
            named,
            f" take one of {', '.join(able)}",
        )


def standing_for(prior: str | None) -> str:
    """The name of a prior, or of the one that None and a role stand for."""
    return CHOSEN[prior] if prior is None or prior in ROLES else prior


def _denoises_volumes(kind: type[Prior]) -> bool:
    return kind.volume_denoiser is not Prior.volume_denoiser
