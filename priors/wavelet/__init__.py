"""Wavelet sparsity: orthogonal, cycle-spun and undecimated transforms, and the prior that shrinks them."""

from .prior import Wavelet

__all__ = ["Wavelet"]
