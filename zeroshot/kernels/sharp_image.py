"""The sharp image behind a blurred one, for the estimate of its kernel: half-quadratic splitting on a periodic canvas.

``min over x of ‖k ∗ x − y‖² + λ Σ φ(|∇x|)`` with φ the count of gradients that are not zero, which keeps nothing but
the strong edges, or their magnitude, which keeps the heights of the edges as well. Both alternate between a shrinkage
of the gradients and a division in the Fourier domain, with a growing weight β that ties the two.

References
----------
L. Xu, S. Zheng, J. Jia: Unnatural L0 sparse representation for natural image deblurring, CVPR 2013.
Y. Wang, J. Yang, W. Yin, Y. Zhang: A new alternating minimization algorithm for total variation image
reconstruction, SIAM Journal on Imaging Sciences 1 (2008).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from zeroshot.kernels.periodic import Canvas, differences, transposed_differences

#: The weight of the total variation that finds a kernel, and by which kernels are compared.
VARIATION_WEIGHT = 1e-3
#: The largest weight of the splitting for counted gradients.
_LARGEST_WEIGHT = 1e5


def few_edges(canvas: Canvas, kernel: torch.Tensor, weight: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The image with few gradients, and the measurement with what it predicts where nothing was measured."""
    betas = [2 * weight]
    while betas[-1] * 2 < _LARGEST_WEIGHT:
        betas.append(betas[-1] * 2)

    def shrunk(gradient: torch.Tensor, beta: float) -> torch.Tensor:
        return gradient.masked_fill(gradient.square().sum(dim=0) < weight / beta, 0)

    return _split(canvas, kernel, betas, shrunk)


def small_variation(canvas: Canvas, kernel: torch.Tensor, weight: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The image of small total variation, and the measurement with what it predicts where nothing was measured."""

    def shrunk(gradient: torch.Tensor, beta: float) -> torch.Tensor:
        magnitude = gradient.square().sum(dim=0).sqrt().clamp(min=1e-8)
        return gradient * ((magnitude - weight / beta).clamp(min=0) / magnitude)

    return _split(canvas, kernel, (weight * 2**power for power in range(2, 14)), shrunk)


def restored_sparsity(
    plane: torch.Tensor,
    known: torch.Tensor,
    kernel: torch.Tensor,
    margin: int,
    weight: float = VARIATION_WEIGHT,
) -> float:
    """``‖∇x‖₁ / ‖∇x‖₂`` of the image that is restored with a kernel: the less the sparser its gradients are.

    Blur that is left raises it, and so do noise and ringing.

    Parameters
    ----------
    plane, known : torch.Tensor
        The blurred picture (H, W), and 1 where it was measured.
    kernel : torch.Tensor
        (n, n).
    margin : int
        Pixels beyond the border that are restored with it; kernels are compared with one margin.
    weight : float
        λ, of the total variation; kernels are compared with one weight.

    References
    ----------
    D. Krishnan, T. Tay, R. Fergus: Blind deconvolution using a normalized sparsity measure, CVPR 2011.
    """
    canvas = Canvas.around(plane, known, margin)
    x, _ = small_variation(canvas, kernel, weight)
    slopes = differences(x).square().sum(dim=0).sqrt() * canvas.measured
    return float(slopes.sum() / slopes.square().sum().sqrt())


def _split(
    canvas: Canvas,
    kernel: torch.Tensor,
    betas: Iterable[float],
    shrunk: Callable[[torch.Tensor, float], torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    transfer, penalty = canvas.transfer(kernel), canvas.gradient_power()
    power, conjugate = transfer.abs().square(), transfer.conj()
    x, measurement = canvas.image, canvas.image
    for beta in betas:
        gradient = shrunk(differences(x), beta)
        told = conjugate * torch.fft.rfft2(measurement)
        spectrum = (told + beta * torch.fft.rfft2(transposed_differences(gradient))) / (
            power + beta * penalty
        )
        x = canvas.from_spectrum(spectrum)
        measurement = canvas.filled(canvas.from_spectrum(transfer * spectrum))
    return x, measurement
