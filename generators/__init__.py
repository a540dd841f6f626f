"""Pretrained generators as image models: written from their papers, loaded without running anything from a file.

This package needs torch and nothing else of zeroshot, so that it can be used alone::

    from zeroshot import generators

    generator = generators.load("ffhq.pkl")
    generators.save(generator, "ffhq.safetensors")
"""

from __future__ import annotations

from .formats import load, save
from .generator import Features, Generator, Noise, WrappedGenerator, describe
from .pggan import ProgressiveGAN
from .stylegan import StyleGAN
from .stylegan2 import StyleGAN2
from .stylegan3 import StyleGAN3
from .tiny_decoder import TinyDecoder

__all__ = [
    "Features",
    "Generator",
    "Noise",
    "ProgressiveGAN",
    "StyleGAN",
    "StyleGAN2",
    "StyleGAN3",
    "TinyDecoder",
    "WrappedGenerator",
    "describe",
    "load",
    "save",
]
