"""Stripes: offsets of whole rows or columns, as scanners, line sensors and the amplifiers of a chip leave them.

A stripe is added to everything in its column, whatever the picture shows there. An edge of the picture is not: it ends,
or its height changes. So what neighbouring columns differ by in most places is looked at in several bands of the
height, and what the bands have in common is the stripe.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

from zeroshot.sliding import window_means

Direction = Literal["rows", "columns", "both", "auto"]
DIRECTIONS: tuple[Direction, ...] = ("auto", "rows", "columns", "both")

#: The height is divided into this many bands, whose agreement tells stripes from the picture.
_BANDS = 8
#: The fewest rows of a band, and the fewest columns.
_LEAST_ROWS, _LEAST_COLUMNS = 6, 8
#: Side of the squares in which the activity of the picture along the stripes is measured.
_AREA = 9
#: The smallest activity, on the [0, 1] scale: rounding hides what is smaller.
_LEAST_ACTIVITY = 0.6 / 255
_REWEIGHTINGS = 4
#: Rows of a tall picture that are looked at first.
_ROWS_FIRST = 192
#: The least variance of what neighbouring columns of a picture differ by in all its flat parts, on the [0, 1] scale.
_SLOPE = (0.3 / 255) ** 2
#: Over how many columns slopes are averaged.
_TREND = 15
#: The weakest stripes, as the standard deviation on the [0, 1] scale, and how far the upper and the lower half of the
#: picture agree on them, as a correlation.
LEAST_LEVEL, LEAST_AGREEMENT = 0.4 / 255, 0.88
#: The weakest stripes that are clear: those of a picture of boards and shelves are weaker.
LEAST_CLEAR_LEVEL = 2 / 255
#: The shorter side of a picture whose stripes may be clear: a few columns of noise agree by chance.
LEAST_CLEAR_SIDE = 48
#: By how much less the halves may agree where what lies side by side agrees nearly fully.
_CHANGING, _SURE = 0.15, 0.03
#: Columns at either side that do not tell whether there are stripes.
_FRAME = 6
#: Stripes that change along their length are followed down to that share of the height.
_FINEST = 1 / 8


@dataclass(frozen=True, eq=False)
class StripeComponent:
    """What stripes add to an image.

    Attributes
    ----------
    rows, columns : torch.Tensor
        (C, H, W), what horizontal and vertical stripes add; nearly constant along them.
    """

    rows: torch.Tensor
    columns: torch.Tensor

    @property
    def level_of_rows(self) -> float:
        """The standard deviation of the horizontal stripes, on the [0, 1] scale; 0 where there are none."""
        return float(self.rows.square().mean().sqrt())

    @property
    def level_of_columns(self) -> float:
        """The standard deviation of the vertical stripes, on the [0, 1] scale; 0 where there are none."""
        return float(self.columns.square().mean().sqrt())

    @property
    def total(self) -> torch.Tensor:
        """What both add, (C, H, W)."""
        return self.rows + self.columns

    def __bool__(self) -> bool:
        return bool(self.rows.any()) or bool(self.columns.any())


def stripe_component(
    image: torch.Tensor,
    direction: Direction = "auto",
    known: torch.Tensor | None = None,
    *,
    looked_for: Sequence[Literal["rows", "columns"]] = ("columns", "rows"),
) -> StripeComponent:
    """The rows' and columns' own offsets in an image.

    For columns: what column j + 1 has more than column j is the weighted mean d_j of the differences over the rows i,
    with the weights ``w_ij = 1 / (a_ij² + r_ij²)`` of a robust regression, r being the differences less d_j, and a² the
    local mean of the squared differences along the columns, which stripes do not enter: flat parts count most and edges
    hardly. With the variances v_j of the d_j, from how far eight bands of the height agree, the stripes are the most
    likely white series of the variance τ²,

        s = argmin Σ_j (s_{j+1} − s_j − d_j)² / v_j + Σ_j s_j² / τ²,

    τ² from what the bands have in common. There are stripes where the upper and the lower half agree on d. What halves,
    and then quarters, of the height still agree on follows stripes that change slowly or end.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W), nominally in [0, 1]. The lowest and the highest values are left out where they recur: black and
        white clip stripes.
    direction : {"auto", "rows", "columns", "both"}
        Where stripes are looked for. "auto" takes what is clear of either, in most channels; the others take
        whatever is found.
    known : torch.Tensor, optional
        (H, W) or (C, H, W), boolean: the pixels that count.
    looked_for : sequence of str
        What "auto" and "both" look for.

    Returns
    -------
    StripeComponent
        Zero where there are no stripes.

    References
    ----------
    M. Bouali, S. Ladjal: Toward optimal destriping of MODIS data using a unidirectional variational model, IEEE
    TGRS 49 (2011), for stripes as what changes across and hardly along.
    """
    image = image.detach()
    usable = _unclipped(image) if known is None else _unclipped(image) & known
    found = {"columns": torch.zeros_like(image), "rows": torch.zeros_like(image)}
    least = LEAST_AGREEMENT if direction == "auto" else 0.0
    wanted = looked_for if direction in ("auto", "both") else (direction,)
    for channel, plane in enumerate(image):
        seen = plane.masked_fill(~usable[channel], torch.nan)
        for name in wanted:
            seen_across = seen - found["columns"][channel] if name == "rows" else seen
            along = seen_across if name == "columns" else seen_across.T
            stripes = _stripes(along, least)
            if stripes is not None:
                found[name][channel] = stripes if name == "columns" else stripes.T
    if direction == "auto":
        for stripes in found.values():
            striped = int(stripes.flatten(1).any(dim=1).sum())
            # In one channel of three it is chance.
            few = 2 * striped < len(image) or min(image.shape[-2:]) < LEAST_CLEAR_SIDE
            if few or float(stripes.square().mean().sqrt()) < LEAST_CLEAR_LEVEL:
                stripes.zero_()
    return StripeComponent(found["rows"], found["columns"])


def _unclipped(image: torch.Tensor) -> torch.Tensor:
    """Where values are neither the lowest nor the highest of their channel, if these recur."""
    usable = torch.ones_like(image, dtype=torch.bool)
    for plane, kept in zip(image, usable, strict=True):
        for value in (plane.amin(), plane.amax()):
            clipped = plane == value
            if int(clipped.sum()) > 4:
                kept &= ~clipped
    return usable


def _stripes(plane: torch.Tensor, least_agreement: float) -> torch.Tensor | None:
    """What vertical stripes add to a plane (H, W), in which NaN is unknown; None where there are none."""
    height, width = plane.shape
    if height < 2 * _LEAST_ROWS or width < _LEAST_COLUMNS:
        return None
    weights = 1 / _activity(plane)
    # Some rows tell whether to look at all.
    some = slice(None, None, max(1, height // _ROWS_FIRST))
    if least_agreement > 0 and _common_profile(plane[some], weights[some], least_agreement / 2) is None:
        return None
    profile = _common_profile(plane, weights, least_agreement)
    if profile is None:
        return None
    stripes = profile.expand(height, -1)
    parts = 2
    while height // parts >= max(_BANDS * _LEAST_ROWS, _FINEST * height):
        change = _changing_profile(plane - stripes, weights, parts)
        if change is None:
            break
        stripes = stripes + change
        parts *= 2
    return stripes


def _activity(plane: torch.Tensor) -> torch.Tensor:
    """The local mean of the squared differences along the columns, (H, W); infinite where nothing is known."""
    squared = (plane[1:] - plane[:-1]).square()
    squared = torch.cat([squared, squared[-1:]])
    known = ~squared.isnan()
    framed = [
        functional.pad(values[None, None], (_AREA // 2,) * 4)
        for values in (squared.nan_to_num(0.0), known.to(plane))
    ]
    total, count = (window_means(values, _AREA)[0, 0] for values in framed)
    activity = total / count.clamp(min=1e-6) + _LEAST_ACTIVITY**2
    return activity.masked_fill(count < 0.5 / _AREA**2, torch.inf)


def _changing_profile(plane: torch.Tensor, weights: torch.Tensor, parts: int) -> torch.Tensor | None:
    """What parts of the height have in common, each its own; between their middles linear; None where nothing."""
    height = plane.shape[0]
    edges = [round(index * height / parts) for index in range(parts + 1)]
    found = [
        _common_profile(plane[top:bottom], weights[top:bottom], LEAST_AGREEMENT)
        for top, bottom in itertools.pairwise(edges)
    ]
    if all(one is None for one in found):
        return None
    stacked = torch.stack([plane.new_zeros(plane.shape[1]) if one is None else one for one in found])
    centres = torch.tensor([(top + bottom - 1) / 2 for top, bottom in itertools.pairwise(edges)])
    place = torch.arange(height).clamp(centres[0], centres[-1])
    upper = torch.bucketize(place, centres).clamp(1, parts - 1)
    share = ((place - centres[upper - 1]) / (centres[upper] - centres[upper - 1])).to(plane)[:, None]
    return torch.lerp(stacked[upper - 1], stacked[upper], share)


def _common_profile(
    plane: torch.Tensor, weights: torch.Tensor, least_agreement: float
) -> torch.Tensor | None:
    """The offsets of the columns that the whole height has in common, (W,); None where the bands do not agree."""
    height = plane.shape[0]
    differences = plane[:, 1:] - plane[:, :-1]
    known = ~differences.isnan()
    activity = 1 / torch.minimum(weights[:, 1:], weights[:, :-1])
    activity = activity.masked_fill(~known, torch.inf)
    differences = differences.nan_to_num(0.0)
    step = differences.masked_fill(~known, torch.nan).nanmedian(dim=0).values.nan_to_num(0.0)
    for _ in range(_REWEIGHTINGS):
        weight = 1 / (activity + (differences - step).square())
        step = (weight * differences).sum(dim=0) / weight.sum(dim=0).clamp(min=1e-12)
    bands = max(2, min(_BANDS, height // _LEAST_ROWS))
    edges = [round(index * height / bands) for index in range(bands + 1)]
    rows = list(itertools.pairwise(edges))
    counted = torch.stack([weight[top:bottom].sum(dim=0) for top, bottom in rows]).double()
    summed = torch.stack([(weight * differences)[top:bottom].sum(dim=0) for top, bottom in rows]).double()
    of_bands = summed / counted.clamp(min=1e-12)
    halves = [
        summed[part].sum(dim=0) / counted[part].sum(dim=0).clamp(min=1e-12)
        for part in (slice(bands // 2), slice(bands // 2, None), slice(0, None, 2), slice(1, None, 2))
    ]
    # Pictures have smooth profiles: second differences show little of them, and six times the variance of stripes.
    # The frame of a scan is no stripe, although it is beside all rows.
    margin = _FRAME if len(step) > 8 * _FRAME else 0
    curves = [half.diff()[margin : len(step) - 1 - margin] for half in halves]
    agreement = _correlation(*curves[:2]), _correlation(*curves[2:])
    common = float((curves[2] * curves[3]).mean()) / 6
    if common < LEAST_LEVEL**2 or not _agree(agreement, least_agreement):
        return None
    # Slopes that neighbours share are the picture's: stripes hardly have any.
    slopes = step.double().unfold(0, min(_TREND, len(step)), 1).mean(dim=1).square().mean()
    of_picture = float(_TREND * slopes) - 2 * common / _TREND
    deviation = (counted * (of_bands - step)).square().sum(dim=0) / counted.sum(dim=0).clamp(
        min=1e-12
    ).square()
    # Few bands tell little of the variance of one column: it is half its own and half that of all.
    variance = (deviation + deviation.median()) / 2 + max(of_picture, _SLOPE)
    return _white_series(step.double(), variance, common).to(plane)


def _agree(agreement: tuple[float, float], least: float) -> bool:
    """Whether the halves agree: the upper and the lower one, and every second band with the others.

    Stripes that change along their length make the first pair differ, but hardly the second.
    """
    apart, mixed = agreement
    return min(agreement) >= least or (apart >= least - _CHANGING and mixed >= (1 + least) / 2 + _SURE)


def _correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    """The correlation of two series that are 0 in the mean."""
    return float((one * other).sum() / (one.square().sum() * other.square().sum()).sqrt().clamp(min=1e-20))


def _white_series(step: torch.Tensor, variance: torch.Tensor, power: float) -> torch.Tensor:
    """Argmin over s of Σ (s_{j+1} − s_j − step_j)² / variance_j + Σ s_j² / power, by elimination."""
    trust = (1 / variance).cpu().numpy()
    diagonal = np.full(len(step) + 1, 1 / power)
    diagonal[:-1] += trust
    diagonal[1:] += trust
    pull = trust * step.cpu().numpy()
    right = np.zeros(len(step) + 1)
    right[:-1] -= pull
    right[1:] += pull
    bands = np.stack([np.concatenate([[0.0], -trust]), diagonal])
    # Loaded where it is needed: it takes a good part of a second.
    from scipy.linalg import solveh_banded

    return torch.from_numpy(solveh_banded(bands, right)).to(step)
