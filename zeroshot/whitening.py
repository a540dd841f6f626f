"""Whitening as an operator: noise of any model becomes white noise of one level, for priors that know no other.

``y = x + n`` is as much as ``W y = W x + W n`` with W the whitening of n, whose noise is white: the data term of that,
``‖W (x − y)‖²``, is the likelihood of the noise as it is. The level is that of the noise in y, so that white noise is
left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from zeroshot.noise import NoiseModel
from zeroshot.operators.operator import Operator, Shape


class Whitening(Operator):
    """W x = σ S^(−1/2) x / √v(y), with the level σ of the noise.

    Parameters
    ----------
    noise : NoiseModel
        Of the measurement.
    at : torch.Tensor
        The measurement, (N, C, H, W), whose values say how strong the noise is.
    level : float
        σ.
    """

    at: torch.Tensor

    def __init__(self, noise: NoiseModel, at: torch.Tensor, level: float) -> None:
        super().__init__()
        self._noise, self._level = noise, level
        self.register_buffer("at", at)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """W x."""
        return self._level * self._noise.whiten(x, self.at)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return self._level * self._noise.whiten_adjoint(y, self.at)

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        """The inverse, which is exact."""
        return self._noise.unwhiten(y, self.at) / self._level

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        return tuple(measurement_shape)

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        return tuple(image_shape)

    def norm(self, measurement_shape: Sequence[int] | None = None) -> float:
        """An upper bound of ‖W‖₂."""
        return self._level * self._noise.most_whitening(self.at)

    def describe(self) -> str:
        return "whitening"
