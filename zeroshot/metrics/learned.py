"""Measures that are networks trained on people's judgements, computed by the package `pyiqa`.

They need its weights, which `pyiqa` fetches into its own folder the first time that one of them is computed.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import lru_cache
from typing import Any

import torch

from zeroshot.metrics.comparable import Image, alone, comparable

EXTRA = "perceptual-metrics"


def require_package() -> None:
    """Refuse with an ImportError that names the extra where `pyiqa` is not installed.

    Nothing is imported: that alone takes seconds.
    """
    if "pyiqa" not in sys.modules and importlib.util.find_spec("pyiqa") is None:
        raise ImportError(_absent("needs the package pyiqa"))


def compare(name: str, image: Image, reference: Image) -> float:
    """The measure that `pyiqa` calls `name`, of an image against its reference.

    Parameters
    ----------
    name : str
        "lpips" (R. Zhang et al.: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, 2018)
        or "dists" (K. Ding et al.: Image Quality Assessment: Unifying Structure and Texture Similarity, 2020).
    image, reference : torch.Tensor or numpy.ndarray
        As for :func:`zeroshot.metrics.psnr`, in [0, 1], clipped to it; a grey image is taken for R = G = B.

    Raises
    ------
    ImportError
        Where `pyiqa` is missing; the message names the extra.
    """
    x, y = comparable(image, reference, 0, 1.0, "none")
    return _score(name, _colours(x), _colours(y))


def rate(name: str, image: Image) -> float:
    """The measure that `pyiqa` calls `name`, of an image alone.

    Parameters
    ----------
    name : str
        "pi", the perceptual index (10 − Ma + NIQE) / 2 (Y. Blau et al.: The 2018 PIRM Challenge on Perceptual
        Image Super-Resolution, 2018).
    image : torch.Tensor or numpy.ndarray
        As for :func:`compare`.
    """
    return _score(name, _colours(alone(image, 0, 1.0, "none")))


def _score(name: str, *images: torch.Tensor) -> float:
    with torch.no_grad():
        return float(_model(name, str(images[0].device))(*images).mean())


def _colours(image: torch.Tensor) -> torch.Tensor:
    """Three channels in [0, 1], in the precision of the networks."""
    return image.clamp(0, 1).float().expand(-1, 3, -1, -1)


@lru_cache(maxsize=4)
def _model(name: str, device: str) -> Any:
    try:
        package = importlib.import_module("pyiqa")
    except ImportError as error:
        raise ImportError(_absent(f"cannot import pyiqa ({error})")) from None
    return package.create_metric(name, device=torch.device(device))


def _absent(what: str) -> str:
    return f'this metric {what}; pip install "zeroshot-restore[{EXTRA}]"'
