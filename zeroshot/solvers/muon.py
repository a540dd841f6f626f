"""Muon: momentum whose update of each convolution kernel is made orthogonal; Adam for everything else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from zeroshot.solvers.optimiser import Optimiser, adam_step

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
    return orthogonalise_all([matrices], iterations)[0]


def orthogonalise_all(batches: Sequence[torch.Tensor], iterations: int = 5) -> list[torch.Tensor]:
    """:func:`orthogonalise` for several batches of matrices, whose sizes may differ from batch to batch.

    Every iterate is a polynomial of the first Gram matrix G = XXᵀ times X. So the iteration is made on G and on
    the product of its polynomials, which are as small as the shorter side, and for all batches of one shorter
    side together.
    """
    flat = [_flat(batch) for batch in batches]
    grams = [x @ x.mT for x in flat]
    by_side: dict[int, list[int]] = defaultdict(list)
    for index, gram in enumerate(grams):
        by_side[gram.shape[-1]].append(index)
    results: list[torch.Tensor] = list(batches)
    for members in by_side.values():
        together = grams[members[0]] if len(members) == 1 else torch.cat([grams[i] for i in members])
        polynomials = _product_of_quintics(together, iterations)
        for index, polynomial in zip(
            members, polynomials.split([len(grams[i]) for i in members]), strict=True
        ):
            result = polynomial @ flat[index]
            results[index] = result if flat[index].shape == batches[index].shape else result.mT
    return results


def _flat(matrices: torch.Tensor) -> torch.Tensor:
    """The matrices, transposed where that makes them wider than high."""
    x = matrices.float()
    return x.mT if x.shape[-2] > x.shape[-1] else x


def _product_of_quintics(gram: torch.Tensor, iterations: int) -> torch.Tensor:
    """Q with Q X = the iterate that Newton–Schulz makes of X/‖X‖, from the Gram matrix of X."""
    a, b, c = _QUINTIC
    norm = gram.diagonal(dim1=-2, dim2=-1).sum(-1).sqrt()[:, None, None] + 1e-7
    gram = gram / norm.square()
    identity = a * torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    product: torch.Tensor | None = None
    for iteration in range(iterations):
        quintic = torch.baddbmm(gram, gram, gram, beta=b, alpha=c) + identity
        product = quintic if product is None else quintic @ product
        if iteration + 1 < iterations:
            gram = quintic @ gram @ quintic
    assert product is not None
    return product / norm


class Muon(Optimiser):
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
            {"params": list(kernels), "lr": lr, "momentum": momentum, "rule": "muon"},
            {"params": list(others), "lr": adam_lr, "betas": betas, "rule": "adam"},
        ]
        super().__init__(groups)

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            if group["rule"] == "muon":
                self._step_muon(group)
            else:
                adam_step(group, self.state)

    def _step_muon(self, group: dict[str, Any]) -> None:
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not parameters:
            return
        averages: list[torch.Tensor] = []
        gradients: list[torch.Tensor] = []
        for parameter in parameters:
            assert parameter.grad is not None
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            averages.append(state["momentum"])
            gradients.append(parameter.grad)
        torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
        directions = torch._foreach_lerp(gradients, averages, group["momentum"])
        by_shape: dict[torch.Size, list[int]] = defaultdict(list)
        for index, direction in enumerate(directions):
            by_shape[direction.shape].append(index)
        batches = [torch.stack([directions[i] for i in members]).flatten(2) for members in by_shape.values()]
        for (shape, members), updates in zip(by_shape.items(), orthogonalise_all(batches), strict=True):
            rows, columns = updates.shape[-2:]
            rate = group["lr"] * max(1.0, rows / columns) ** 0.5
            steps = updates.reshape(len(members), *shape).unbind()
            torch._foreach_add_([parameters[i] for i in members], list(steps), alpha=-rate)
