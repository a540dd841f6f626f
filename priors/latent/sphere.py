"""Latents on spheres, and the distance between the latents of different layers."""

from __future__ import annotations

import math

import torch


@torch.no_grad()
def radius_of(tensor: torch.Tensor) -> torch.Tensor:
    """The norms of the vectors in a tensor (N, 1, H, W) or (N, L, D): one vector per first two axes."""
    return (tensor.square().sum(dim=tuple(range(2, tensor.ndim)), keepdim=True) + 1e-9).sqrt()


@torch.no_grad()
def project_(tensor: torch.Tensor, radius: torch.Tensor) -> None:
    """Bring the vectors back to their spheres, in place, such as after an optimiser's step."""
    tensor.mul_(radius / radius_of(tensor))


def geodesic_cross(latents: torch.Tensor) -> torch.Tensor:
    """GEOCROSS: Σ over pairs of layers of the squared geodesic distance of their latents.

    The distance of two points on a sphere is θ = 2 atan2(‖v − u‖, ‖v + u‖); summed is
    D θ² / 8, averaged over the pairs, with D the length of a latent.

    Parameters
    ----------
    latents : torch.Tensor
        (N, layers, D).

    Returns
    -------
    torch.Tensor
        (N,); 0 for a single layer.

    References
    ----------
    S. Menon et al.: PULSE, CVPR 2020.
    """
    if latents.shape[1] == 1:
        return latents.new_zeros(len(latents))
    first, second = latents[:, None], latents[:, :, None]
    apart = ((first - second).square().sum(-1) + 1e-9).sqrt()
    together = ((first + second).square().sum(-1) + 1e-9).sqrt()
    angle = 2 * torch.atan2(apart, together)
    return (angle.square() * latents.shape[-1]).mean(dim=(1, 2)) / 8


def learning_rate_factor(schedule: str, iteration: int, iterations: int) -> float:
    """The factor of the learning rate at `iteration`, counted from 0, of `iterations`.

    "fixed" is 1, "cosine" falls from 1 to 0.05 along half a wave. "linear1cycle" rises from 0.1 to 1 and falls back.
    "linear1cycledrop" does so within the first nine tenths and falls to 0.001 in the last.
    """
    if schedule == "fixed":
        return 1.0
    if schedule == "cosine":
        return 0.05 + 0.95 * (1 + math.cos(math.pi * iteration / iterations)) / 2
    turn = iterations if schedule == "linear1cycle" else 0.9 * iterations
    if iteration < turn or schedule == "linear1cycle":
        return (9 * (1 - abs(iteration / turn - 0.5) * 2) + 1) / 10
    return 0.1 + (iteration - turn) / (iterations - turn) * (0.001 - 0.1)
