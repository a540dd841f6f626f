"""Nonlinear diffusion: the image flows like heat, except across its edges.

Time runs until the mean squared change of the image is the variance of the noise that was to be removed.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch

from zeroshot.checks import require_choice, require_number, require_positive
from zeroshot.patches.borders import reflected
from zeroshot.patches.smoothing import gaussian_blur
from zeroshot.precision import widened
from zeroshot.priors.denoising import DenoisingPrior

Conductance = Literal["exponential", "rational"]
Kind = Literal["edge", "coherence"]

#: Duration of an explicit step. Up to 1/4 each pixel becomes a weighted mean of its neighbours.
TIME_STEP = 0.25
#: Steps at most, for images that hold less variance than is to be removed.
MAX_STEPS = 400
#: discrepancy = first + slope · σ.
DISCREPANCY = (0.88, 0.45)
#: K/σ and the presmoothing of Perona and Malik's diffusion.
PERONA_MALIK = {"grey": (0.5, 0.4), "colour": (0.8, 0.0)}
#: K/σ of anisotropic diffusion.
STRENGTHS = {"edge": 0.5, "coherence": 0.1}
#: The image is at rest where a step adds less than this fraction of the variance to be removed.
AT_REST = 1e-4

Velocity = Callable[[torch.Tensor], torch.Tensor]


class Diffusion(DenoisingPrior):
    """∂x/∂t = the divergence of a flux, from the noisy image until mean (x − y)² = (discrepancy · σ)².

    Subclasses say how fast the image changes; :meth:`refine` integrates it with explicit steps and makes the
    last of them as long as the variance asks for.
    """

    bytes_per_value: ClassVar[int] = 115  # see benchmarks/large_images.py

    discrepancy: float | None

    @abstractmethod
    def velocity(self, sigma: float) -> Velocity:
        """∂x/∂t as a function of x, (C, H, W), stable for explicit steps of 1/4."""

    def passes(self, sigma: float) -> int:
        """One."""
        return 1

    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """The images at the time at which they have lost the variance of the noise."""
        share = (
            min(1.0, DISCREPANCY[0] + DISCREPANCY[1] * sigma)
            if self.discrepancy is None
            else self.discrepancy
        )
        wanted = (share * sigma) ** 2
        return torch.stack([_diffuse(image, self.velocity(sigma), wanted) for image in noisy])


def _diffuse(noisy: torch.Tensor, velocity: Velocity, wanted: float) -> torch.Tensor:
    """The image at the time at which mean (x − y)² is `wanted`, or at rest."""
    x, removed = noisy, 0.0
    for _ in range(MAX_STEPS):
        following = x.add(velocity(x), alpha=TIME_STEP)
        now = float(widened((following - noisy).square()).mean())
        if now >= wanted:
            return torch.lerp(x, following, _share(noisy, x, following, wanted))
        if now - removed < AT_REST * wanted:
            return following
        x, removed = following, now
    return x


def _share(noisy: torch.Tensor, x: torch.Tensor, following: torch.Tensor, wanted: float) -> float:
    """How much of the last step reaches the wanted variance: the root s of mean (x − y + s (x⁺ − x))² = wanted."""
    so_far, step = widened(x - noisy), widened(following - x)
    a, b = float(step.square().mean()), float((step * so_far).mean())
    c = float(so_far.square().mean()) - wanted
    return min(1.0, max(0.0, (-b + math.sqrt(max(b * b - a * c, 0.0))) / a))


@dataclass(frozen=True)
class PeronaMalik(Diffusion):
    """∂x/∂t = div(g(|∇x|) ∇x) with g(s) = exp(−(s/K)²) or 1 / (1 + (s/K)²), K = strength · σ.

    |∇x|² is the mean over the channels, and measured after smoothing by a Gaussian of `presmoothing` pixels
    (Catté et al.), without which the gradient of the noise passes for edges. Four neighbours, explicit steps;
    g between two pixels is the mean of both.

    Parameters
    ----------
    strength : float or None
        K/σ. None: 0.5 for grey and 0.8 for colour images.
    conductance : {"exponential", "rational"}
        Which g.
    presmoothing : float or None
        In pixels; 0 takes the differences between the neighbours themselves, as in the paper of 1990, and leaves
        strong single outliers as specks. None: 0.4 for grey images; 0 for colour images, where three channels
        together tell edges from outliers and smoothing only costs detail (see ``benchmarks/classic.md``).
    discrepancy : float or None
        What is removed has the variance (discrepancy · σ)². None: 0.88 + 0.45 σ, at most 1 (see
        ``benchmarks/classic.md``).

    References
    ----------
    P. Perona, J. Malik: Scale-space and edge detection using anisotropic diffusion, IEEE TPAMI 12 (1990).
    F. Catté, P.-L. Lions, J.-M. Morel, T. Coll: Image selective smoothing and edge detection by nonlinear
    diffusion, SIAM J. Numerical Analysis 29 (1992). J. Weickert: Coherence-enhancing diffusion of colour
    images, Image and Vision Computing 17 (1999), for stopping by the variance.
    """

    name: ClassVar[str] = "perona_malik"
    suits_plug_and_play: ClassVar[bool] = False
    summary: ClassVar[str] = (
        "Perona-Malik diffusion: denoising by heat flow that stops at edges; below a second"
    )

    strength: float | None = None
    conductance: Conductance = "rational"
    presmoothing: float | None = None
    discrepancy: float | None = None

    def __post_init__(self) -> None:
        require_positive(self, "strength", "discrepancy", none="allowed")
        require_choice(self, "conductance", get_args(Conductance))
        require_number(self, "presmoothing", none="allowed")

    def velocity(self, sigma: float) -> Velocity:
        """The divergence of the flux."""

        def change(x: torch.Tensor) -> torch.Tensor:
            down, along = x.diff(dim=-2), x.diff(dim=-1)
            down_conductance, along_conductance = self._conductances(x, down, along, sigma)
            result = torch.zeros_like(x)
            _add_divergence(result, down.mul_(down_conductance), -2)
            return _add_divergence(result, along.mul_(along_conductance), -1)

        return change

    def _conductances(
        self, x: torch.Tensor, down: torch.Tensor, along: torch.Tensor, sigma: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The conductance g between a pixel and the next one down, and along."""
        strength, presmoothing = PERONA_MALIK["grey" if len(x) == 1 else "colour"]
        presmoothing = presmoothing if self.presmoothing is None else self.presmoothing
        scale = (strength if self.strength is None else self.strength) * sigma
        if presmoothing == 0:
            return self._of_squares(down, scale), self._of_squares(along, scale)
        padded = reflected(gaussian_blur(x, presmoothing), 1)
        vertical = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]).square_()
        horizontal = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]).square_()
        g = self._apply(vertical.add_(horizontal).mean(dim=0).div_(4 * scale**2))
        return (g[1:] + g[:-1]).mul_(0.5), (g[:, 1:] + g[:, :-1]).mul_(0.5)

    def _of_squares(self, differences: torch.Tensor, scale: float) -> torch.Tensor:
        return self._apply(differences.square().mean(dim=0).div_(scale**2))

    def _apply(self, ratio: torch.Tensor) -> torch.Tensor:
        """The conductance g as a function of (s/K)²; `ratio` is overwritten."""
        if self.conductance == "exponential":
            return ratio.neg_().exp_()
        return ratio.add_(1).reciprocal_()


