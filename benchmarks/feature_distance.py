"""A distance of pictures in the features of a network, for tables: no package and no download is needed.

LPIPS compares unit features of VGG, position by position; this takes those of the encoder of an autoencoder of
photographs, whose weights lie in the folder `shared`. Its figures are its own and not LPIPS's.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch.nn import functional

from zeroshot.generators.formats import load_tensors

from .sets import SHARED

_ENCODER = SHARED.parent / "weights" / "generators" / "taef2_encoder.pth"
#: Layers that halve the size, those whose features are compared, and the last.
_HALVING, _COMPARED, _LAST = (2, 6, 10), (5, 9, 13), 13
#: Small pictures are enlarged, as the encoder's features are those of details several pixels wide.
_ENLARGED = 2


@torch.no_grad()
def feature_distance(image: torch.Tensor, truth: torch.Tensor) -> float:
    """The mean squared distance of unit features, averaged over positions and over three resolutions; 0 to 4.

    Parameters
    ----------
    image, truth : torch.Tensor
        (1, 1 or 3, H, W) in [0, 1].

    References
    ----------
    R. Zhang, P. Isola, A. A. Efros, E. Shechtman, O. Wang: The unreasonable effectiveness of deep features as a
    perceptual metric, CVPR 2018, for the form of the distance.
    """
    distances = [
        (one - other).square().sum(dim=1).mean()
        for one, other in zip(_features(image), _features(truth), strict=True)
    ]
    return float(torch.stack(distances).mean())


@lru_cache(maxsize=1)
def _weights(path: Path) -> dict[str, torch.Tensor]:
    return {name: tensor.float() for name, tensor in load_tensors(path).items()}


def _features(image: torch.Tensor) -> list[torch.Tensor]:
    """Unit features, one map a resolution."""
    weights = _weights(_ENCODER)
    x = functional.interpolate(image.expand(-1, 3, -1, -1), scale_factor=_ENLARGED, mode="bicubic")
    x = functional.conv2d(x.clamp(0, 1), weights["0.weight"], weights["0.bias"], padding=1)
    found = []
    for index in range(1, _LAST + 1):
        if index in _HALVING:
            x = functional.conv2d(x, weights[f"{index}.weight"], stride=2, padding=1)
        else:
            x = _block(weights, str(index), x)
        if index in _COMPARED:
            found.append(functional.normalize(x, dim=1, eps=1e-8))
    return found


def _block(weights: dict[str, torch.Tensor], name: str, x: torch.Tensor) -> torch.Tensor:
    """A residual block, in the deepest layers with a detour through normalised channels before it."""
    if f"{name}.pool.0.weight" in weights:
        wide = functional.conv2d(x, weights[f"{name}.pool.0.weight"])
        wide = functional.group_norm(
            wide, 4, weights[f"{name}.pool.1.weight"], weights[f"{name}.pool.1.bias"]
        )
        x = x + functional.conv2d(wide.relu(), weights[f"{name}.pool.3.weight"])
    inner = x
    for layer in (0, 2, 4):
        if layer:
            inner = inner.relu()
        inner = functional.conv2d(
            inner, weights[f"{name}.conv.{layer}.weight"], weights[f"{name}.conv.{layer}.bias"], padding=1
        )
    return (x + inner).relu()
