"""Restoration: y = A x + n with any operator A, such as joint demosaicking and super-resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeroshot.operators.catalogue import operator_table
from zeroshot.spelling import Wording
from zeroshot.tasks.noise import NOISY
from zeroshot.tasks.options import Option, OptionType
from zeroshot.tasks.task import Damage, Options, Task

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.operators import Operator
    from zeroshot.problem import Problem

_OPERATOR = Option(
    "operator",
    OptionType(
        Wording(
            ": an Operator, or text such as 'mosaic(RGGB) @ downsample(2)'",
            ", such as 'mosaic(RGGB) @ downsample(2)'; 'zeroshot restore --help' lists the operators",
        )
    ),
    "the damage",
)


#: How a mask within an operator is turned round.
_INVERTED_MASK = 'mask("file", invert=true)'


def _operator(chosen: Any) -> Operator:
    from zeroshot.operators import as_operator, parse

    return parse(chosen) if isinstance(chosen, str) else as_operator(chosen)


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    from zeroshot.tasks.masks import remark_on_holes
    from zeroshot.tasks.posing import measured_by, posed

    operator = _operator(options["operator"])
    operator.input_shape(tuple(picture.colours.shape))
    measured = measured_by(operator)
    if measured is not None:
        remark_on_holes(measured, _INVERTED_MASK)
    y = picture.colours if measured is None else picture.colours * measured
    return posed("restore", picture, operator, options, y), picture


def _damage(picture: Picture, given: Options, generator: torch.Generator) -> Damage:
    chosen = given["operator"]
    return Damage(_operator(chosen), {"operator": chosen})


def _operators() -> str:
    return (
        f"operators:\n{operator_table()}\n"
        "words stand bare, names of files in quotes: --operator 'mask(\"mask.png\")'\n\n"
    )


RESTORE = Task(
    name="restore",
    summary="undo several damages at once, such as mosaic, noise and scale",
    options=(_OPERATOR, *NOISY),
    pose=_pose,
    damage_options=(_OPERATOR,),
    damage=_damage,
    suited=("pnp", "tv", "wavelet", "tgv"),
    examples=(
        "zeroshot restore raw.png --operator 'mosaic(RGGB) @ downsample(2)'",
        "zeroshot restore old.png -o new.png --operator 'blur(disk=3)' --sigma 5",
    ),
    prior="pnp",
    more_help=_operators,
)