def _add_divergence(result: torch.Tensor, flux: torch.Tensor, axis: int) -> torch.Tensor:
    """Add what flows in and subtract what flows out between successive pixels, in place."""
    size = result.shape[axis]
    result.narrow(axis, 0, size - 1).add_(flux)
    result.narrow(axis, 1, size - 1).sub_(flux)
    return result


@dataclass(frozen=True)
class CoherenceDiffusion(Diffusion):
    """∂x/∂t = div(D(J) ∇x): diffusion with a direction, along the edges and not across them.

    J is the structure tensor, the mean over the channels of ∇x ∇xᵀ after smoothing by a Gaussian of
    `presmoothing` pixels, averaged with one of `integration` pixels. D has its eigenvectors, and the eigenvalues,
    across and along the edge,

    - kind "edge": 1 / (1 + μ/K²) and 1, with μ the larger eigenvalue of J and K = strength · σ;
    - kind "coherence": α = 0.05, and α + (1 − α) exp(−K⁴ / κ) with κ = (μ₁ − μ₂)², which diffuses along lines
      only and leaves the rest almost as it is.

    The energy ½ Σ ∇xᵀ D ∇x is taken over the cells between four pixels. To the gradient of a cell comes its
    mixed difference with a weight that keeps every pixel a weighted mean of its neighbours, so that neither
    checkerboards nor values beyond the input's range arise. For this the part of D that couples rows with
    columns is bounded by its smaller diagonal entry.

    Parameters
    ----------
    kind : {"edge", "coherence"}
        Which eigenvalues.
    strength : float or None
        K/σ. None: 0.5 for edges, 0.1 for coherence.
    presmoothing, integration : float
        In pixels.
    discrepancy : float or None
        What is removed has the variance (discrepancy · σ)². None: 0.88 + 0.45 σ, at most 1 (see
        ``benchmarks/classic.md``).

    References
    ----------
    J. Weickert: Anisotropic Diffusion in Image Processing, Teubner 1998; and: Coherence-enhancing diffusion
    filtering, IJCV 31 (1999). J. Weickert, M. Welk, M. Wickert: L²-stable nonstandard finite differences for
    anisotropic diffusion, SSVM 2013, for the mixed difference.
    """

    name: ClassVar[str] = "coherence"
    summary: ClassVar[str] = "anisotropic diffusion: smooths along edges, not across them; a second"

    kind: Kind = "edge"
    strength: float | None = None
    presmoothing: float = 0.5
    integration: float = 0.8
    discrepancy: float | None = None

    def __post_init__(self) -> None:
        require_choice(self, "kind", get_args(Kind))
        require_positive(self, "presmoothing", "integration")
        require_positive(self, "strength", "discrepancy", none="allowed")

    def velocity(self, sigma: float) -> Velocity:
        """The divergence of D ∇x."""
        strength = STRENGTHS[self.kind] if self.strength is None else self.strength

        def change(x: torch.Tensor) -> torch.Tensor:
            return anisotropic_divergence(x, *self._diffusion_tensor(x, strength * sigma))

        return change

    def _diffusion_tensor(self, x: torch.Tensor, scale: float) -> tuple[torch.Tensor, ...]:
        """The entries a, b, c of D = ((a, b), (b, c)) on the cells, a along the rows, (H + 1, W + 1)."""
        along, down, _ = _cell_differences(reflected(gaussian_blur(x, self.presmoothing), 1))
        products = torch.stack([(along * along).mean(0), (along * down).mean(0), (down * down).mean(0)])
        xx, xy, yy = gaussian_blur(products, self.integration).div_(scale**2)
        # Half the difference of the eigenvalues, and the cosine and sine of twice the angle across the edge.
        half = ((xx - yy) / 2).square_().add_(xy.square()).sqrt_()
        mean = (xx + yy) / 2
        cosine, sine = (xx - yy) / (2 * half + 1e-12), xy / (half + 1e-12)
        across, edge = self._eigenvalues(mean, half)
        middle, spread = (across + edge) / 2, (across - edge) / 2
        a, b, c = middle + spread * cosine, spread * sine, middle - spread * cosine
        bound = torch.minimum(a, c)
        b = torch.minimum(torch.maximum(b, -bound), bound)
        # Beyond the border the image is its own mirror image: there nothing couples rows with columns.
        for frame in (b[0], b[-1], b[:, 0], b[:, -1]):
            frame.zero_()
        return a, b, c

    def _eigenvalues(self, mean: torch.Tensor, half: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Those of D across and along the edge, from the mean and half the difference of those of J/K²."""
        if self.kind == "edge":
            return (mean + half).add_(1).reciprocal_(), torch.ones_like(mean)
        least = 0.05
        along = torch.exp(-1 / (4 * half.square()).clamp(min=1e-2))
        return torch.full_like(mean, least), least + (1 - least) * along


def _cell_differences(framed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Differences along and down and the mixed one on the cells between the pixels (C, H, W): (C, H − 1, W − 1)."""
    across, steps = framed.diff(dim=-1), framed.diff(dim=-2)
    along = (across[..., 1:, :] + across[..., :-1, :]).mul_(0.5)
    down = (steps[..., 1:] + steps[..., :-1]).mul_(0.5)
    mixed = across.diff(dim=-2).mul_(0.5)
    return along, down, mixed


def anisotropic_divergence(
    x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor
) -> torch.Tensor:
    """Div(D ∇x) for D = ((a, b), (b, c)) on the cells.

    The mixed difference has the largest weight that keeps all couplings between pixels positive.
    """
    along, down, mixed = _cell_differences(reflected(x, 1))
    rightward, downward = a * along + b * down, b * along + c * down
    mixed.mul_(a + c - 2 * b.abs())
    # What a cell gives to its upper left, upper right, lower left and lower right pixel.
    upper, lower = rightward - mixed, rightward + mixed
    result = upper[..., 1:, 1:] + downward[..., 1:, 1:]
    result.add_(downward[..., 1:, :-1]).sub_(upper[..., 1:, :-1])
    result.add_(lower[..., :-1, 1:]).sub_(downward[..., :-1, 1:])
    return result.sub_(lower[..., :-1, :-1]).sub_(downward[..., :-1, :-1]).mul_(0.5)
