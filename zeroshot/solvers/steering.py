"""Which way the edges of an image run, and gradients that count less where they point as those expect."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zeroshot.patches.smoothing import gaussian_blur
from zeroshot.solvers.finite_differences import gradient

#: Gaussians of the structure tensor, in pixels: before the gradient is taken, and over its products.
PRESMOOTHING, INTEGRATION = 0.7, 2.0
#: Mean squared gradient at which half of the direction is believed, for an image of contrast 1.
BELIEVED = 2e-4


@dataclass(frozen=True)
class Steering:
    """S = I − (1 − s) n nᵀ at each pixel: what is along n, across the edge, is multiplied by s.

    Attributes
    ----------
    a, b, c : torch.Tensor
        S = ((a, b), (b, c)), rows first; (N, 1, H, W).
    """

    a: torch.Tensor
    b: torch.Tensor
    c: torch.Tensor

    def apply_(self, p: torch.Tensor, scratch: torch.Tensor) -> torch.Tensor:
        """S p in place, of a field (2, N, C, H, W); `scratch` is (N, C, H, W). S is its own adjoint."""
        torch.mul(p[0], self.b, out=scratch)
        p[0].mul_(self.a).addcmul_(p[1], self.b)
        p[1].mul_(self.c).add_(scratch)
        return p

    def inverse(self) -> Steering:
        """S⁻¹, where s > 0."""
        determinant = self.a * self.c - self.b.square()
        return Steering(self.c / determinant, -self.b / determinant, self.a / determinant)


def steering_of(image: torch.Tensor, across: float, contrast: float = 1.0) -> Steering:
    """What the edges of an image say of its gradient.

    n is the first eigenvector of the structure tensor, the smoothed products of the gradient's components summed
    over the channels, with the eigenvalues μ₁ ≥ μ₂, and

        s = 1 − (1 − across) (μ₁ − μ₂)/(μ₁ + μ₂) · (μ₁ + μ₂)/(μ₁ + μ₂ + b),

    so that nothing is steered where the gradients nearby do not agree, or are small.

    Parameters
    ----------
    image : torch.Tensor
        (N, C, H, W).
    across : float
        s where the direction is certain, from 0 to 1.
    contrast : float
        b is 2·10⁻⁴ times the square of this.

    References
    ----------
    J. Weickert: Anisotropic Diffusion in Image Processing, Teubner 1998, for the structure tensor. M. Grasmair,
    F. Lenzen: Anisotropic total variation filtering, Applied Mathematics & Optimization 62 (2010).
    """
    down, along = gradient(gaussian_blur(image, PRESMOOTHING))
    products = torch.stack([down * down, down * along, along * along]).mean(dim=2, keepdim=True)
    rows, mixed, columns = gaussian_blur(products, INTEGRATION)
    spread = ((rows - columns).square() + 4 * mixed.square()).sqrt()
    floor = BELIEVED * contrast**2
    share = (1 - across) / (rows + columns + floor)
    # n nᵀ = ½ (I + (cos 2θ, sin 2θ; sin 2θ, −cos 2θ)), here multiplied by the spread, which holds cos 2θ and sin 2θ.
    a = 1 - 0.5 * share * (spread + rows - columns)
    c = 1 - 0.5 * share * (spread - rows + columns)
    return Steering(a.contiguous(), (-share * mixed).contiguous(), c.contiguous())
