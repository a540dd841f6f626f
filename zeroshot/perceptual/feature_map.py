"""The features after one layer of a network as an operator."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from zeroshot.operators.operator import Operator, Shape
from zeroshot.perceptual.vgg import FeatureExtractor


class FeatureMap(Operator):
    """A x = Φ(x) / s: the features after one layer, of images of one size.

    Parameters
    ----------
    extractor : FeatureExtractor
        Φ.
    layer : str
        The layer.
    height, width : int
        Of the images; the features do not tell it exactly.
    scale : float
        s, the root mean square of the features to be matched: the data term then has the usual size.
    """

    linear = False

    def __init__(
        self, extractor: FeatureExtractor, layer: str, height: int, width: int, scale: float = 1.0
    ) -> None:
        super().__init__()
        extractor.index(layer)
        if not scale > 0:
            raise ValueError(f"scale must be a positive number, got {scale}")
        self.extractor, self.layer, self._size, self._scale = extractor, layer, (height, width), scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.extractor(x, (self.layer,))[0] / self._scale

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        return (measurement_shape[0], 3, *self._size)

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        """An even grey: the features give no cheap estimate."""
        return torch.full((y.shape[0], 3, *self._size), 0.5, dtype=y.dtype, device=y.device)

    def describe(self) -> str:
        return f"features(VGG{self.extractor.depth}, {self.layer})"
