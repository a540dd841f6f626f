"""Decompression: y holds the coefficients of a JPEG, each rounded to a multiple of a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zeroshot.checks import is_number
from zeroshot.spelling import Argument, OptionError, Part, Wording
from zeroshot.tasks.noise import kinds_of_noise
from zeroshot.tasks.options import Choice, GreyLevels, Option, OptionType, listed
from zeroshot.tasks.task import Damage, Options, Task, told

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.problem import Problem

_SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1")
#: Those that encoders are asked for.
_MADE = _SUBSAMPLINGS[:3]


@dataclass(frozen=True)
class _Quality(OptionType):
    """A quality of the Independent JPEG Group, or "auto"."""

    forms: Part = ", from 1 to 100; 'auto' reads the tables of a JPEG file and finds them in other images"

    def check(self, name: str, value: Any) -> None:
        if value != "auto" and not (is_number(value) and value == int(value) and 1 <= value <= 100):
            raise OptionError(
                Argument(name), f" must be 'auto' or a whole number from 1 to 100, got {value!r}"
            )

    def parse(self, name: str, word: str) -> int | str:
        if word == "auto":
            return word
        if not (word.isdecimal() and 1 <= int(word) <= 100):
            raise OptionError(
                Argument(name), f" must be 'auto' or a whole number from 1 to 100, got {word!r}"
            )
        return int(word)


_QUALITY = Option("quality", _Quality(), "the quality that the image was saved with", "auto")
_SUBSAMPLING = Option(
    "subsampling",
    Choice(f": {listed(_SUBSAMPLINGS)}; 'auto' as for the quality", words=("auto", *_SUBSAMPLINGS)),
    "how many pixels share a sample of colour",
    "auto",
    expert=True,
)
_TABLES = Option(
    "jpeg_tables",
    OptionType(
        Wording(
            ": 8 × 8 steps of luminance, or two or three such tables",
            ": an .npy file of 8 × 8 steps, 1 to 3 of them",
        ),
        is_file=True,
    ),
    "quantisation tables that are of no quality",
    None,
    expert=True,
)

_SIGMA = Option(
    "sigma",
    GreyLevels(Wording(" on the [0, 1] scale", " in 8-bit grey levels"), estimated=False),
    "noise that was there before the compression: its standard deviation",
    0.0,
    expert=True,
)


def _check(options: Mapping[str, Any]) -> None:
    subsampling = options["subsampling"]
    if subsampling not in ("auto", *_SUBSAMPLINGS):
        raise OptionError(
            Argument("subsampling"), f" must be 'auto', {listed(_SUBSAMPLINGS)}, got {subsampling!r}"
        )
    if options["jpeg_tables"] is not None and options["quality"] != "auto":
        raise OptionError(Argument("jpeg_tables", ...), " takes the place of ", Argument("quality", ...))


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    from zeroshot.operators import Identity, JpegCompression
    from zeroshot.tasks.jpeg_posing import posed_jpeg

    compression = JpegCompression(options["quality"], options["subsampling"])
    return posed_jpeg("jpeg", picture, compression, Identity(), options), picture


def _check_damage(given: Mapping[str, Any]) -> None:
    if given.get("quality", "auto") == "auto":
        raise OptionError(told("jpeg"), " needs ", Argument("quality", ...), ": a whole number from 1 to 100")
    if given.get("subsampling", "auto") not in ("auto", *_MADE):
        raise OptionError(told("jpeg"), " makes chroma of ", listed(_MADE))
    if kinds_of_noise(given):
        raise OptionError(told("jpeg"), " adds no noise, which would come before it: damage twice")


def _damage(picture: Picture, given: Options, generator: torch.Generator) -> Damage:
    from zeroshot.operators import JpegCompression

    chosen: Options = {name: given[name] for name in ("quality", "subsampling") if name in given}
    if picture.colours.shape[1] == 3 and chosen.get("subsampling", "auto") == "auto":
        chosen["subsampling"] = "4:2:0"
    return Damage(JpegCompression(**chosen), chosen)


JPEG = Task(
    name="jpeg",
    summary="remove the blocks and the ringing of JPEG",
    options=(_QUALITY, _SUBSAMPLING, _TABLES, _SIGMA),
    pose=_pose,
    damage_options=(_QUALITY, _SUBSAMPLING),
    damage=_damage,
    suited=("bm3d", "gsr", "wnnm", "dct", "tgv", "tv"),
    examples=(
        "zeroshot jpeg photo.jpg",
        "zeroshot jpeg photo.jpg -o clean.png --prior gsr",
    ),
    outcome="clean",
    prior="bm3d",
    check=_check,
    check_damage=_check_damage,
)
