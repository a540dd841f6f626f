"""Pretrained generators as image models: written from their papers, loaded without running anything from a file.

This package needs torch and nothing else of zeroshot, so that it can be used alone::

    from zeroshot import generators

    generator = generators.load("ffhq.pkl")
    generators.save(generator, "ffhq.safetensors")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .generator import Features, Generator, Noise, WrappedGenerator
from .pggan import ProgressiveGAN
from .stylegan import StyleGAN
from .stylegan2 import StyleGAN2
from .stylegan3 import StyleGAN3
from .tiny_decoder import TinyDecoder

if TYPE_CHECKING:
    from .checkpoints import describe, load, save

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


def __getattr__(name: str) -> Any:
    """Reading and writing files, imported when first used."""
    if name in ("describe", "load", "save"):
        from . import checkpoints

        return getattr(checkpoints, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
