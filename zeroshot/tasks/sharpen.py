"""Sharpening: y = g ∗ x + n with a Gaussian g of a radius that is found in the picture, where edges must not ring."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from zeroshot.checks import is_number
from zeroshot.notes import note
from zeroshot.spelling import Argument, OptionError, OptionWarning
from zeroshot.tasks.noise import NOISY
from zeroshot.tasks.options import Option, Portion, Positive, PositiveOrAuto
from zeroshot.tasks.task import Damage, Options, Task

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.operators import Blur
    from zeroshot.problem import Problem

#: The largest radius that is found: more is none of a lens in focus.
_LARGEST = 2.0
#: The largest radius that is taken: what is blurred more is to be deblurred.
_MOST = 5.0
#: How far a sharpened edge may go beyond what is beside it, as a share of its height.
_OVERSHOOT = 0.1


@dataclass(frozen=True)
class _Radius(Positive):
    """A standard deviation in pixels."""

    wanted: str = f"a positive number of pixels, at most {_MOST:g}"

    def check(self, name: str, value: Any) -> None:
        super().check(name, value)
        if value > _MOST:
            raise OptionError(Argument(name), f" must be {self.wanted}, got {value!r}")


@dataclass(frozen=True)
class _RadiusOrAuto(PositiveOrAuto):
    """A standard deviation in pixels, or "auto", which has it estimated."""

    wanted: str = f"a positive number of pixels, at most {_MOST:g}, or 'auto'"

    def check(self, name: str, value: Any) -> None:
        super().check(name, value)
        if is_number(value) and value > _MOST:
            raise OptionError(Argument(name), f" must be {self.wanted}, got {value!r}")


_RADIUS = Option(
    "radius",
    _RadiusOrAuto(),
    "standard deviation in pixels of the Gaussian that the picture is blurred by; 'auto' finds it in the edges",
    "auto",
)
_STRENGTH = Option(
    "strength",
    Portion(", from 0 to 1, of the variance of the Gaussian"),
    "how much of the blur is undone",
    1.0,
)


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    from zeroshot.tasks.overshoot import LocalRange
    from zeroshot.tasks.posing import noise_level, posed, without_blur
    from zeroshot.tasks.told_noise import ToldNoise

    level = noise_level(picture.colours, _gaussian(_LARGEST), picture, options)
    found = options["radius"]
    radius = _found_radius(picture, level) if found in ("auto", None) else float(found)
    radius *= math.sqrt(options["strength"])
    if not radius:
        return without_blur("sharpen", picture, options, {"kind": "none"}), picture
    # What is left is to be deblurred, with the defaults for that.
    problem = posed("deblur", picture, _gaussian(radius), options, noise=ToldNoise(level))
    bounds = LocalRange(problem.y, problem.noise_rms(), _OVERSHOOT)
    told = {"kind": "gaussian", "parameters": {"gaussian": radius}} if found in ("auto", None) else None
    return replace(problem, constraint=bounds, kernel=told), picture


def _found_radius(picture: Picture, level: float) -> float:
    """The radius that the edges tell of, 0 where they are sharp; the user is told."""
    from zeroshot.inspection.blur import LEAST_RADIUS, edge_radius

    told = [one for one in (edge_radius(image, level) for image in picture.colours) if one is not None]
    by_hand = Argument("radius", 0.7), " sharpens it nevertheless"
    if not told:
        note(
            OptionWarning(
                "no blur found, as there are too few edges to tell: the picture stays as it is; ", *by_hand
            )
        )
        return 0.0
    radius = median(told)
    if radius < LEAST_RADIUS:
        note(OptionWarning("no blur found: the picture stays as it is; ", *by_hand))
        return 0.0
    if radius > _LARGEST:
        advice = (
            "; ",
            Argument("radius", round(radius, 1)),
            " undoes all of it, and the task deblur without these bounds",
        )
        note(
            OptionWarning(
                f"the blur is that of a radius of {radius:.1f} pixels, of which {_LARGEST:g} are undone",
                *advice,
            )
        )
        return _LARGEST
    note(OptionWarning("the edges tell of ", Argument("radius", round(radius, 2))))
    return round(radius, 2)


def _gaussian(radius: float) -> Blur:
    from zeroshot.operators import Blur

    return Blur.gaussian(radius)


def _damage(picture: Picture, given: Mapping[str, Any], generator: torch.Generator) -> Damage:
    return Damage(_gaussian(float(given["radius"])), {"radius": given["radius"]})


SHARPEN = Task(
    name="sharpen",
    summary="sharpen what the lens has left soft, without halos",
    options=(_RADIUS, _STRENGTH, *NOISY),
    pose=_pose,
    damage_options=(Option("radius", _Radius(), "standard deviation of the Gaussian in pixels"),),
    damage=_damage,
    suited=("wiener", "tv", "pnp", "richardson_lucy"),
    examples=(
        "zeroshot sharpen photo.jpg",
        "zeroshot sharpen photo.jpg -o sharp.jpg --radius 0.8 --strength 0.7",
    ),
    outcome="sharpened",
    prior="wiener",
)
