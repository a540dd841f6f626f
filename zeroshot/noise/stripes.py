"""Stripes: offsets of whole rows or columns, as scanners, line sensors and the amplifiers of a chip leave them.

A stripe is added to everything in its column, whatever the picture shows there. An edge of the picture is not: it ends,
or its height changes. So what neighbouring columns differ by in most places is looked at in several bands of the
height, and what the bands have in common is the stripe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

Direction = Literal["rows", "columns", "both", "auto"]
DIRECTIONS: tuple[Direction, ...] = ("auto", "rows", "columns", "both")

#: The height is divided into this many bands at the first level, and into twice as many at each further one.
_BANDS = 8
#: The fewest rows of a band.
_LEAST_ROWS = 6
#: Differences beyond that many robust standard deviations are edges of the picture.
_MOST_DEVIATIONS = 2.5
#: The smallest such deviation, on the [0, 1] scale: rounding hides smaller ones.
_LEAST_DEVIATION = 0.6 / 255
#: Waves that are longer than that share of the width are the picture's rather than the stripes', unless these are so
#: strong at all shorter ones.
_LONGEST = 1 / 16
#: Powers are smoothed over that many neighbouring frequencies, as a share of all, and at least so many.
_SMOOTHED, _LEAST_SMOOTHED = 1 / 64, 3
#: The weakest stripes, as the standard deviation on the [0, 1] scale, and how many times their own error they are.
LEAST_LEVEL, LEAST_SIGNIFICANCE = 0.4 / 255, 3.0
#: Rounds of estimation; in each, what was found before is taken away first.
_ROUNDS = 2
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
    image: torch.Tensor, direction: Direction = "auto", known: torch.Tensor | None = None
) -> StripeComponent:
    """The rows' and columns' own offsets in an image.

    For columns: in each band b of the height, d_bj is what the columns j and j + 1 differ by in most rows, the mean
    of the differences less those that are more than 2.5 robust standard deviations from their median; their running
    sum is the band's profile p_b. In the cosine basis the mean of the profiles over the bands has the power P(ω), and
    the scatter between bands says how much of it, V(ω), is the picture's and the noise's. What is left is shrunk as
    Wiener has it, ``s(ω) = p(ω) max(0, P − V) / P``, where waves longer than a sixteenth of the width have no more
    power than the median of the others, for the picture itself has profiles that are smooth. What halves, and then
    quarters, of the height still have in common follows stripes that change slowly or end.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W), nominally in [0, 1]. The lowest and the highest values are left out where they recur: black and
        white clip stripes.
    direction : {"auto", "rows", "columns", "both"}
        Where stripes are looked for. "auto" takes what is clear of either; the others take whatever is found.
    known : torch.Tensor, optional
        (H, W) or (C, H, W), boolean: the pixels that count.

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
    least = LEAST_SIGNIFICANCE if direction == "auto" else 0.0
    wanted = ("columns", "rows") if direction in ("auto", "both") else (direction,)
    for channel, plane in enumerate(image):
        seen = plane.masked_fill(~usable[channel], torch.nan)
        for name in wanted:
            seen_across = seen - found["columns"][channel] if name == "rows" else seen
            along = seen_across if name == "columns" else seen_across.T
            stripes = _stripes(along, least)
            if stripes is not None:
                found[name][channel] = stripes if name == "columns" else stripes.T
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


def _stripes(plane: torch.Tensor, least_significance: float) -> torch.Tensor | None:
    """What vertical stripes add to a plane (H, W), in which NaN is unknown; None where there are none."""
    height, width = plane.shape
    if height < 2 * _LEAST_ROWS or width < 8:
        return None
    stripes = torch.zeros_like(plane)
    for round_ in range(_ROUNDS):
        profile, significance = _common_profile(plane - stripes)
        level = float(profile.square().mean().sqrt())
        if round_ == 0 and (level < LEAST_LEVEL or significance < least_significance):
            return None
        stripes = stripes + profile
    parts = 2
    while height // parts >= max(_BANDS * _LEAST_ROWS, _FINEST * height):
        stripes = stripes + _changing_profile(plane - stripes, parts)
        parts *= 2
    return stripes


