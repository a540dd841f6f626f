"""The step towards the measurement that alternates with the shrinkage."""

from __future__ import annotations

import torch

from zeroshot.operators.operator import Operator


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

    def dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a * b).sum(dim=(1, 2, 3), keepdim=True)

    residual = back(y - operator(image))
    change, direction, energy = torch.zeros_like(image), residual, dot(residual, residual)
    for _ in range(iterations):
        curved = back(operator(direction)) + proximity * direction
        # Where the measurement is met the direction is 0, and so must the step be.
        length = energy / dot(direction, curved).clamp(min=1e-30)
        change = change + length * direction
        residual = residual - length * curved
        previous, energy = energy, dot(residual, residual)
        direction = residual + energy / previous.clamp(min=1e-30) * direction
    return image + change
