"""Colourisation: y = w · x, the grey values of a colour image, and the colours of some pixels as hints."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from zeroshot.checks import is_number
from zeroshot.notes import note
from zeroshot.spelling import Argument, OptionWarning, Wording
from zeroshot.tasks.noise import CLEAN
from zeroshot.tasks.options import Choice, Option, OptionType, ShareOrPicture
from zeroshot.tasks.task import Damage, Options, Task

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.operators import Grayscale
    from zeroshot.problem import Problem

_HINTS = Option(
    "hints",
    OptionType(
        Wording(
            ": an RGBA image of the input's size, colours where alpha is set, nothing elsewhere",
            ": an RGBA image file of the input's size, colours where alpha is set, nothing elsewhere",
        ),
        is_file=True,
        is_picture=True,
        painted="colours",
    ),
    "what colours are known",
    None,
)
_SHOWN = Option(
    "hints",
    ShareOrPicture(", between 0 and 1, or an RGBA image of hints"),
    "share of the pixels whose colours are told",
    None,
)
_LUMA = Option(
    "luma",
    Choice(": 'bt601', 'bt709', 'mean'", words=("bt601", "bt709", "mean")),
    "how colours become grey",
    "bt601",
    expert=True,
)


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    import torch

    from zeroshot.operators import Grayscale, Identity, Mask, Stack
    from zeroshot.problem import Problem
    from zeroshot.tasks.masks import hints_of
    from zeroshot.tasks.posing import data_term_of, noise_level, posed, without_hidden

    grayscale = Grayscale(options["luma"])
    colours = picture.colours
    grey = grayscale(colours) if colours.shape[1] == 3 else colours
    if options["hints"] is None:
        without = "colorize without ", Argument("hints", ...)
        guess = ": the measurement says nothing about colour, so this prior can only guess"
        note(OptionWarning(*without, guess))
        return posed("colorize", picture, grayscale, options, grey), picture
    hints, given = hints_of(options["hints"], picture)
    sigma, data_term = noise_level(grey, Identity(), picture, options), data_term_of(options, picture)
    grey = without_hidden(grey, picture, Identity(), sigma, data_term)
    operator = Stack([grayscale, Mask(given)], _spreading_hints(grayscale, given))
    y = torch.cat([grey, hints * given], dim=1)
    measured = torch.cat([torch.ones_like(grey), given.expand(-1, 3, -1, -1)], dim=1)
    return Problem(y, operator, data_term, sigma, "colorize", measured=measured), picture


def _spreading_hints(grayscale: Grayscale, given: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The first estimate of a hinted image: what the hints add to the grey is spread smoothly from them."""
    from zeroshot.operators import fill_holes

    def initial(y: torch.Tensor) -> torch.Tensor:
        grey, hints = y[:, :1], y[:, 1:]
        known = given.to(y).expand(-1, 3, -1, -1)
        spread = grey + fill_holes((hints - grey) * known, known)
        # Spreading moves the grey value a little; the measurement has it exactly.
        return spread + (grey - grayscale.to(y.device)(spread)) / grayscale.weights.sum()

    return initial


def _damage(picture: Picture, given: Options, generator: torch.Generator) -> Damage:
    import torch

    from zeroshot.noise import random_mask
    from zeroshot.operators import Grayscale
    from zeroshot.tasks.masks import hints_of
    from zeroshot.tasks.posing import require_colour

    require_colour(picture, "colorize")
    luma, hints = given.get("luma", _LUMA.default), given.get("hints")
    told: Options = {"luma": luma}
    if is_number(hints):
        shown = 1 - random_mask(tuple(picture.colours.shape), float(hints), generator)
        told["hints"] = torch.cat([picture.colours.clamp(0, 1) * shown, shown], dim=1)
    elif hints is not None:
        hints_of(hints, picture)
        told["hints"] = hints
    return Damage(Grayscale(luma), told)


COLORIZE = Task(
    name="colorize",
    summary="add colours to a grey image",
    options=(_HINTS, _LUMA, *CLEAN),
    pose=_pose,
    damage_options=(_LUMA, _SHOWN),
    damage=_damage,
    suited=("tv", "tgv"),
    examples=(
        "zeroshot colorize grey.png --hints strokes.png",
        "zeroshot colorize grey.png -o colour.png --hints strokes.png --seconds 60",
    ),
    outcome="colorized",
    prior="tv",
)
