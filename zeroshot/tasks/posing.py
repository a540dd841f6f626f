"""From a picture, an operator and the options of a task to a problem: the noise level, the data term."""

from __future__ import annotations

import torch

from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.images import Picture
from zeroshot.memory import require_room
from zeroshot.noise import estimate_sigma, phase_planes
from zeroshot.operators import Composition, Mask, Mosaic, Operator
from zeroshot.problem import Problem
from zeroshot.tasks.noise import unknown_data_term
from zeroshot.tasks.noise_remarks import remark_on_noise
from zeroshot.tasks.task import Options

_LOSSY_FLOOR = 1 / 255


def posed(
    task: str, picture: Picture, operator: Operator, options: Options, y: torch.Tensor | None = None
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

    Raises
    ------
    ValueError
        In one line, where the operator and the measurement do not fit.
    """
    y = picture.colours if y is None else y
    require_room(operator.input_shape(tuple(y.shape)), "the restored picture")
    data_term = data_term_of(options)
    sigma = noise_level(y, operator, picture, options)
    return Problem(y, operator, data_term, sigma, task, measured=measured_by(operator))


def measured_by(operator: Operator) -> torch.Tensor | None:
    """The mask that is applied last, if any: elsewhere the measurement is empty."""
    last = _applied_last(operator)
    return last.mask if isinstance(last, Mask) else None


def noise_level(y: torch.Tensor, operator: Operator, picture: Picture, options: Options) -> float:
    """The noise level that was given, else an estimate that looks only at pixels of one kind at a time."""
    if options["sigma"] is not None:
        return float(options["sigma"])
    last = _applied_last(operator)
    if isinstance(last, Mosaic):
        estimate = estimate_sigma(phase_planes(y, last.period))
    else:
        measured = measured_by(operator)
        estimate = estimate_sigma(y, measured)
        remark_on_noise(y, measured, estimate, options)
    # Lossy compression hides noise from the estimate, and leaves errors of about a grey level of its own.
    return max(estimate, _LOSSY_FLOOR) if picture.lossy else estimate


def data_term_of(options: Options) -> DataTerm:
    """The data term that "data_term" and "peak" choose."""
    chosen = options["data_term"]
    if isinstance(chosen, DataTerm):
        return chosen
    if chosen == "poisson":
        return Poisson(gain=1 / float(options["peak"]))
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
