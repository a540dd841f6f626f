"""The blur kernel of a picture, from the picture itself.

From coarse to fine, two estimates take turns: an image with few edges but strong ones, and the kernel that makes the
measured image of it. At the finest level the image is one of small total variation, whose edges keep their heights,
so that the kernel becomes as narrow as it is. What lies beyond the border, and what is saturated, is no evidence.

References
----------
L. Xu, S. Zheng, J. Jia: Unnatural L0 sparse representation for natural image deblurring, CVPR 2013.
J. Pan, Z. Hu, Z. Su, M.-H. Yang: Deblurring text images via L0-regularized intensity and gradient prior, CVPR 2014.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from zeroshot.colour import full_range_luma
from zeroshot.kernels.edge_widths import DirectionalWidths, directional_widths, gaussian_of
from zeroshot.kernels.estimate import KernelEstimate
from zeroshot.kernels.kernel_fit import (
    StrongEdges,
    centred,
    fitted_kernel,
    impulse,
    mean_kernel,
    pruned,
    spread,
    trimmed,
)
from zeroshot.kernels.periodic import Canvas, differences
from zeroshot.kernels.region import telling_region
from zeroshot.kernels.shapes import nearest_shape
from zeroshot.kernels.sharp_image import (
    VARIATION_WEIGHT,
    SmallVariation,
    few_edges,
    restored_sparsity,
    small_slopes,
)
from zeroshot.noise import estimate_sigma, saturated
from zeroshot.operators import kernels

#: The sides of kernels, in pixels, that are tried: the next one where the kernel fills the one before.
_SIDES = (35, 69)
#: The largest share of a side that a kernel may take up.
_FILLED = 0.85
#: The longest side of the part of a picture that is looked at.
_LARGEST_REGION = 400
_LEAST_SIDE = 48
#: One level of the pyramid is as large as the next times this; how often the estimates take turns in each.
#: How many values of the picture for each weight are needed where no edge tells of a blur.
_VALUES_FOR_A_WEIGHT = 10
_STEP, _TURNS = math.sqrt(0.5), 5
#: The weight of a gradient that is not zero, by which factor it falls from turn to turn, and how far.
_EDGE_WEIGHT, _EDGE_LOWERING, _LEAST_EDGE_WEIGHT = 4e-3, 1.03, 1e-4
#: Below which share of the largest a weight of the kernel is none after each of the last turns, with an image of small
#: total variation: three ways, of which the last keeps away a fringe of weak weights, which feeds itself, and costs
#: long thin kernels their ends.
_LAST_LEAST_WEIGHTS = (
    (0.02,) * 6,
    (0.05, 0.05, 0.05, 0.04, 0.04, 0.03),
    (0.1, 0.1, 0.08, 0.06, 0.05, 0.04),
)
#: By how much more small slopes than the least, as a share of these, a kernel counts 1/e as much in the mean of the
#: ways.
_AS_PLAUSIBLE = 0.003
#: The iterations for the image in the first of these turns and in the others.
_FIRST_ITERATIONS, _ITERATIONS = 25, 12
#: The weight of the square of the kernel in an image of so many pixels: of the coarse turns, and of the last ones.
_RIDGE, _LAST_RIDGE, _RIDGE_PIXELS = 20.0, 0.02, 255**2
#: The weight of the square of the kernel's gradient in the last turns, in an image of as many pixels, under noise of
#: level 1: without it noise breaks thin paths into dots.
_SMOOTHNESS = 2.2e5
_LEAST_WEIGHT, _SMALLEST_PART, _LAST_PART = 0.02, 0.03, 0.02
_FIT_STEPS, _LAST_FIT_STEPS = 60, 200
#: The blur of a lens is believed where gradients are sparser with it, or not so much less sparse as this says; how
#: much a free kernel that is wider than the edges speaks for itself.
_SPARSER, _WIDER = 1.015, 0.06
#: The weight of the total variation under which gradients are compared, in times of the noise.
_VARIATION_OF_NOISE = 0.45
#: Where edges do not tell whether there is a blur, one is believed by which gradients are that much sparser than
#: without; in a picture that varies by less than so many times the noise there is none.
_SPARSER_THAN_BLURRED, _LEAST_CONTRAST = 0.88, 5.0
#: How the distance from that grows into a confidence, from a half on.
_SURE = 8.0
#: Axes of a Gaussian that differ by less than this factor are taken for equal.
_ROUND = 1.25


def blur_kernel(
    image: torch.Tensor, kind: str | None = None, known: torch.Tensor | None = None
) -> KernelEstimate:
    """The kernel that blurred a picture.

    Parameters
    ----------
    image : torch.Tensor
        (1, C, H, W) in [0, 1], grey or colour.
    kind : {"motion", "lens"} or None
        A motion along a line, or one of a lens (Gaussian or out of focus), where that is known; None: any.
    known : torch.Tensor, optional
        (1, 1, H, W), true where the picture shows something; elsewhere it is no evidence.

    Returns
    -------
    KernelEstimate
        Of kind "none" where the picture is not blurred, or has no edges to tell.
    """
    plane = (full_range_luma(image) if image.shape[1] == 3 else image[:, :1])[0, 0].float().cpu()
    clipped = saturated(image.cpu())
    shown = torch.ones_like(plane) if known is None else known.cpu()[0, 0].to(plane)
    plane = _extended(plane, shown)
    if clipped is not None:
        shown = shown * ~clipped[0].any(dim=0)
    region = telling_region(plane, shown, _LARGEST_REGION)
    plane, shown = plane[region].contiguous(), shown[region].contiguous()
    if min(plane.shape) < _LEAST_SIDE:
        return _nothing({})
    told = None if bool((shown > 0).all()) else shown[None, None]
    widths = directional_widths(plane[None, None], estimate_sigma(image, known), told)
    noise, evidence = estimate_sigma(plane[None, None], told), _evidence(widths)
    is_doubtful = not widths.is_blurred
    seen = plane[shown > 0]
    varied = len(seen) > 1 and float(seen.std()) > _LEAST_CONTRAST * noise
    is_small = plane.numel() < _VALUES_FOR_A_WEIGHT * _SIDES[0] ** 2
    if is_doubtful and (kind == "lens" or widths.is_sharp or not varied or is_small):
        return _nothing(evidence)
    covariance = widths.gaussian() if widths.found else None
    if kind == "lens":
        assert covariance is not None  # a blur that edges show
        return _lens(covariance, len(widths.found) / len(widths.widths), evidence)
    found = []
    for side in _SIDES:
        found.append(_estimated(plane, shown, side, noise))
        if _extent(found[-1]) < _FILLED * side or 2 * side > min(plane.shape) - 1:
            break
    lens = None if covariance is None else torch.from_numpy(gaussian_of(covariance)).float()
    margin = max(len(kernel) for kernel in [*found, *([] if lens is None else [lens])])
    sparsity = _sparsities(plane, shown, noise, margin)
    # What fills the smaller side may be a long path, or specks that a larger side only has more of.
    kernel = min(found, key=sparsity) if len(found) > 1 else found[0]
    free = sparsity(kernel)
    evidence["spread"] = round(spread(kernel), 3)
    if is_doubtful:
        evidence["sparsity"] = round(free / sparsity(impulse(1)), 4)
        if evidence["sparsity"] > _SPARSER_THAN_BLURRED:
            return _nothing(evidence, min(1.0, 0.5 + _SURE * (evidence["sparsity"] - _SPARSER_THAN_BLURRED)))
    above = 0.0
    if kind is None and covariance is not None and lens is not None:
        width = math.sqrt(float(np.trace(covariance)) / 2)
        score = free / sparsity(lens) - _WIDER * math.log(max(spread(kernel), 0.1) / width)
        evidence["sparsity_with_lens"] = round(score, 4)
        above = score - _SPARSER
        if above > 0:
            return _lens(covariance, min(1.0, 0.5 + _SURE * above), evidence)
    sure = min(1.0, 0.5 + _SURE * abs(above))
    shape = nearest_shape(kernel, kind)
    if kind is None and not shape.is_convincing:
        # Texture adds specks to the kernel, which are no part of its shape.
        simpler = nearest_shape(_largest_part(kernel))
        if simpler.is_convincing and sparsity(torch.from_numpy(simpler.kernel).float()) < free:
            shape = simpler
    evidence["likeness"] = round(shape.likeness, 4)
    if shape.is_convincing or kind == "motion":
        return KernelEstimate(shape.kernel, shape.kind, shape.parameters, shape.likeness, evidence)
    return KernelEstimate(
        trimmed(centred(kernel)).double().numpy(), "free", {}, sure * _connected_share(kernel), evidence
    )


def _extended(plane: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """The plane with the nearest known pixel wherever none is: what is hidden there must not begin the estimate."""
    holes = known.numpy() == 0
    if not holes.any() or holes.all():
        return plane
    rows, columns = ndimage.distance_transform_edt(holes, return_distances=False, return_indices=True)
    return plane[torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]


def _evidence(widths: DirectionalWidths) -> dict[str, float]:
    found = widths.found
    return (
        {"edge_width": round(float(np.median(found)), 3), "widest_edge": round(max(found), 3)}
        if found
        else {}
    )


def _lens(covariance: np.ndarray, confidence: float, evidence: Mapping[str, float]) -> KernelEstimate:
    """The Gaussian of a covariance, round where it is nearly so."""
    smallest, largest = np.sqrt(np.linalg.eigvalsh(covariance))
    if largest < _ROUND * smallest:
        sigma = round(math.sqrt(float(np.trace(covariance)) / 2), 2)
        weights = kernels.gaussian(sigma)
        return KernelEstimate(
            np.outer(weights, weights), "gaussian", {"gaussian": sigma}, confidence, evidence
        )
    return KernelEstimate(gaussian_of(covariance), "free", {}, confidence, evidence)


def _sparsities(
    plane: torch.Tensor, known: torch.Tensor, noise: float, margin: int
) -> Callable[[torch.Tensor], float]:
    """The sparsity of the gradients of the image restored with a kernel, as a function of the kernel.

    Noise that is left makes the gradients of kernels that leave little blur less sparse, so that the weight of the
    total variation grows with it.
    """
    weight = max(VARIATION_WEIGHT, _VARIATION_OF_NOISE * noise)
    return lambda kernel: restored_sparsity(plane, known, kernel, margin, weight)


def _nothing(evidence: Mapping[str, float], sure: float = 1.0) -> KernelEstimate:
    return KernelEstimate(impulse(1).numpy(), "none", {}, sure if evidence else 0.0, evidence)


def _largest_part(kernel: torch.Tensor) -> torch.Tensor:
    """The connected part with most of the sum."""
    labels, count = ndimage.label(kernel.numpy() > 0, structure=np.ones((3, 3)))
    sums = ndimage.sum_labels(kernel.numpy(), labels, range(1, count + 1))
    return torch.where(torch.from_numpy(labels == 1 + int(np.argmax(sums))), kernel, 0.0)


def _connected_share(kernel: torch.Tensor) -> float:
    """How little of the kernel is scattered: the share of the sum in its largest connected part."""
    return float(_largest_part(kernel).sum()) / max(float(kernel.sum()), 1e-9)


def _estimated(plane: torch.Tensor, known: torch.Tensor, side: int, sigma: float) -> torch.Tensor:
    """The free kernel (n, n) of at most `side` pixels, from coarse to fine, under noise of level `sigma`."""
    side = min(side, (min(plane.shape) // 2 - 1) | 1)
    sides = [side]
    while sides[-1] > 3:
        smaller = round(sides[-1] * _STEP)
        sides.append(max(3, min(smaller - 1 + smaller % 2, sides[-1] - 2)))
    ridge = _RIDGE * plane.numel() / _RIDGE_PIXELS
    kernel, weight, strong = impulse(3), _EDGE_WEIGHT, StrongEdges()
    kernel[1, 1:] = 0.5
    for level in reversed(range(len(sides))):
        side = sides[level]
        canvas = _canvas(plane, known, _STEP**level, side)
        kernel = _enlarged(kernel, side)
        for _ in range(_TURNS):
            x, measurement = few_edges(canvas, kernel, weight)
            gradient = strong(differences(x), side)
            kernel = fitted_kernel(gradient, measurement, side, ridge, _FIT_STEPS)
            kernel = pruned(kernel, _LEAST_WEIGHT, _SMALLEST_PART)
            weight = max(weight / _EDGE_LOWERING, _LEAST_EDGE_WEIGHT)
    canvas = Canvas.around(plane, known, side // 2 + 1)
    share = plane.numel() / _RIDGE_PIXELS
    ridges = _LAST_RIDGE * share, _SMOOTHNESS * sigma**2 * share
    candidates = [_refined(canvas, kernel, ridges, shares) for shares in _LAST_LEAST_WEIGHTS]
    weight = max(VARIATION_WEIGHT, _VARIATION_OF_NOISE * sigma)
    slopes = [small_slopes(canvas, found, weight) for found in candidates]
    # What is all but as good errs differently, and the picture cannot tell which of them is right.
    least = min(slopes)
    width = _AS_PLAUSIBLE * max(least, 1e-9)
    return mean_kernel(candidates, [math.exp((least - one) / width) for one in slopes])


def _refined(
    canvas: Canvas, kernel: torch.Tensor, ridges: tuple[float, float], shares: Iterable[float]
) -> torch.Tensor:
    """The kernel at the finest level, from an image whose edges have their heights and that goes on beyond it.

    The ridges are the weights of the squares of the kernel and of its gradient.
    """
    side, image, iterations = len(kernel), SmallVariation(canvas, VARIATION_WEIGHT), _FIRST_ITERATIONS
    for least in shares:
        x, measurement = image(kernel, iterations)
        gradient = StrongEdges()(differences(x), side)
        kernel = fitted_kernel(gradient, measurement, side, ridges[0], _LAST_FIT_STEPS, ridges[1])
        kernel = pruned(kernel, least, _LAST_PART)
        iterations = _ITERATIONS
    return kernel


def _canvas(plane: torch.Tensor, known: torch.Tensor, scale: float, margin: int) -> Canvas:
    if scale == 1:
        return Canvas.around(plane, known, margin)
    size = [max(8, round(length * scale)) for length in plane.shape]
    small = functional.interpolate(plane[None, None], size=size, mode="bicubic", antialias=True)[0, 0]
    weight = functional.interpolate(known[None, None], size=size, mode="bilinear", antialias=True)[0, 0]
    return Canvas.around(small, (weight > 0.99).to(small), margin)


def _enlarged(kernel: torch.Tensor, side: int) -> torch.Tensor:
    if len(kernel) == side:
        return kernel
    larger = functional.interpolate(kernel[None, None], size=(side, side), mode="bicubic")[0, 0].clamp(min=0)
    return larger / larger.sum()


def _extent(kernel: torch.Tensor) -> int:
    """The longer side of the smallest rectangle around the weights."""
    rows, columns = (kernel.amax(dim=1 - axis).nonzero()[:, 0] for axis in (0, 1))
    return int(max(rows.max() - rows.min(), columns.max() - columns.min())) + 1
