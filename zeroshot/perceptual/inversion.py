"""Feature inversion: the natural image that a network cannot tell from a given one.

min over θ of ‖Φ(x(θ)) − Φ(x₀)‖²: what a layer still knows of an image, drawn by the prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from zeroshot import images
from zeroshot.operators.operator import Operator, Shape
from zeroshot.perceptual.vgg import FeatureExtractor
from zeroshot.problem import Problem


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


def invert_features(
    image: Any, extractor: FeatureExtractor, layer: str = "relu4_1", prior: Any = "dip", **arguments: Any
) -> Any:
    """The image that has the features of `image` after `layer`, as the prior draws it.

    Parameters
    ----------
    image : path, PIL image, numpy array or torch tensor
        x₀, in colour.
    extractor : FeatureExtractor
        Φ.
    layer : str
        The layer; the deeper, the more freely the image is drawn.
    prior : str or Prior
        What images look like; it must do without a linear operator.
    **arguments
        Those of :func:`zeroshot.solve`: settings, seconds, seed, device …

    Returns
    -------
    Restoration
        Of a float image, (1, 3, H, W).

    References
    ----------
    A. Mahendran, A. Vedaldi: Understanding deep image representations by inverting them, CVPR 2015.
    D. Ulyanov, A. Vedaldi, V. Lempitsky: Deep Image Prior, CVPR 2018, section "natural pre-image".
    """
    from zeroshot.solve import solve_problem

    picture = images.load(image)
    colours = picture.colours
    if colours.shape[0] != 1:
        raise ValueError("give the images of a batch one by one")
    if colours.shape[1] not in (1, 3):
        raise ValueError(f"features are those of grey or RGB images, got {colours.shape[1]} channels")
    with torch.no_grad():
        features = extractor(colours, (layer,))[0]
    scale = max(features.square().mean().sqrt().item(), 1e-6)
    height, width = colours.shape[-2:]
    operator = FeatureMap(extractor, layer, height, width, scale)
    problem = Problem(features / scale, operator, sigma=0.0, task="restore")
    return solve_problem(image, problem, prior, task="invert-features", layer=layer, **arguments)
