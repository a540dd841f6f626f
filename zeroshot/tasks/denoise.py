"""Denoising: y = x + n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zeroshot.notes import note
from zeroshot.spelling import Argument, OptionError, OptionWarning
from zeroshot.tasks.noise import (
    DATA_TERM,
    GRAIN,
    MEASURED,
    NOISE_MODEL,
    PEAK_OR_AUTO,
    STRENGTH,
    check_told_noise,
    kinds_of_noise,
)
from zeroshot.tasks.options import Choice, Option, check_words
from zeroshot.tasks.task import Damage, Options, Task, told

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.problem import Problem


OUTLIERS = Option(
    "outliers",
    Choice(
        ": 'auto' fills in clear ones, 'all' whatever stands out, 'none' keeps them",
        words=("auto", "all", "none"),
    ),
    "impulses (salt and pepper, dead and hot pixels)",
    "auto",
)
_STRIPES = Option(
    "stripes",
    Choice(": 'auto' subtracts those that are clear, 'none' keeps them", words=("auto", "none")),
    "stripes of rows and columns",
    "auto",
    expert=True,
)


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    from zeroshot.operators import Identity
    from zeroshot.tasks.cleaning import cleaned, remaining, said
    from zeroshot.tasks.posing import posed, shown
    from zeroshot.tasks.told_noise import noise_of

    # Who has chosen a data term that bears impulses wants no other way.
    robust = isinstance(options["data_term"], str) and options["data_term"] in ("l1", "huber")
    sought = "none" if robust and options["outliers"] == "auto" else options["outliers"]
    clean = cleaned(picture, sought, options["stripes"])
    if any(clean.stripes):
        keeping = Argument("stripes", "none"), " keeps them"
        note(OptionWarning(f"{said(clean.stripes)} in stripes, which are subtracted; ", *keeping))
    noise = noise_of(clean.picture, shown(picture, clean.known), options, clean.beside)
    if clean.known is not None:
        noise = remaining(noise, options)
    return posed("denoise", clean.picture, Identity(), options, None, noise), picture


def _check(options: Mapping[str, Any]) -> None:
    check_told_noise(options)
    check_words(options, OUTLIERS, _STRIPES)


def _check_damage(given: Mapping[str, Any]) -> None:
    if not kinds_of_noise(given):
        kinds = (
            Argument("sigma", ...),
            " above 0, ",
            Argument("peak", ...),
            " or ",
            Argument("salt_pepper", ...),
        )
        raise OptionError(told("denoise"), " needs one noise: ", *kinds)


def _damage(picture: Picture, given: Options, generator: torch.Generator) -> Damage:
    from zeroshot.operators import Identity

    return Damage(Identity(), {})


DENOISE = Task(
    name="denoise",
    summary="remove noise",
    options=(MEASURED, STRENGTH, GRAIN, OUTLIERS, _STRIPES, NOISE_MODEL, DATA_TERM, PEAK_OR_AUTO),
    pose=_pose,
    damage_options=(),
    damage=_damage,
    suited=("bm3d", "ncsr", "dct", "wavelet", "nlm", "tgv", "tv"),
    examples=(
        "zeroshot denoise photo.png",
        "zeroshot denoise noisy.png -o clean.png --sigma 25 --prior bm3d",
    ),
    outcome="denoised",
    prior="bm3d",
    check=_check,
    check_damage=_check_damage,
)
