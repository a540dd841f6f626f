"""The contract of what denoises volumes: planes that lie behind each other, as one array.

A prior that can gives one (:meth:`zeroshot.prior.Prior.volume_denoiser`); :mod:`zeroshot.volumes` cuts a stack into
chunks, calls it and puts the planes back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Reach:
    """How far into a volume a cut is felt, in planes and in pixels: beyond it the result is that of the whole."""

    planes: int
    pixels: int


class VolumeDenoiser(ABC):
    """A map from a noisy volume with white noise of one level to a clean one.

    Attributes
    ----------
    bytes_per_value : int
        About how many bytes it needs for every value of the volume, the volume and the result included.
    least_bytes : int
        What it needs beside that, however large the volume.
    step : int
        Chunks begin at multiples of it, where its own grid has one.
    """

    bytes_per_value: int
    least_bytes: int = 0
    step: int = 1

    @abstractmethod
    def reach(self, sigma: float) -> Reach:
        """How far a cut is felt at this noise level, on the scale of a photograph that fills [0, 1]."""

    def prepared(self, samples: torch.Tensor, sigma: float) -> VolumeDenoiser:
        """The one that all chunks of a volume are given, where something is to be the same in all of them.

        Parameters
        ----------
        samples : torch.Tensor
            Parts of the volume, (N, C, D, H, W), spread over it; all of it where it is small.
        sigma : float
            Standard deviation of their noise.
        """
        return self

    @abstractmethod
    def __call__(self, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        """The denoised volume, not clipped.

        Parameters
        ----------
        noisy : torch.Tensor
            (C, D, H, W), finite, nominally in [0, 1] but not confined to it, on the scale of a photograph that fills
            that range; left unchanged. Three channels are those of the opponent space (:mod:`zeroshot.colour`).
        sigma : float
            Standard deviation of the white noise in every channel, above 0.
        """

    def findings(self) -> dict[str, Any]:
        """What it has found out, for the provenance of a result."""
        return {}
