"""Conjugate gradients for symmetric positive semidefinite systems M x = b on batches of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch

from zeroshot.checks import require_choice, require_number, require_whole

Map = Callable[[torch.Tensor], torch.Tensor]
#: Whether the images of a batch are systems of their own, or the batch is one system.
Systems = Literal["separate", "joint"]
#: Iterations on a GPU between two looks if all systems have converged.
LOOK_EVERY = 4


@torch.no_grad()
def conjugate_gradients(
    apply: Map,
    right: torch.Tensor,
    start: torch.Tensor | None = None,
    iterations: int = 50,
    tolerance: float = 1e-5,
    systems: Systems = "separate",
    precondition: Map | None = None,
) -> torch.Tensor:
    """The solution x of M x = b, by at most `iterations` products with M.

    Each iteration minimises the error, measured by eᵀM e, over one more dimension of the Krylov space. A
    semidefinite M with b in its range is fine: what `start` has in the null space stays.

    Parameters
    ----------
    apply : callable
        x ↦ M x for tensors of the shape of `right`; symmetric and positive semidefinite. With "separate"
        systems it must not mix the images of a batch.
    right : torch.Tensor
        b, (N, C, H, W).
    start : torch.Tensor, optional
        A first guess of x, left unchanged; zero by default.
    iterations : int
        The most iterations, at least 0.
    tolerance : float
        The iterations end where ‖b − M x‖ ≤ `tolerance`·‖b‖ for each system.
    systems : {"separate", "joint"}
        "separate": every image of the batch has step lengths of its own, so that its solution does not
        depend on its neighbours in the batch. "joint": one system, as where a kernel is shared.
    precondition : callable, optional
        r ↦ P r, symmetric, positive definite and near the inverse of M.

    Returns
    -------
    torch.Tensor
        x, (N, C, H, W).

    Raises
    ------
    ValueError
        If the shapes differ or a setting is out of range.

    References
    ----------
    M. R. Hestenes, E. Stiefel: Methods of conjugate gradients for solving linear systems, Journal of Research
    of the National Bureau of Standards 49 (1952).
    """
    _check(right, start, iterations, tolerance, systems)
    x = torch.zeros_like(right) if start is None else start.clone()
    residual = right.clone() if start is None else right - apply(x)
    goal = tolerance * _inner(right, right, systems).sqrt()
    direction = torch.zeros_like(right)
    slope_before: torch.Tensor | None = None
    for iteration in range(iterations):
        # Systems that have converged stand still: going on, they would divide rounding errors by each other.
        active = _inner(residual, residual, systems).sqrt() > goal
        if _looks(iteration, tolerance, right.device) and not bool(active.any()):
            break
        conditioned = residual if precondition is None else precondition(residual)
        slope = _inner(residual, conditioned, systems)
        momentum = 0.0 if slope_before is None else _ratio(slope, slope_before)
        direction = conditioned + momentum * direction
        image = apply(direction)
        length = _ratio(slope, _inner(direction, image, systems)) * active
        x += length.to(x.dtype) * direction
        residual -= length.to(x.dtype) * image
        slope_before = slope
    return x


def _looks(iteration: int, tolerance: float, device: torch.device) -> bool:
    """Whether to look if all systems have converged: on a GPU, where the host waits for it, now and then only."""
    if device.type == "cpu":
        return True
    return tolerance > 0 and (iteration == 1 or (iteration > 0 and iteration % LOOK_EVERY == 0))


def _inner(a: torch.Tensor, b: torch.Tensor, systems: Systems) -> torch.Tensor:
    """⟨a, b⟩ of every system, to be multiplied with the batch."""
    axes = (1, 2, 3) if systems == "separate" else (0, 1, 2, 3)
    return (a * b).sum(dim=axes, keepdim=True)


def _ratio(above: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
    """Zero where there is nothing to divide by: in the null space of M, or after exact convergence."""
    return torch.where(below > 0, above / below.clamp(min=torch.finfo(below.dtype).tiny), 0.0)


def _check(
    right: torch.Tensor, start: torch.Tensor | None, iterations: int, tolerance: float, systems: str
) -> None:
    if right.ndim != 4:
        raise ValueError(f"right must be a batch of shape (N, C, H, W), got shape {tuple(right.shape)}")
    if start is not None and start.shape != right.shape:
        raise ValueError(f"start has shape {tuple(start.shape)} and right {tuple(right.shape)}")
    settings = {"iterations": iterations, "tolerance": tolerance, "systems": systems}
    require_whole(settings, "iterations", least=0)
    require_number(settings, "tolerance")
    require_choice(settings, "systems", get_args(Systems))
