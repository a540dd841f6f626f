"""Demosaicking: y holds one colour at each pixel, that of the filter in front of the sensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroshot.spelling import Wording
from zeroshot.tasks.noise import CLEAN
from zeroshot.tasks.options import Option, OptionType
from zeroshot.tasks.task import Damage, Options, Task

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.problem import Problem

_PATTERN = Option(
    "pattern",
    OptionType(
        Wording(
            ": 'RGGB', 'BGGR', 'GRBG', 'GBRG', 'quad-rggb' …, 'xtrans', the rows of any layout, or numbers as in "
            "rawpy's raw_pattern",
            ": RGGB, BGGR, GRBG, GBRG, quad-rggb …, xtrans, or the rows of any layout, such as RG/GB",
        )
    ),
    "the colour filters, from the upper left corner",
    "RGGB",
)


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    from zeroshot.operators import Mosaic
    from zeroshot.tasks.posing import posed

    channels = picture.colours.shape[1]
    if channels != 1:
        raise ValueError(f"demosaic needs a raw mosaic of one channel; this image has {channels}")
    return posed("demosaic", picture, Mosaic(options["pattern"]), options), picture


def _damage(picture: Picture, given: Options, generator: torch.Generator) -> Damage:
    from zeroshot.operators import Mosaic
    from zeroshot.tasks.posing import require_colour

    require_colour(picture, "demosaic")
    pattern = given.get("pattern", _PATTERN.default)
    return Damage(Mosaic(pattern), {"pattern": pattern})


DEMOSAIC = Task(
    name="demosaic",
    summary="a colour image from a one-channel raw mosaic",
    options=(_PATTERN, *CLEAN),
    pose=_pose,
    damage_options=(_PATTERN,),
    damage=_damage,
    suited=("pnp", "tv", "wavelet"),
    examples=(
        "zeroshot demosaic raw.tiff --pattern RGGB",
        "zeroshot demosaic raw.tiff -o colour.tiff --pattern xtrans --prior wavelet",
    ),
    outcome="demosaiced",
    prior="pnp",
)
