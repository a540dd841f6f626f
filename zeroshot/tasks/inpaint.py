"""Inpainting: y = m ⊙ x, pixels are known where the mask m is 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zeroshot.spelling import Argument, OptionError, Wording
from zeroshot.tasks.noise import CLEAN
from zeroshot.tasks.options import Option, OptionType, Share
from zeroshot.tasks.task import Damage, Options, Task, told

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.problem import Problem

_MASK = Option(
    "mask",
    OptionType(
        Wording(
            ": an array or image of the input's height and width, true (white) where they are; "
            "'alpha' for the image's own alpha channel; or the colour that marks the hole (#ff00ff)",
            ": an image file of the input's height and width, white where they are; 'alpha' for the "
            "image's own alpha channel; or the colour that marks the hole ('#ff00ff')",
        ),
        is_file=True,
        is_picture=True,
    ),
    "which pixels are known",
)
_MISSING = Option("missing", Share(), "share of the pixels that are lost at random", None)


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    from zeroshot.operators import Mask
    from zeroshot.tasks.masks import mask_of
    from zeroshot.tasks.posing import posed

    mask, picture = mask_of(picture, options["mask"])
    operator = Mask(mask)
    return posed("inpaint", picture, operator, options, operator(picture.colours)), picture


def _check_damage(given: Mapping[str, Any]) -> None:
    missing, mask = Argument("missing", ...), Argument("mask", ...)
    if "missing" in given and "mask" in given:
        raise OptionError(missing, " and ", mask, " do not go together: either says which pixels are lost")
    if "missing" not in given and "mask" not in given:
        share = ", the share of the pixels that are lost, or else "
        raise OptionError(told("inpaint"), " needs ", missing, share, mask)


def _damage(picture: Picture, given: Options, generator: torch.Generator) -> Damage:
    from zeroshot.noise import random_mask
    from zeroshot.operators import Mask
    from zeroshot.tasks.masks import mask_of

    if "mask" in given:
        mask, _ = mask_of(picture, given["mask"])
    else:
        mask = random_mask(tuple(picture.colours.shape), float(given["missing"]), generator)
    return Damage(Mask(mask), {"mask": mask}, mask)


INPAINT = Task(
    name="inpaint",
    summary="fill holes",
    options=(_MASK, *CLEAN),
    pose=_pose,
    damage_options=(_MISSING, replace(_MASK, default=None)),
    damage=_damage,
    suited=("gsr", "ksvd", "pnp", "tgv", "tv"),
    examples=(
        "zeroshot inpaint torn.png --mask known.png",
        'zeroshot inpaint torn.png -o whole.png --mask "#ff00ff" --prior tv',
    ),
    outcome="inpainted",
    check_damage=_check_damage,
)
