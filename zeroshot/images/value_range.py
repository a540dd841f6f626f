"""The working range: which values of a picture stand for black and white, so that nothing measured lies beyond.

Everything is restored on the scale from 0 to 1, to which priors confine their images. Floats whose content lies in
[0, 1], up to noise, are taken as they are, and so are those on the scale of 8, 10, 12, 14 or 16 bits. All others,
such as HDR, z-scores and differences from a background, are mapped there from their own least and largest value,
and the result is mapped back; so are floats that span less than a grey level of 8 bits, such as lengths in metres,
to which no threshold of a prior would fit. A range that was given is widened where values that are no noise lie
beyond it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from zeroshot.notes import note
from zeroshot.sliding import sliding, window_means
from zeroshot.spelling import OptionWarning, Wording

if TYPE_CHECKING:
    from zeroshot.images.picture import GivenForm, Origin, Picture

Range = tuple[float, float]

#: White where floats hold the values of integers: of 8, 10, 12, 14 and 16 bits.
INTEGER_WHITES = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
#: How far beyond black or white, as a share of the range, is as good as there: rounding, and half a grey level.
TOLERANCE = 0.002
#: Up to this many standard deviations of the noise around it a value beyond the range is noise: of a million
#: Gaussian values one lies beyond 4.9, and the standard deviation comes from few pixels.
NOISE_DEVIATIONS = 6.5
#: The same for means over SIDE × SIDE pixels, whose standard deviation is a fifth of that.
MEAN_DEVIATIONS = 1.3
SIDE = 5
#: Below this share of white, black is 0 even where no value is as dark.
_NEAR_BLACK = 0.25
#: Floats that span less than this share of 0 … 1 have a scale of their own.
LEAST_SPAN = 1 / 256
#: Below this share of the values themselves a span is their rounding.
_LEAST_RELATIVE_SPAN = 1e-5
#: A range this close to 0 … 1 is not worth a word.
#: Values of 16 bits that need no more than these leave most of their range empty.
_FEW_BITS = 14
_UNNOTICED = 0.01
#: Values of 16 bits that need no more than these leave most of their range empty.
_FEW_BITS = 14
#: Up to this share beyond black or white it is the overshoot of an interpolation, not a range of its own.
_OVERSHOOT = 0.05
#: The second difference in both directions, of unit norm: what it leaves of a smooth image is noise.
_SECOND_DIFFERENCE_NORM = 6.0


def working_range(
    samples: torch.Tensor, form: GivenForm, measured: torch.Tensor | None = None, noise: float | None = None
) -> GivenForm:
    """The form with the range that the picture is worked on in.

    Parameters
    ----------
    samples : torch.Tensor
        (N, C, H, W), colours as they were given.
    form : GivenForm
        How they were given; a range that was found before is looked for again.
    measured : torch.Tensor, optional
        True where samples mean anything, broadcastable to them; what is transparent or a hole is not looked at.
    noise : float, optional
        The standard deviation of the noise in samples, where it is known.

    Returns
    -------
    GivenForm
        The form with its range; that of the type, or the one that was given, where it does.
    """
    form = form.asked()
    if form.origin == "type" and not samples.dtype.is_floating_point:
        return form
    samples = samples if samples.dtype.is_floating_point else samples.double()
    known = None if measured is None or bool(measured.all()) else measured
    values = samples if known is None else samples[known.expand_as(samples)]
    if values.numel() == 0:
        return form
    least, largest = (float(v) for v in values.double().aminmax())
    low, high = form.value_range
    if form.origin == "type" and _is_faint(least, largest):
        return replace(form, value_range=_around(least, largest), origin="found")
    if low <= least and largest <= high:
        return form
    extent = (least, largest)
    if _fits(samples, known, form.value_range, extent, noise):
        return form
    overshoots = low - _OVERSHOOT <= least and largest <= high + _OVERSHOOT
    if form.origin == "given" or overshoots:
        wider = replace(form, value_range=(min(low, least), max(high, largest)), origin="widened")
        return replace(wider, given_range=form.value_range, alpha_white=form.alpha_range[1])
    for white in INTEGER_WHITES:
        if white / 2 < largest and _fits(samples, known, (0.0, white), extent, noise):
            return replace(form, value_range=(0.0, white), origin="found")
    return replace(form, value_range=_around(least, largest), origin="found")


def range_of_values(
    least: float, largest: float, dtype: np.dtype, given: Range | None
) -> tuple[Range, Origin, Range | None]:
    """The range for values that span this, where the picture they are of is not at hand.

    Parameters
    ----------
    least, largest : float
    dtype : numpy.dtype
        Bytes and floats in [0, 1] have the range of their type; counts of more than 8 bits hardly ever fill theirs.
    given : tuple of float, optional
        The one that was asked for.

    Returns
    -------
    value_range : tuple of float
    origin : {"type", "given", "found", "widened"}
    given_range : tuple of float or None
        The one that was given, where it was widened.
    """
    if given is not None:
        wider = (min(given[0], least), max(given[1], largest))
        return (given, "given", None) if wider == given else (wider, "widened", given)
    if dtype.kind == "b" or dtype.name == "uint8":
        return (0.0, 1.0 if dtype.kind == "b" else 255.0), "type", None
    if (
        dtype.kind == "f"
        and least >= 0
        and largest <= 1
        and (least == largest or not _is_faint(least, largest))
    ):
        return (0.0, 1.0), "type", None
    low, high = _around(least, largest)
    return (low, high if low < high else low + 1.0), "found", None


def _is_faint(least: float, largest: float) -> bool:
    """Whether values span so little of 0 … 1 that this cannot be their scale."""
    largest_magnitude = max(abs(least), abs(largest))
    return largest_magnitude <= 1 and _LEAST_RELATIVE_SPAN * largest_magnitude < largest - least < LEAST_SPAN


def _around(least: float, largest: float) -> Range:
    """Black and white for values that span this; black is 0 where that is near."""
    if least == largest:
        return (min(least, 0.0), max(largest, 0.0))
    return (0.0 if 0 <= least < _NEAR_BLACK * largest else least, largest)


def _fits(
    samples: torch.Tensor,
    known: torch.Tensor | None,
    value_range: Range,
    extent: Range,
    noise: float | None,
) -> bool:
    """Whether what lies beyond the range, of values that span `extent`, is as far off as noise takes it."""
    low, high = value_range
    width = high - low
    below, above = (low - extent[0]) / width, (extent[1] - high) / width
    if max(below, above) <= (TOLERANCE if noise != 0 else 0):
        return True
    deviation = None if noise is None else noise / width
    # Whatever the noise, it is not wider than the range.
    if (deviation or 0) > 1 or max(below, above) > NOISE_DEVIATIONS * (
        1.0 if deviation is None else deviation
    ):
        return False
    unit = (samples.double() - low) / width
    if known is not None:
        # Holes take the middle of the range: nothing lies beyond there.
        unit = torch.where(known, unit, 0.5)
    unit = unit.float().reshape(-1, 1, *samples.shape[-2:])
    return all(
        excess <= TOLERANCE or _is_noise(side, excess, deviation)
        for side, excess in ((1 - unit, below), (unit, above))
    )


def _is_noise(unit: torch.Tensor, excess: float, deviation: float | None) -> bool:
    """Whether values above 1, by `excess` at most, are noise around values of at most 1.

    The noise has the standard deviation that is named, or else the one that is seen around those values.
    """
    if min(unit.shape[-2:]) < SIDE:
        return deviation is not None and excess <= NOISE_DEVIATIONS * deviation
    if deviation is None:
        beyond = functional.pad(unit > 1, (SIDE // 2,) * 4)
        near = sliding(beyond, SIDE, torch.logical_or)
        difference = unit.diff(n=2, dim=-1).diff(n=2, dim=-2) / _SECOND_DIFFERENCE_NORM
        deviation = 1.4826 * float(difference[near[..., 1:-1, 1:-1]].abs().median().nan_to_num())
    if excess > NOISE_DEVIATIONS * deviation:
        return False
    return float(window_means(unit, SIDE).max()) - 1 <= MEAN_DEVIATIONS * deviation


def on_range(picture: Picture, form: GivenForm) -> Picture:
    """The picture with its colours mapped to the range of another form."""
    from zeroshot.images.picture import from_unit, to_unit

    if form.value_range == picture.form.value_range:
        return replace(picture, form=form)
    if picture.samples is not None:
        return replace(picture, colours=to_unit(picture.samples, form.value_range), form=form)
    samples = from_unit(picture.colours, torch.float64, picture.form.value_range)
    return replace(picture, colours=to_unit(samples, form.value_range), form=form)


def share_range(pictures: list[Picture]) -> list[Picture]:
    """The pictures on one range, that of all together, where one of them has a range that was found."""
    if all(picture.form.origin != "found" for picture in pictures):
        return pictures
    ranges = [picture.form.value_range for picture in pictures]
    whole = (min(low for low, _ in ranges), max(high for _, high in ranges))
    return [
        on_range(picture, replace(picture.form, value_range=whole, origin="found")) for picture in pictures
    ]


def counts_of_fewer_bits(picture: Picture) -> Range | None:
    """0 and the largest count of the bits that 16-bit values need, where that is at most a quarter of theirs.

    Cameras of microscopes store counts of 10 to 14 bits so. None where the range was given, or is needed as a whole.
    """
    form = picture.form
    if form.origin != "type" or form.value_range != (0, 65535):
        return None
    largest = round(65535 * float(picture.colours.max()))
    bits = largest.bit_length()
    return (0.0, float(2**bits - 1)) if 0 < bits <= _FEW_BITS else None


def say_range(picture: Picture) -> None:
    """Tell the user, where black and white are not what was given or what the type says."""
    from zeroshot.images.picture import full_range

    form = picture.form
    low, high = form.value_range
    place = "" if form.source is None else f"{form.source.name}: "
    if form.origin == "found" and max(abs(low), abs(high - 1)) > _UNNOTICED:
        choose = Wording(
            "; sigma is in the units of the image; say value_range=(black, white) to choose",
            "; say --range LOW,HIGH to choose",
        )
        beside = "that span next to nothing between" if _is_faint(low, high) else "beyond"
        text = f"{place}float values {beside} 0 and 1: taken as black {low:.6g}, white {high:.6g}"
        note(OptionWarning(text, choose))
    elif (counts := counts_of_fewer_bits(picture)) is not None:
        white = f"{counts[1]:.0f}"
        choose = Wording(
            f"; say value_range=(0, {white}) where {white} is white",
            f"; say --range 0,{white} where {white} is white",
        )
        note(
            OptionWarning(f"{place}16-bit values of which none is above {white}, and white is 65535", choose)
        )
    elif form.origin == "widened" and not (
        form.given_range == full_range(form.dtype) and max(-low, high - 1) <= _OVERSHOOT
    ):
        asked = Wording("value_range", "--range")
        text = f" leaves out measured values: the image is worked on from {low:.6g} to {high:.6g}"
        note(OptionWarning(place, asked, text))
