"""What the latent priors share in fitting: how far from the mean, by which schedule, and what is left over."""

from __future__ import annotations

from typing import Any, Protocol

from zeroshot.checks import require_choice, require_number, require_positive
from zeroshot.data_terms import Gaussian
from zeroshot.problem import Problem

#: The tasks in which much of the picture is not measured, and what the latent priors do there: chosen over real and
#: drawn faces and digits, see ``benchmarks/latent.py``.
DAMAGED = ("sr", "inpaint", "colorize")
FOR_DAMAGED: dict[str, Any] = {
    "distance": None,
    "remainder": "smooth",
    "learning_rate": 0.1,
    "schedule": "cosine",
}


class Fitting(Protocol):
    """The settings that are read here."""

    @property
    def distance(self) -> float | None:
        """Weight of the distance from the middle; None: that of :func:`distance_of`."""
        ...

    @property
    def misfit(self) -> float:
        """The deviation that the generator's images are expected to have from the measurements."""
        ...


def require_fitting(prior: object) -> None:
    """Raise a ValueError where one of the settings is out of range."""
    require_choice(prior, "schedule", ("fixed", "cosine"))
    require_choice(prior, "remainder", ("none", "smooth"))
    require_positive(prior, "misfit", "truncation")
    require_number(prior, "detail", most=1)
    require_number(prior, "distance", none="allowed")


def distance_of(prior: Fitting, problem: Problem, length: int) -> float:
    """The weight λ of the mean square of a standard normal latent beside the data term.

    With a misfit of deviation τ in each of n measured values, −log p(v | y) is Σ (A G(v) − y)² / (2 τ²) + ‖v‖² / 2
    up to a constant. Divided by n / τ² it is the data term of half the mean squared error, and
    λ = τ² length / (2 n).

    Parameters
    ----------
    prior : Fitting
        Its `distance`, where that is a number, is λ.
    problem : Problem
        For the number of measured values, their noise, which adds to τ², and the scale of the data term.
    length : int
        Of the latent.
    """
    if prior.distance is not None:
        return prior.distance
    known = problem.known_pixels()
    count = problem.y.numel() if known is None else float(known.sum())
    variance = prior.misfit**2 + (problem.sigma or 0.0) ** 2
    scale = problem.data_term.sigma**2 if isinstance(problem.data_term, Gaussian) else 1.0
    return variance * length / (2 * max(count, 1.0) * scale)
