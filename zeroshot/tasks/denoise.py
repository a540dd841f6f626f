"""Denoising: y = x + n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zeroshot.spelling import Argument, OptionError
from zeroshot.tasks.noise import NOISY, kinds_of_noise
from zeroshot.tasks.task import Damage, Options, Task, told

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.problem import Problem


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    from zeroshot.operators import Identity
    from zeroshot.tasks.posing import posed

    return posed("denoise", picture, Identity(), options), picture


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
    options=NOISY,
    pose=_pose,
    damage_options=(),
    damage=_damage,
    suited=("bm3d", "ncsr", "dct", "wavelet", "nlm", "tgv", "tv"),
    examples=(
        "zeroshot denoise photo.png",
        "zeroshot denoise noisy.png -o clean.png --sigma 25 --prior bm3d",
    ),
    outcome="denoised",
    check_damage=_check_damage,
)
