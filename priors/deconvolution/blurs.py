"""Which problems deconvolution is for."""

from __future__ import annotations

from zeroshot.data_terms import Gaussian, Poisson
from zeroshot.operators.blurring import Blurring
from zeroshot.problem import Problem


def reason_against(name: str, problem: Problem) -> str | None:
    """None for blurs with Gaussian or Poisson noise.

    Parameters
    ----------
    name : str
        Of the prior, for the reason.
    problem : Problem
        What it is to solve.
    """
    if not isinstance(problem.operator, Blurring):
        return f"{name} undoes a blur, and {problem.operator.describe()} is none; take tv or pnp"
    if not isinstance(problem.data_term, Gaussian | Poisson):
        term = type(problem.data_term).__name__
        return f"{name} is for Gaussian and Poisson noise, and not for the data term {term}"
    return None
