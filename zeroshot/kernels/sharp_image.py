"""The sharp image behind a blurred one, for the estimate of its kernel: half-quadratic splitting on a periodic canvas.

``min over x of ‖k ∗ x − y‖² + λ Σ φ(|∇x|)`` with φ the count of gradients that are not zero, which keeps nothing but
the strong edges, or their magnitude, which keeps the heights of the edges as well. Both alternate between a shrinkage
of the gradients and a division in the Fourier domain, with a growing weight β that ties the two. What lies beyond the
border comes in by and by, and not far where the kernel is large; :class:`SmallVariation` finds it as well.

References
----------
L. Xu, S. Zheng, J. Jia: Unnatural L0 sparse representation for natural image deblurring, CVPR 2013.
Y. Wang, J. Yang, W. Yin, Y. Zhang: A new alternating minimization algorithm for total variation image
reconstruction, SIAM Journal on Imaging Sciences 1 (2008).
M. S. C. Almeida, M. A. T. Figueiredo: Deconvolving images with unknown boundaries using the alternating direction
method of multipliers, IEEE Transactions on Image Processing 22 (2013).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from zeroshot.kernels.periodic import Canvas, differences, transposed_differences

#: The weight of the total variation that finds a kernel, and by which kernels are compared.
VARIATION_WEIGHT = 1e-3
#: That weight in times of the noise, where this is more.
_VARIATION_OF_NOISE = 0.45
#: The largest weight of the splitting for counted gradients.
_LARGEST_WEIGHT = 1e5
#: How strongly the gradients, and the blurred image, are tied to what stands for them. The weaker the second, the
#: sooner what lies beyond the border is found.
_GRADIENT_TIE, _BLURRED_TIE = 0.02, 0.05
#: Above which slope an edge counts no more, and the iterations for the image that is judged by it.
_SMALL_SLOPE, _JUDGED_ITERATIONS = 0.03, 35


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
        return _shortened(gradient, weight / beta)

    return _split(canvas, kernel, (weight * 2**power for power in range(2, 14)), shrunk)


class SmallVariation:
    """The image of small total variation that one kernel after another makes of a measurement, with an unknown border.

    ``min over x of ½ ‖m (k ∗ x − y)‖² + λ Σ |∇x|``, m being 1 where y was measured, by the alternating direction method
    of multipliers with ``v = k ∗ x`` and ``g = ∇x``:

    - ``v = (m y + ρ (k ∗ x + p)) / (m + ρ)`` and ``g = shrink(∇x + q, λ / τ)``, the magnitude shortened,
    - ``p = p + k ∗ x − v`` and ``q = q + ∇x − g``,
    - ``x = (ρ kᵀ ∗ (v − p) + τ ∇ᵀ(g − q)) / (ρ |k̂|² + τ |∂̂|²)`` in the Fourier domain.

    All of it is kept from call to call, so that few iterations do for a kernel that is like the one before.

    Parameters
    ----------
    canvas : Canvas
        With a margin of at least half the kernels.
    weight : float
        λ.
    """

    def __init__(self, canvas: Canvas, weight: float) -> None:
        self.canvas, self.weight = canvas, weight
        self._x = canvas.image
        self._multiplier = torch.zeros_like(self._x)
        self._multipliers = self._x.new_zeros(2, *self._x.shape)

    def __call__(self, kernel: torch.Tensor, iterations: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The image, and the measurement with what it predicts where nothing was measured.

        Parameters
        ----------
        kernel : torch.Tensor
            (n, n), of sum 1.
        iterations : int
            Of the method, each of them four transforms of the size of the canvas.
        """
        canvas, x, p, q = self.canvas, self._x, self._multiplier, self._multipliers
        transfer = canvas.transfer(kernel)
        conjugate = _BLURRED_TIE * transfer.conj()
        power = _BLURRED_TIE * transfer.abs().square() + _GRADIENT_TIE * canvas.gradient_power()
        prediction = canvas.from_spectrum(transfer * torch.fft.rfft2(x))
        for _ in range(iterations):
            free = prediction + p
            v = torch.where(
                canvas.measured > 0, (canvas.image + _BLURRED_TIE * free) / (1 + _BLURRED_TIE), free
            )
            slopes = differences(x) + q
            g = _shortened(slopes, self.weight / _GRADIENT_TIE)
            p, q = free - v, slopes - g
            told = conjugate * torch.fft.rfft2(v - p)
            spectrum = (told + _GRADIENT_TIE * torch.fft.rfft2(transposed_differences(g - q))) / power
            x, prediction = canvas.from_spectrum(spectrum), canvas.from_spectrum(transfer * spectrum)
        self._x, self._multiplier, self._multipliers = x, p, q
        return x, canvas.filled(prediction)


def variation_weight(noise: float) -> float:
    """The weight of the total variation with which kernels are compared, where the noise has this standard deviation.

    Noise that is left would make the gradients of kernels that leave little blur less sparse.
    """
    return max(VARIATION_WEIGHT, _VARIATION_OF_NOISE * noise)


def judged_image(canvas: Canvas, kernel: torch.Tensor, weight: float) -> torch.Tensor:
    """The image of small total variation, on the canvas, by which a kernel is judged."""
    return SmallVariation(canvas, weight)(kernel, _JUDGED_ITERATIONS)[0]


def small_slopes(canvas: Canvas, kernel: torch.Tensor, weight: float = VARIATION_WEIGHT) -> float:
    """``Σ min(|∇x|, s)`` over the measured part of the image that is restored with a kernel, s being 0.03.

    The less the better: what rings and what is left unsharp have many small slopes, and the height of an edge does not
    matter.
    """
    x = judged_image(canvas, kernel, weight)
    slopes = differences(x).square().sum(dim=0).sqrt().clamp(max=_SMALL_SLOPE)
    return float((slopes * canvas.measured).sum())


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


def _shortened(gradient: torch.Tensor, length: float) -> torch.Tensor:
    """The gradient (2, H, W) with its magnitude less by `length`, or 0."""
    magnitude = gradient.square().sum(dim=0).sqrt().clamp(min=1e-8)
    return gradient * ((magnitude - length).clamp(min=0) / magnitude)


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
