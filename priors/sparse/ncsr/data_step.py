"""The step towards the measurement that alternates with the shrinkage."""

from __future__ import annotations

import torch

from zeroshot.operators.operator import Operator
from zeroshot.solvers.conjugate_gradients import conjugate_gradients


@torch.no_grad()
def towards_measurement(
    image: torch.Tensor,
    y: torch.Tensor,
    operator: Operator,
    weight: torch.Tensor | None,
    proximity: float,
    iterations: int,
) -> torch.Tensor:
    """Argmin over z of ½‖y − A z‖²_W + ½μ‖z − x‖², which is x + (AᵀWA + μ)⁻¹ AᵀW (y − A x).

    It is the back-projection x + δ Aᵀ(y − A x) with the inverse in place of the number δ, so that directions
    which A weakens catch up with the others. The inverse is applied by conjugate gradients.

    Parameters
    ----------
    image : torch.Tensor
        x, (N, C, H, W).
    y : torch.Tensor
        The measurement.
    operator : Operator
        A, linear.
    weight : torch.Tensor or None
        W, 1 at the measurements that count and 0 elsewhere, broadcastable to y; None: all count.
    proximity : float
        μ, above 0.
    iterations : int
        Of conjugate gradients, at most.
    """

    def back(values: torch.Tensor) -> torch.Tensor:
        return operator.adjoint(values if weight is None else values * weight)

    def normal(values: torch.Tensor) -> torch.Tensor:
        return back(operator(values)).add(values, alpha=proximity)

    right = back(y - operator(image))
    return image + conjugate_gradients(normal, right, iterations=iterations, tolerance=0.0)
