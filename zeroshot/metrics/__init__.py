"""How good an image is, in the conventions of the published tables.

Functions that compare with a reference (:func:`psnr`, :func:`psnr_y`, :func:`ssim`, :func:`ssim_y`,
:func:`ms_ssim`, :func:`gmsd`), one that needs none (:func:`niqe`), one that compares with the measurement
(:func:`consistency`), those of blur kernels (:func:`kernel_similarity`, :func:`error_ratio`), and the table of
names :data:`METRICS`, of which :func:`metric` takes one:
``metric("psnr_y_border4").compute(image, reference)``.
"""

from __future__ import annotations

from zeroshot.metrics.comparable import Image, Quantise
from zeroshot.metrics.gradients import gmsd
from zeroshot.metrics.kernels import Similarity, error_ratio, kernel_similarity
from zeroshot.metrics.luminance import grey_full_range, luma_16_235
from zeroshot.metrics.measurement import consistency, expected_consistency
from zeroshot.metrics.naturalness import niqe
from zeroshot.metrics.registry import CONVENTIONS, METRICS, Metric, metric
from zeroshot.metrics.signal_to_noise import psnr, psnr_y
from zeroshot.metrics.similarity import ms_ssim, ssim, ssim_y

__all__ = [
    "CONVENTIONS",
    "METRICS",
    "Image",
    "Metric",
    "Quantise",
    "Similarity",
    "consistency",
    "error_ratio",
    "expected_consistency",
    "gmsd",
    "grey_full_range",
    "kernel_similarity",
    "luma_16_235",
    "metric",
    "ms_ssim",
    "niqe",
    "psnr",
    "psnr_y",
    "ssim",
    "ssim_y",
]
