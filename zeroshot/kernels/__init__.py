"""Blur kernels and downsampling kernels that are found from one image, and how sure they are."""

from zeroshot.kernels.blind import blur_kernel
from zeroshot.kernels.downsampling import downsampling_kernel
from zeroshot.kernels.estimate import KINDS, KernelEstimate

__all__ = ["KINDS", "KernelEstimate", "blur_kernel", "downsampling_kernel"]
