"""What the estimate of one noise level misses: impulses, stripes and correlated noise, said with a way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from zeroshot.noise import Levels, NoiseModel, correlated_noise, outliers, stripe_component
from zeroshot.notes import note
from zeroshot.spelling import OptionWarning, Part, Text, Wording

#: Coarse noise that the estimate already comes near to needs no word.
_LEAST_GAIN = 1.5


def remark_on_noise(
    y: torch.Tensor,
    known: torch.Tensor | None,
    estimate: NoiseModel,
    options: Mapping[str, Any],
    *,
    blurred: bool = False,
) -> None:
    """Warn, once, where the noise is not what it was estimated to be.

    Parameters
    ----------
    y : torch.Tensor
        The measurement, (N, C, H, W), whose noise every pixel shows in the same way.
    known : torch.Tensor or None
        1 at the pixels that are measured, broadcastable to y; None: all are.
    estimate : NoiseModel
        What it is taken for. Where that is white, noise that is not gets a word.
    options : mapping
        Those of the task: one that takes impulses and stripes away by itself has "outliers".
    blurred : bool
        Whether the picture is, so that its texture looks like correlated noise, of which nothing is said then.
    """
    for index in range(y.shape[0]):
        mask = None if known is None else (known[min(index, known.shape[0] - 1)] > 0.5).all(dim=0)
        found = _remarks(y[index], mask, estimate, options, blurred)
        if found:
            joined = [part for remark in found for part in ("; ", remark)][1:]
            note(OptionWarning(*joined))
            return


def _remarks(
    image: torch.Tensor,
    known: torch.Tensor | None,
    estimate: NoiseModel,
    options: Mapping[str, Any],
    blurred: bool,
) -> list[Part]:
    remarks: list[Part] = []
    sigma = estimate.sigma
    if "outliers" not in options and (known is None or bool(known.all())):
        count = int(outliers(image[None], clear=True).any(dim=1).sum())
        if count:
            seen = f"{count} pixels are impulses, such as salt and pepper or hot and dead pixels: "
            remarks.append(Text(seen, "denoise the picture first, which fills them in"))
        elif stripe_component(image):
            remarks.append(
                Text("rows or columns are brighter or darker than those beside them: destripe it first")
            )
    correlated = correlated_noise(image, known) if estimate.is_white and not blurred else None
    if correlated is not None and correlated.coarse > _LEAST_GAIN * sigma:
        remarks.append(_on_correlation(correlated, sigma))
    return remarks


def _on_correlation(found: Levels, sigma: float) -> Text:
    what = (
        "the noise is not white (grain, or noise that was enlarged, demosaicked or compressed), unless one texture "
        "covers the picture: its level is "
    )
    return Text(
        what, _levels(found.fine), " pixel by pixel and ", _levels(found.coarse), " over a few pixels",
        _advice(found.coarse, sigma),
    )  # fmt: skip


def _advice(level: float, sigma: float) -> Text:
    chosen = max(1, round(255 * level))
    by_hand = Wording(f"sigma={chosen}/255", f"--sigma {chosen}")
    return Text(
        "; the estimate of ", _levels(sigma), " leaves most of it, ", by_hand, " takes more of it away"
    )


def _levels(level: float) -> Wording:
    return Wording(f"{255 * level:.1f}/255", f"{255 * level:.1f} grey levels")
