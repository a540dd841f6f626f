"""Shrinkage: the proximal maps of the penalties that make coefficients sparse.

Each works elementwise on a tensor; `threshold` is a number or a tensor that broadcasts to it.
"""

from __future__ import annotations

import torch

Threshold = float | torch.Tensor


def soft(values: torch.Tensor, threshold: Threshold) -> torch.Tensor:
    """Proximal map of t·|v|: sign(v) · max(|v| − t, 0)."""
    if not isinstance(threshold, torch.Tensor):
        return torch.nn.functional.softshrink(values, float(threshold))
    return values - values.clamp(min=-threshold, max=threshold)


def hard(values: torch.Tensor, threshold: Threshold) -> torch.Tensor:
    """Proximal map of ½t²·[v ≠ 0]: v where |v| > t, else 0."""
    return torch.where(values.abs() > threshold, values, 0.0)


def firm(values: torch.Tensor, threshold: Threshold, upper: Threshold | None = None) -> torch.Tensor:
    """Zero up to `threshold` t, unchanged beyond `upper` u, and linear in between: u(|v| − t)/(u − t).

    Parameters
    ----------
    values : torch.Tensor
        v.
    threshold : float or torch.Tensor
        t, at least 0.
    upper : float or torch.Tensor, optional
        u, at least `threshold`; 2t by default. At t the rule is `hard`, towards infinity it becomes `soft`.
        With t = 0 nothing changes, whatever u.

    References
    ----------
    H.-Y. Gao, A. G. Bruce: WaveShrink with firm shrinkage, Statistica Sinica 7 (1997).
    """
    upper = 2 * threshold if upper is None else upper
    # Where the two thresholds meet no value lies between them, and the slope is that of nothing.
    gap = torch.as_tensor(upper - threshold, dtype=values.dtype, device=values.device)
    slope = torch.where(gap > 0, upper / gap, 1.0)
    shrunk = soft(values, threshold) * slope
    return torch.where(values.abs() > upper, values, shrunk)