def _changing_profile(plane: torch.Tensor, parts: int) -> torch.Tensor:
    """What each of several parts of the height, one above the other, has in common; between their middles, linear."""
    height = plane.shape[0]
    edges = [round(index * height / parts) for index in range(parts + 1)]
    profiles, middles = [], []
    for top, bottom in zip(edges, edges[1:], strict=False):
        profile, significance = _common_profile(plane[top:bottom])
        profiles.append(profile if significance >= LEAST_SIGNIFICANCE else torch.zeros_like(profile))
        middles.append((top + bottom - 1) / 2)
    stacked, centres = torch.stack(profiles), torch.tensor(middles).to(plane)
    place = torch.arange(height).to(plane).clamp(centres[0], centres[-1])
    upper = torch.bucketize(place, centres).clamp(1, parts - 1)
    share = ((place - centres[upper - 1]) / (centres[upper] - centres[upper - 1]))[:, None]
    return torch.lerp(stacked[upper - 1], stacked[upper], share)


def _common_profile(plane: torch.Tensor) -> tuple[torch.Tensor, float]:
    """The offsets of the columns that all bands of a plane have in common, (W,), and how clear they are."""
    height, width = plane.shape
    bands = max(2, min(_BANDS, height // _LEAST_ROWS))
    edges = [round(index * height / bands) for index in range(bands + 1)]
    steps = torch.stack(
        [_usual_difference(plane[top:bottom]) for top, bottom in zip(edges, edges[1:], strict=False)]
    )
    profiles = torch.cat([steps.new_zeros(bands, 1), steps.cumsum(dim=1)], dim=1).double()
    spectra = _cosine_transform(profiles - profiles.mean(dim=1, keepdim=True))
    mean = spectra.mean(dim=0)
    scatter = _smoothed(spectra.var(dim=0) / bands)
    power = _smoothed(mean.square())
    excess = (power - 2 * scatter).clamp(min=0)
    first = max(2, round(2 * width * _LONGEST / 2))
    # The orders below are waves longer than that share of the width.
    order = torch.arange(width, device=plane.device)
    long = (order > 0) & (order < 2 / _LONGEST)
    if bool((~long & (order > 0)).any()):
        usual = excess[~long & (order > 0)].median()
        excess = torch.where(long, torch.minimum(excess, usual), excess)
    del first
    gain = excess / power.clamp(min=1e-20)
    gain[0] = 0
    profile = _inverse_cosine_transform(gain * mean)
    short = ~long & (order > 0)
    error = scatter[short].sum().clamp(min=1e-20)
    significance = float((mean[short].square().sum() / error).sqrt())
    return profile.to(plane), significance


def _usual_difference(band: torch.Tensor) -> torch.Tensor:
    """What neighbouring columns differ by in most rows, (W − 1,); 0 where nothing is known."""
    differences = band[:, 1:] - band[:, :-1]
    median = differences.nanmedian(dim=0).values
    deviations = (differences - median).abs()
    spread = (1.4826 * deviations.nanmedian(dim=0).values).clamp(min=_LEAST_DEVIATION)
    kept = deviations <= _MOST_DEVIATIONS * spread
    total = differences.masked_fill(~kept, 0.0).sum(dim=0)
    return torch.where(kept.any(dim=0), total / kept.sum(dim=0).clamp(min=1), 0.0)


def _smoothed(power: torch.Tensor) -> torch.Tensor:
    """The mean over neighbouring frequencies; the constant is left out."""
    reach = max(_LEAST_SMOOTHED, round(len(power) * _SMOOTHED)) // 2
    values = power[1:]
    framed = torch.cat([values[:reach].flip(0), values, values[-reach:].flip(0)])
    smooth = framed.unfold(0, 2 * reach + 1, 1).mean(dim=-1)
    return torch.cat([power[:1], smooth])


def _cosine_transform(values: torch.Tensor) -> torch.Tensor:
    """The orthonormal cosine transform along the last axis, through that of Fourier."""
    length = values.shape[-1]
    mirrored = torch.cat([values, values.flip(-1)], dim=-1)
    order = torch.arange(length, device=values.device)
    turned = torch.fft.fft(mirrored)[..., :length] * torch.exp(-1j * torch.pi * order / (2 * length))
    scaled = turned.real / (2 * length) ** 0.5
    scaled[..., 0] /= 2**0.5
    return scaled


def _inverse_cosine_transform(spectrum: torch.Tensor) -> torch.Tensor:
    """The inverse of :func:`_cosine_transform`, its transpose."""
    length = spectrum.shape[-1]
    order = torch.arange(length, device=spectrum.device, dtype=spectrum.dtype)
    angle = torch.pi * (order[:, None] + 0.5) * order / length
    basis = torch.cos(angle) * (2 / length) ** 0.5
    basis[:, 0] /= 2**0.5
    return basis @ spectrum
