"""Muon: momentum whose update of each convolution kernel is made orthogonal; Adam for everything else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch

#: Coefficients of the quintic iteration that drives singular values towards one (Jordan et al., 2024).
_QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """The nearest (semi-)orthogonal matrices, approximately: singular values land in about [0.7, 1.2].

    A quintic Newton–Schulz iteration X ← aX + (bXXᵀ + c(XXᵀ)²)X, on a batch at once.

    Parameters
    ----------
    matrices : torch.Tensor
        (B, m, n).
    iterations : int
        How often the quintic is applied.

    References
    ----------
    K. Jordan et al.: Muon, an optimizer for hidden layers in neural networks, 2024.
    """
    a, b, c = _QUINTIC
    x = matrices.float()
    transposed = x.shape[-2] > x.shape[-1]
    if transposed:
        x = x.mT
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if transposed else x


class Muon(torch.optim.Optimizer):
    """Muon on the convolution kernels, Adam on normalisations, biases and the kernels of the image head.

    Parameters
    ----------
    kernels : iterable of torch.nn.Parameter
        Parameters of at least two dimensions, taken as matrices (output channels × all else).
    others : iterable of torch.nn.Parameter
        Parameters to update by Adam.
    lr : float
        Learning rate of the kernels; the update of an m × n kernel is scaled by √max(1, m/n).
    adam_lr : float
        Learning rate of the others.
    momentum : float
        Nesterov momentum of the kernels.
    betas : tuple of float
        Decay of Adam's moments.

    References
    ----------
    K. Jordan et al.: Muon, an optimizer for hidden layers in neural networks, 2024.
    """

    def __init__(
        self,
        kernels: Iterable[torch.nn.Parameter],
        others: Iterable[torch.nn.Parameter],
        *,
        lr: float = 0.02,
        adam_lr: float = 0.01,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        groups: list[dict[str, Any]] = [
            {"params": list(kernels), "lr": lr, "rule": "muon"},
            {"params": list(others), "lr": adam_lr, "rule": "adam"},
        ]
        super().__init__(groups, {"momentum": momentum, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if group["rule"] == "muon":
                self._step_muon(parameters, group)
            else:
                self._step_adam(parameters, group)

    def _step_muon(self, parameters: list[torch.nn.Parameter], group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        by_shape: dict[tuple[int, int], list[tuple[torch.nn.Parameter, torch.Tensor]]] = defaultdict(list)
        for parameter in parameters:
            gradient = parameter.grad
            assert gradient is not None
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            average = state["momentum"]
            average.lerp_(gradient, 1 - momentum)
            matrix = gradient.lerp(average, momentum).flatten(1)
            by_shape[(matrix.shape[0], matrix.shape[1])].append((parameter, matrix))
        for (rows, columns), members in by_shape.items():
            updates = orthogonalise(torch.stack([matrix for _, matrix in members]))
            scale = max(1.0, rows / columns) ** 0.5
            for (parameter, _), update in zip(members, updates, strict=True):
                parameter.add_(update.view(parameter.shape), alpha=-group["lr"] * scale)

    def _step_adam(self, parameters: list[torch.nn.Parameter], group: dict[str, Any]) -> None:
        if not parameters:
            return
        beta1, beta2 = group["betas"]
        first: list[torch.Tensor] = []
        second: list[torch.Tensor] = []
        gradients: list[torch.Tensor] = []
        for parameter in parameters:
            assert parameter.grad is not None
            state = self.state[parameter]
            if "first" not in state:
                state["first"] = torch.zeros_like(parameter)
                state["second"] = torch.zeros_like(parameter)
                state["count"] = 0
            state["count"] += 1
            first.append(state["first"])
            second.append(state["second"])
            gradients.append(parameter.grad)
        count = self.state[parameters[0]]["count"]
        torch._foreach_lerp_(first, gradients, 1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, gradients, gradients, 1 - beta2)
        denominator = torch._foreach_sqrt(second)
        torch._foreach_div_(denominator, (1 - beta2**count) ** 0.5)
        torch._foreach_add_(denominator, 1e-8)
        torch._foreach_addcdiv_(
            list[torch.Tensor](parameters), first, denominator, -group["lr"] / (1 - beta1**count)
        )
