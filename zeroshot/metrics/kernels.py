"""How good an estimated blur kernel is: its likeness to the true one, and what it does to the restoration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from zeroshot.checks import require_whole
from zeroshot.metrics.comparable import Image, comparable
from zeroshot.operators.kernels import as_kernel


class Similarity(NamedTuple):
    """How alike two kernels are.

    Attributes
    ----------
    value : float
        From 0 (for kernels without negative weights) to 1, which equal kernels have.
    shift : (float, float)
        How far down and to the right of the true kernel the estimate lies, from centre to centre, in pixels. A
        picture that is restored with the estimate lies as far up and to the left.
    """

    value: float
    shift: tuple[float, float]


def kernel_similarity(estimate: np.ndarray | torch.Tensor, truth: np.ndarray | torch.Tensor) -> Similarity:
    """The largest normalised correlation over shifts, ``max over s of Σ k(t) k̂(t + s) / (‖k‖ ‖k̂‖)``.

    A blurred picture does not tell where its kernel has its centre, so that shifts do not count. They are whole
    pixels from one corner of the kernels to the other; where the sizes differ by an odd number, half a pixel
    more.

    Parameters
    ----------
    estimate, truth : array (h, w)
        Of any sizes and sums.

    Raises
    ------
    ValueError
        If one is no kernel.

    References
    ----------
    Z. Hu, M.-H. Yang: Good regions to deblur, ECCV 2012.
    """
    found, true = as_kernel(estimate), as_kernel(truth)
    size = tuple(a + b - 1 for a, b in zip(found.shape, true.shape, strict=True))
    spectrum = np.fft.rfft2(found, size) * np.fft.rfft2(true, size).conj()
    correlation = np.fft.irfft2(spectrum, size)
    index = np.unravel_index(int(np.argmax(correlation)), size)
    norms = np.linalg.norm(found) * np.linalg.norm(true)
    # Between corners the shift by i stands at index i, that by −i at the length less i; the centres are
    # (length − 1)/2 from the corners.
    down, right = (
        float(i if i < own else i - length) + (other - own) / 2
        for i, length, own, other in zip(index, size, found.shape, true.shape, strict=True)
    )
    return Similarity(min(float(correlation[index] / norms), 1.0), (down, right))


def error_ratio(
    estimated: Image,
    known: Image,
    reference: Image,
    *,
    border: int = 0,
    largest_shift: int = 0,
    data_range: float = 1.0,
) -> float:
    """``‖x(k̂) − x‖² / ‖x(k) − x‖²``: by how much the estimate of the kernel makes the restoration worse.

    It sets aside how hard the picture is to restore even if the kernel is known. Up to about 2 the restoration
    passes for as good, above 3 it has visible faults.

    Parameters
    ----------
    estimated, known, reference : torch.Tensor or numpy.ndarray
        The restorations with the estimated and with the true kernel, x(k̂) and x(k), by one method, and the
        truth x. Tensors of (N, C, H, W) or (C, H, W), arrays of H × W or H × W × C, of equal shape.
    border : int
        Rows and columns left out at every side.
    largest_shift : int
        Each restoration is compared at the shift of up to so many whole pixels, along each axis, at which it
        is nearest to the truth; as many more rows and columns are left out at every side.
    data_range : float
        The value of white: 255 for 8-bit integers.

    Returns
    -------
    float
        1 where both are equally good; infinite where the true kernel restores the picture without an error.

    Raises
    ------
    ValueError
        If the shapes differ, or border and shifts leave nothing.

    References
    ----------
    A. Levin, Y. Weiss, F. Durand, W. T. Freeman: Understanding and evaluating blind deconvolution algorithms,
    CVPR 2009.
    """
    require_whole({"largest_shift": largest_shift}, "largest_shift", least=0)
    errors = []
    for image in (estimated, known):
        x, truth = comparable(image, reference, border, data_range, "none")
        errors.append(min(_errors(x, truth, largest_shift)))
    if errors[1] == 0:
        return 1.0 if errors[0] == 0 else math.inf
    return errors[0] / errors[1]


def _errors(x: torch.Tensor, truth: torch.Tensor, largest: int) -> Iterator[float]:
    """The squared error at every shift, on the pixels that all shifts have in common."""
    height, width = (length - 2 * largest for length in x.shape[-2:])
    if min(height, width) < 1:
        raise ValueError(
            f"shifts of up to {largest} pixels leave nothing of {x.shape[-2]} × {x.shape[-1]} pixels within the border"
        )
    centre = truth[..., largest : largest + height, largest : largest + width]
    for down in range(2 * largest + 1):
        for right in range(2 * largest + 1):
            yield float((x[..., down : down + height, right : right + width] - centre).square().sum())
