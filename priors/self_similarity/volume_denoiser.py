"""Collaborative filtering and non-local means as denoisers of volumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from zeroshot.priors.self_similarity import nonlocal_volume
from zeroshot.priors.self_similarity.bm3d import volume as collaborative_volume
from zeroshot.volume_denoiser import Reach, VolumeDenoiser


@dataclass(frozen=True)
class SimilarityVolumeDenoiser(VolumeDenoiser):
    """A function of a volume, the level of its noise and settings.

    Attributes
    ----------
    function : callable
        (volume, sigma, **settings) ↦ the denoised volume.
    distance : callable
        (sigma, **settings) ↦ how far a value reaches, in planes and in pixels.
    settings : mapping
    bytes_per_value, least_bytes, step : int
        See :class:`~zeroshot.volume_denoiser.VolumeDenoiser`.
    """

    function: Callable[..., torch.Tensor]
    distance: Callable[..., tuple[int, int]]
    settings: Mapping[str, Any]
    bytes_per_value: int
    least_bytes: int
    step: int

    def reach(self, sigma: float) -> Reach:
        """Search and cubes of all passes."""
        return Reach(*self.distance(sigma, **self.settings))

    def __call__(self, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        """The denoised volume; cubes are compared in the brightness."""
        return self.function(noisy, sigma, **self.settings)


#: Bytes for every value of the volume and the result.
_BOTH = 8


def collaborative(**settings: Any) -> SimilarityVolumeDenoiser:
    """BM4D with these settings of :func:`~zeroshot.priors.self_similarity.bm3d.volume.filter_volume`."""
    room = collaborative_volume.BYTES_PER_VALUE + _BOTH, collaborative_volume.LEAST_BYTES
    return SimilarityVolumeDenoiser(
        collaborative_volume.filter_volume,
        collaborative_volume.reach,
        settings,
        *room,
        collaborative_volume.STEP,
    )


def nonlocal_means(**settings: Any) -> SimilarityVolumeDenoiser:
    """Non-local means with settings of :func:`~zeroshot.priors.self_similarity.nonlocal_volume.average_volume`."""
    room = nonlocal_volume.BYTES_PER_VALUE + _BOTH, nonlocal_volume.LEAST_BYTES
    return SimilarityVolumeDenoiser(
        nonlocal_volume.average_volume, nonlocal_volume.reach, settings, *room, nonlocal_volume.STEP
    )
