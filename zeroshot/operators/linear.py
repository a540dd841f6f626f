"""What linear operators share: an autograd node that uses the adjoint, and the largest singular value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from zeroshot.precision import read_together, wide_sum

Map = Callable[[torch.Tensor], torch.Tensor]


class _Linear(torch.autograd.Function):
    """y = A x with backward Aᵀ; the backward is linear again, so that it can be differentiated in turn."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, forward: Map, adjoint: Map) -> torch.Tensor:
        ctx.maps = forward, adjoint
        return forward(x)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        forward, adjoint = ctx.maps
        return _Linear.apply(gradients[0], adjoint, forward), None, None


def apply_linear(x: torch.Tensor, forward: Map, adjoint: Map) -> torch.Tensor:
    """A x, differentiable through the adjoint instead of through the steps that `forward` takes.

    Half-precision input is raised to float32 and autocast is switched off inside: a measurement that is
    compared with data to better than a grey level must not be computed with eight bits of mantissa.
    """
    if x.dtype in (torch.float16, torch.bfloat16):
        x = x.float()
    with torch.autocast(device_type=x.device.type, enabled=False):
        return _Linear.apply(x, forward, adjoint)


class _LinearOperator(Protocol):
    def __call__(self, x: torch.Tensor) -> torch.Tensor: ...
    def adjoint(self, y: torch.Tensor) -> torch.Tensor: ...


def largest_singular_value(
    operator: _LinearOperator,
    shape: Sequence[int],
    device: torch.device | str | None = None,
    iterations: int = 100,
    tolerance: float = 2e-4,
) -> float:
    """‖A‖₂ on images of `shape`, by the Lanczos process on AᵀA.

    Returned is ``sqrt(θ + r)``, where θ is the largest Ritz value and r the norm of its residual, so that the
    value approaches ‖A‖ from above once the process has found the top of the spectrum, and step sizes
    derived from it are safe. It stops when r ≤ `tolerance`·θ.

    References
    ----------
    Y. Zhou, R.-C. Li: Bounding the spectrum of large Hermitian matrices, Linear Algebra and its Applications
    435 (2011).
    """
    generator = torch.Generator().manual_seed(0)
    vector = torch.rand(tuple(shape), generator=generator).to(device or "cpu")
    vector = vector / torch.linalg.vector_norm(vector)
    previous = torch.zeros_like(vector)
    diagonal: list[float] = []
    off_diagonal: list[float] = []
    beta, bound = 0.0, 0.0
    with torch.no_grad():
        for step in range(iterations):
            image = operator.adjoint(operator(vector)) - beta * previous
            along = wide_sum(image * vector)
            image = image - along * vector
            alpha, squared = read_together(along, wide_sum(image.square()))
            beta = squared**0.5
            diagonal.append(alpha)
            tridiagonal = np.diag(diagonal) + np.diag(off_diagonal, 1) + np.diag(off_diagonal, -1)
            ritz, vectors = np.linalg.eigh(tridiagonal)
            residual = beta * abs(float(vectors[-1, -1]))
            bound = float(ritz[-1]) + residual
            exhausted = beta <= 1e-7 * max(bound, 1e-30)
            if exhausted or (step >= 9 and residual <= tolerance * bound):
                break
            off_diagonal.append(beta)
            previous, vector = vector, image / beta
    return math.sqrt(max(bound, 0.0))
