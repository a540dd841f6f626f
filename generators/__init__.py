"""Pretrained generators as image models: written from their papers, loaded without running anything from a file.

This package needs torch and nothing else of zeroshot, so that it can be used alone.
"""

from .generator import Features, Generator, Noise, WrappedGenerator
from .pggan import ProgressiveGAN
from .stylegan import StyleGAN
from .stylegan2 import StyleGAN2
from .stylegan3 import StyleGAN3

__all__ = [
    "Features",
    "Generator",
    "Noise",
    "ProgressiveGAN",
    "StyleGAN",
    "StyleGAN2",
    "StyleGAN3",
    "WrappedGenerator",
]
