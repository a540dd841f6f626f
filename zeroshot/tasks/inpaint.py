"""Inpainting: y = m ⊙ x, pixels are known where the mask m is 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zeroshot.spelling import Argument, OptionError, Wording
from zeroshot.tasks.noise import CLEAN
from zeroshot.tasks.options import Option, OptionType, Share, Switch
from zeroshot.tasks.task import Damage, Options, Task, told

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.problem import Problem

_MASK = Option(
    "mask",
    OptionType(
        Wording(
            ": an array or image of the input's height and width, true (white) where they are, the opposite of "
            "OpenCV and scikit-image; "
            "'alpha' for the image's own alpha channel; or the colour that marks the hole (#ff00ff)",
            ": an image file of the input's height and width, white where they are; 'alpha' for the "
            "image's own alpha channel; or the colour that marks the hole ('#ff00ff')",
        ),
        is_file=True,
        is_picture=True,
        painted="holes",
    ),
    "which pixels are known",
)
_INVERT = Option(
    "invert_mask",
    Switch(
        Wording(
            ", as OpenCV and scikit-image have it; by default a mask is turned round only where the image shows that "
            "it is the other way round, with a warning",
            ", as in OpenCV and scikit-image (default: only where the image shows it, with a warning)",
        )
    ),
    "whether white marks the hole in the mask",
    None,
)
_DAMAGE_INVERT = replace(_INVERT, type=Switch(), default=None)
_MISSING = Option("missing", Share(), "share of the pixels that are lost at random", None)


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    from zeroshot.operators import Mask
    from zeroshot.tasks.masks import mask_of, remark_on_holes
    from zeroshot.tasks.posing import posed

    mask, picture = mask_of(picture, options["mask"], options["invert_mask"])
    remark_on_holes(mask)
    if picture.visible is not None and bool((mask * picture.visible).any()):
        # What is transparent is not known either.
        mask = mask * picture.visible
    operator = Mask(mask)
    return posed("inpaint", picture, operator, options, operator(picture.colours)), picture


def _check_damage(given: Mapping[str, Any]) -> None:
    missing, mask = Argument("missing", ...), Argument("mask", ...)
    if "invert_mask" in given and "mask" not in given:
        raise OptionError(Argument("invert_mask", ...), " goes with ", mask)
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
        mask, _ = mask_of(picture, given["mask"], given.get("invert_mask", False))
    else:
        mask = random_mask(tuple(picture.colours.shape), float(given["missing"]), generator)
    return Damage(Mask(mask), {"mask": mask}, mask)


INPAINT = Task(
    name="inpaint",
    summary="fill holes",
    options=(_MASK, _INVERT, *CLEAN),
    pose=_pose,
    damage_options=(_MISSING, replace(_MASK, default=None), _DAMAGE_INVERT),
    damage=_damage,
    suited=("gsr", "pnp", "dct", "wavelet", "tv", "ksvd", "tgv"),
    examples=(
        "zeroshot inpaint torn.png --mask known.png",
        'zeroshot inpaint torn.png -o whole.png --mask "#ff00ff" --prior tv',
    ),
    outcome="inpainted",
    prior="pnp",
    check_damage=_check_damage,
)
