"""What is taken away before the noise is: impulses are filled in, stripes subtracted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from zeroshot.images import Picture
from zeroshot.noise import Beside, StripeComponent, all_and_clear_outliers, stripe_component
from zeroshot.notes import note
from zeroshot.operators import fill_holes
from zeroshot.solvers.local_prediction import fill_by_prediction
from zeroshot.spelling import Argument, OptionWarning
from zeroshot.tasks.told_noise import ToldNoise

#: Beside impulses, noise of less than a grey level is that of rounding.
_NEGLIGIBLE = 1 / 255


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A picture less its impulses and stripes.

    Attributes
    ----------
    picture : Picture
        Itself where it has none.
    known : torch.Tensor or None
        (N, C, H, W), 1 where there was no impulse; None: there were none.
    stripes : list of StripeComponent
        What was subtracted from each image; empty where none were looked for.
    beside : Beside or None
        What was found in `picture`, where all of that is known.
    """

    picture: Picture
    known: torch.Tensor | None
    stripes: list[StripeComponent]
    beside: Beside | None


def cleaned(picture: Picture, impulses: str, direction: str) -> Cleaned:
    """A picture with its impulses filled in, less its stripes.

    Parameters
    ----------
    picture : Picture
        The spoiled one.
    impulses : {"auto", "all", "none"}
        "auto" takes impulses where they are clear, "all" whatever stands out of its neighbours.
    direction : {"auto", "rows", "columns", "both", "none"}
        Which stripes are looked for; "auto" takes those that are clear.
    """
    everything, clear = (None, None) if impulses == "none" else all_and_clear_outliers(_seen(picture))
    sound, known = picture, None
    if everything is not None and clear is not None:
        sound, known = _without_impulses(picture, clear if impulses == "auto" else everything, impulses)
    level, stripes = _without_stripes(sound, direction)
    untouched = known is None and not any(stripes)
    if everything is None or not untouched or picture.visible is not None or direction != "auto":
        return Cleaned(level, known, stripes, None)
    return Cleaned(level, known, stripes, Beside(everything, stripes))


def _without_impulses(
    picture: Picture, found: torch.Tensor, which: str
) -> tuple[Picture, torch.Tensor | None]:
    if picture.visible is not None:
        found = found & picture.visible
    pixels = found.any(dim=1)
    count = int(pixels.sum())
    if count == 0:
        if which == "all":
            note(OptionWarning(Argument("outliers", "all"), ": no pixel stands out of its neighbours"))
        return picture, None
    told = (
        f"{count} of {pixels.numel()} pixels ({count / pixels.numel():.2g} of all) are impulses, such as salt and "
        "pepper or hot and dead pixels, and are filled in; ",
        Argument("outliers", "none"),
        " keeps them",
    )
    note(OptionWarning(*told))
    known = (~found).to(picture.colours)
    seen = known if picture.visible is None else known * picture.visible
    filled = fill_by_prediction(picture.colours, seen)
    return picture.with_colours(torch.where(found, filled, picture.colours)), known


def _without_stripes(picture: Picture, direction: str) -> tuple[Picture, list[StripeComponent]]:
    if direction == "none":
        return picture, []
    known = [None] * len(picture.colours) if picture.visible is None else list(picture.visible[:, 0])
    found = [
        stripe_component(image, direction, where)  # type: ignore[arg-type]
        for image, where in zip(picture.colours, known, strict=True)
    ]
    if not any(found):
        return picture, found
    images = zip(picture.colours, found, strict=True)
    return picture.with_colours(
        torch.stack([_less(image, stripes.total) for image, stripes in images])
    ), found


def _less(image: torch.Tensor, stripes: torch.Tensor) -> torch.Tensor:
    """The image less its stripes; what these have clipped is filled in between what it was at least and white.

    A value that a bright stripe has lifted to white lay between white less the stripe and white, one that a dark
    stripe has pushed to black between black and black plus the stripe.
    """
    lifted, pushed = (image >= 1) & (stripes > 0), (image <= 0) & (stripes < 0)
    clipped = lifted | pushed
    levelled = image - stripes
    if not bool(clipped.any()) or bool(clipped.all()):
        return levelled
    filled = fill_holes(levelled[None], (~clipped)[None].to(image))[0]
    filled = torch.where(lifted, filled.clamp(max=1).maximum(levelled), filled)
    filled = torch.where(pushed, filled.clamp(min=0).minimum(levelled), filled)
    return torch.where(clipped, filled, levelled)


def said(found: list[StripeComponent]) -> str:
    """The stripes in words; "" where there are none."""
    rows = max((one.level_of_rows for one in found), default=0.0)
    columns = max((one.level_of_columns for one in found), default=0.0)
    parts = [
        f"{name} differ by {255 * level:.1f} grey levels"
        for name, level in (("rows", rows), ("columns", columns))
        if level > 0
    ]
    return " and ".join(parts)


def remaining(noise: ToldNoise, options: Mapping[str, Any]) -> ToldNoise:
    """The noise that is left beside impulses: none where an estimate is that of rounding."""
    estimated = options["sigma"] is None and options.get("noise") is None and noise.data_term is None
    return ToldNoise(0.0) if estimated and noise.sigma < _NEGLIGIBLE else noise


def _seen(picture: Picture) -> torch.Tensor:
    """The colours, with a filling from what is seen in place of what is transparent."""
    if picture.visible is None:
        return picture.colours
    return fill_holes(picture.colours, picture.visible.to(picture.colours).expand_as(picture.colours))
