"""Stripes: y = x + s + n, where s is nearly constant along rows or columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zeroshot.notes import note
from zeroshot.spelling import Wording
from zeroshot.tasks.denoise import OUTLIERS
from zeroshot.tasks.noise import NOISY
from zeroshot.tasks.options import Choice, GreyLevels, Option, check_words
from zeroshot.tasks.task import Damage, Options, Task

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.problem import Problem

_DIRECTION = Option(
    "direction",
    Choice(
        ": 'rows' (horizontal stripes), 'columns' (vertical ones), 'both', or 'auto' for those that are clear",
        words=("auto", "rows", "columns", "both"),
    ),
    "which stripes are subtracted",
    "auto",
)
_STRIPES = Option(
    "stripes",
    GreyLevels(Wording(" on the [0, 1] scale", " in 8-bit grey levels"), estimated=False),
    "standard deviation of the offsets of rows or columns",
)
_MADE = replace(
    _DIRECTION,
    type=Choice(": 'rows', 'columns' or 'both'", words=("rows", "columns", "both")),
    text="which have offsets",
    default="columns",
)
_SIGMA, *_OTHERS = NOISY


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    from zeroshot.operators import Identity
    from zeroshot.tasks.cleaning import cleaned, remaining
    from zeroshot.tasks.posing import posed, shown
    from zeroshot.tasks.told_noise import noise_of

    clean = cleaned(picture, options["outliers"], options["direction"])
    if not any(clean.stripes):
        note("no stripes were found")
    told = {"noise": None, "strength": 1.0, **options}
    noise = remaining(noise_of(clean.picture, shown(picture, clean.known), told, clean.beside), options)
    # What is left is to be denoised, with the defaults for that.
    return posed("denoise", clean.picture, Identity(), options, None, noise), picture


def _check(options: Mapping[str, Any]) -> None:
    check_words(options, _DIRECTION, OUTLIERS)


def _check_damage(given: Mapping[str, Any]) -> None:
    if "direction" in given:
        check_words(given, _MADE)


def _damage(picture: Picture, given: Options, generator: torch.Generator) -> Damage:
    from zeroshot.noise import stripes
    from zeroshot.operators import Identity

    direction = given.get("direction", "columns")
    offsets = stripes(tuple(picture.colours.shape), float(given["stripes"]), direction, generator)
    return Damage(Identity(), {"direction": direction}, added=offsets)


DESTRIPE = Task(
    name="destripe",
    summary="subtract stripes of rows and columns; remove the noise left",
    options=(
        _DIRECTION,
        replace(_SIGMA, text="standard deviation of the noise beside them"),
        OUTLIERS,
        *_OTHERS,
    ),
    pose=_pose,
    damage_options=(_STRIPES, _MADE),
    damage=_damage,
    suited=("bm3d", "ncsr", "dct", "wavelet", "nlm", "tgv", "tv"),
    examples=(
        "zeroshot destripe scan.png --sigma 0",
        "zeroshot destripe thermal.png --direction columns",
    ),
    outcome="destriped",
    prior="bm3d",
    check=_check,
    check_damage=_check_damage,
)
