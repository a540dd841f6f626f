"""From a picture, an operator and the options of a task to a problem: the noise level, the data term."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from typing import Any

import torch

from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.images import Picture
from zeroshot.memory import require_room
from zeroshot.noise import NoiseModel, add_poisson, estimate_sigma, phase_planes
from zeroshot.operators import (
    Composition,
    Identity,
    JpegCompression,
    Mask,
    Mosaic,
    Operator,
    fill_holes,
)
from zeroshot.operators.blurring import Blurring
from zeroshot.problem import Problem
from zeroshot.tasks.noise import unknown_data_term
from zeroshot.tasks.noise_remarks import remark_on_noise
from zeroshot.tasks.ranging import level_of
from zeroshot.tasks.task import Options
from zeroshot.tasks.told_noise import ToldNoise

_LOSSY_FLOOR = 1 / 255


def posed(
    task: str,
    picture: Picture,
    operator: Operator,
    options: Options,
    y: torch.Tensor | None = None,
    noise: ToldNoise | None = None,
) -> Problem:
    """The problem of finding x in y = A x + n.

    Parameters
    ----------
    task : str
        What the problem is called.
    picture : Picture
        The damaged picture.
    operator : Operator
        A.
    options : dict
        With "sigma", "data_term" and "peak".
    y : torch.Tensor, optional
        The measurement, where it is not the colours of the picture.
    noise : ToldNoise, optional
        What the noise is, where more than its level is known.

    Raises
    ------
    ValueError
        In one line, where the operator and the measurement do not fit.
    """
    last = _applied_last(operator)
    if isinstance(last, JpegCompression):
        from zeroshot.tasks.jpeg_posing import posed_jpeg

        before = operator.operators[1:] if isinstance(operator, Composition) else []
        return posed_jpeg(task, picture, last, reduce(Composition, before or [Identity()]), options)
    y = picture.colours if y is None else y
    require_room(operator.input_shape(tuple(y.shape)), "the restored picture")
    if noise is None:
        noise = ToldNoise(noise_level(y, operator, picture, options))
    data_term = data_term_of(options, picture) if noise.data_term is None else noise.data_term
    y = without_hidden(y, picture, operator, noise.sigma, data_term)
    return Problem(
        y,
        operator,
        data_term,
        noise.sigma,
        task,
        measured=measured_by(operator),
        noise=noise.model,
        sigma_map=noise.sigma_map,
    )


def without_blur(task: str, picture: Picture, options: Options, found: Mapping[str, Any]) -> Problem:
    """The problem of a picture in which no blur was found: it is what it should be, whatever the prior.

    Parameters
    ----------
    task : str
        What the problem is called.
    picture : Picture
        The picture.
    options : dict
        As for :func:`posed`; the noise, which is left in the picture, does not matter.
    found : mapping
        What the provenance says of the kernel.
    """
    plain = {**options, "sigma": 0.0, "data_term": "gaussian"}
    return replace(posed(task, picture, Identity(), plain), kernel=found)


def measured_by(operator: Operator) -> torch.Tensor | None:
    """The mask that is applied last, if any: elsewhere the measurement is empty."""
    last = _applied_last(operator)
    return last.mask if isinstance(last, Mask) else None


def noise_level(y: torch.Tensor, operator: Operator, picture: Picture, options: Options) -> float:
    """The noise level that was given, else an estimate that looks only at pixels of one kind at a time."""
    if options["sigma"] is not None:
        return level_of(options["sigma"], picture)
    last, known = _applied_last(operator), shown(picture, measured_by(operator))
    if isinstance(last, Mosaic):
        planes = None if known is None else phase_planes(known.expand_as(y), last.period)
        estimate = estimate_sigma(phase_planes(y, last.period), planes)
    else:
        estimate = estimate_sigma(y, known)
        remark_on_noise(y, known, NoiseModel.white(estimate), options, blurred=isinstance(last, Blurring))
    # Lossy compression hides noise from the estimate, and leaves errors of about a grey level of its own.
    return max(estimate, _LOSSY_FLOOR) if picture.lossy else estimate


def shown(picture: Picture, known: torch.Tensor | None) -> torch.Tensor | None:
    """1 at the pixels that are measured and seen; None: all are."""
    if picture.visible is None:
        return known
    seen = picture.visible.to(picture.colours)
    return seen if known is None else known * seen


def without_hidden(
    y: torch.Tensor, picture: Picture, operator: Operator, sigma: float, data_term: DataTerm
) -> torch.Tensor:
    """The measurement with what is fully transparent replaced by a smooth filling from what is seen.

    What is stored in a transparent pixel is no measurement. Most priors want one everywhere, so that each gets what
    one would expect there, with noise of the level of the picture, from a seed of its own: what is restored does not
    depend on the colours that are hidden, and the noise is the same all over.

    Parameters
    ----------
    y : torch.Tensor
        (N, C, H, W), of the height and width of the picture.
    picture : Picture
        Says what is transparent.
    operator : Operator
        Of a mosaic each place in the pattern is filled by itself.
    sigma : float
        The level of the noise.
    data_term : DataTerm
        With :class:`Poisson` its law is that of the noise.
    """
    visible = picture.visible
    if visible is None:
        return y
    last = _applied_last(operator)
    seen, period = visible.to(y), last.period if isinstance(last, Mosaic) else 1
    known = measured_by(operator)
    filled = y.clone()
    for down in range(period):
        for right in range(period):
            place = (..., slice(down, None, period), slice(right, None, period))
            part = seen if known is None else seen * known
            filled[place] = fill_holes(y[place], part.expand_as(y)[place])
    generator = torch.Generator().manual_seed(0)
    if isinstance(data_term, Poisson):
        noisy = add_poisson(filled.clamp(min=0), 1 / data_term.gain, generator)
    else:
        noisy = filled + sigma * torch.randn(y.shape, generator=generator)
    measured = torch.where(visible, y, noisy)
    return measured if known is None else measured * known


def data_term_of(options: Options, picture: Picture) -> DataTerm:
    """The data term that "data_term" and "peak" choose, between the black and the white of the picture.

    What is in the units of the image where its range was found is the photons that make the value 1, and what
    :class:`Poisson` and :class:`Huber` hold.
    """
    chosen, unit = options["data_term"], picture.form.level_factor
    if isinstance(chosen, Poisson):
        return replace(chosen, gain=chosen.gain * unit, readout=chosen.readout * unit)
    if isinstance(chosen, Huber):
        return replace(chosen, delta=chosen.delta * unit)
    if isinstance(chosen, DataTerm):
        return chosen
    if chosen == "poisson":
        return Poisson(gain=unit / float(options["peak"]))
    terms = {"gaussian": Gaussian(), "l1": L1(), "huber": Huber()}
    if not isinstance(chosen, str):
        raise unknown_data_term(chosen)
    return terms[chosen]


def require_colour(picture: Picture, task: str) -> None:
    """Refuse a grey picture, where the damage takes the colour away."""
    if picture.colours.shape[1] != 3:
        raise ValueError(f"the damage of task {task!r} needs a colour image; this one is grey")


def _applied_last(operator: Operator) -> Operator:
    """The part of the damage that makes the measurement what it is."""
    return operator.operators[0] if isinstance(operator, Composition) else operator
