"""Whether a restored image agrees with the measurement, which only a method that knows the damage can promise."""

from __future__ import annotations

import torch

from zeroshot.metrics.comparable import Image, as_batch
from zeroshot.problem import Problem


def consistency(restored: Image, problem: Problem) -> float:
    """Root mean square of ``A(x) − y`` over the measured values, in 8-bit grey levels (0 to 255).

    Parameters
    ----------
    restored : torch.Tensor or numpy.ndarray
        x, in [0, 1]: a tensor of (N, C, H, W) or (C, H, W), an array of H × W or H × W × C, of the shape
        `problem.framed_shape`.
    problem : Problem
        The measurement y and the operator A; values that were not measured (holes) do not count.

    Returns
    -------
    float
        0 where the restored image explains the measurement exactly; about :func:`expected_consistency` where
        it is the truth. Much more means that the measurement rules the image out, much less that the image has fitted
        the noise.

    Raises
    ------
    ValueError
        If the image does not have the shape that the problem asks for.
    """
    x = as_batch(restored, 1.0)
    if tuple(x.shape) != problem.framed_shape:
        raise ValueError(
            f"the restored image must have the shape {problem.framed_shape}, got {tuple(x.shape)}"
        )
    problem = problem.within_frame()
    with torch.no_grad():
        return 255 * problem.residual(x.to(problem.y))


def expected_consistency(problem: Problem) -> float | None:
    """The :func:`consistency` of the truth, ``255 σ``, or None where the noise level is unknown."""
    return None if problem.sigma is None else 255 * problem.sigma
