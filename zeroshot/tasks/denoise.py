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
from zeroshot.tasks.options import Choice, Option
from zeroshot.tasks.task import Damage, Options, Task, told

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.problem import Problem


_OUTLIERS = Option(
    "outliers",
    Choice(
        ": 'auto' finds those that stand out of their neighbours, treats them as not measured and fills them in",
        words=("none", "auto"),
    ),
    "impulses (salt and pepper, dead and hot pixels), 'none' or 'auto'",
    "none",
)


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    from zeroshot.noise import outliers
    from zeroshot.operators import Identity, Mask, Operator
    from zeroshot.tasks.posing import measured_by, posed, shown
    from zeroshot.tasks.told_noise import noise_of

    operator: Operator = Identity()
    if options["outliers"] == "auto":
        found = outliers(_seen(picture))
        if picture.visible is not None:
            found &= picture.visible
        count = int(found.sum())
        share = f"{count} of {found.numel()} pixels stand out of their neighbours"
        note(OptionWarning(Argument("outliers", "auto"), f": {share}", " and are filled in" * (count > 0)))
        if count:
            operator = Mask((~found).float())
    noise = noise_of(picture, shown(picture, measured_by(operator)), options)
    return posed("denoise", picture, operator, options, operator(picture.colours), noise), picture


def _seen(picture: Picture) -> torch.Tensor:
    """The colours, with a filling from what is seen in place of what is transparent."""
    from zeroshot.operators import fill_holes

    if picture.visible is None:
        return picture.colours
    return fill_holes(picture.colours, picture.visible.to(picture.colours).expand_as(picture.colours))


def _check(options: Mapping[str, Any]) -> None:
    check_told_noise(options)
    if options["outliers"] not in ("none", "auto"):
        raise OptionError(Argument("outliers"), f" must be 'none' or 'auto', got {options['outliers']!r}")


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
    options=(MEASURED, STRENGTH, GRAIN, _OUTLIERS, NOISE_MODEL, DATA_TERM, PEAK_OR_AUTO),
    pose=_pose,
    damage_options=(),
    damage=_damage,
    suited=("bm3d", "ncsr", "dct", "wavelet", "nlm", "tgv", "tv"),
    examples=(
        "zeroshot denoise photo.png",
        "zeroshot denoise noisy.png -o clean.png --sigma 25 --prior bm3d",
    ),
    outcome="denoised",
    check=_check,
    check_damage=_check_damage,
)
