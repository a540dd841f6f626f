"""Feature inversion: the natural image that a network cannot tell from a given one.

min over θ of ‖Φ(x(θ)) − Φ(x₀)‖²: what a layer still knows of an image, drawn by the prior.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from zeroshot import images
from zeroshot.generators.vgg import FeatureExtractor
from zeroshot.operators import Operator, from_functions
from zeroshot.prior import Prior
from zeroshot.problem import Problem
from zeroshot.restoration import Restoration
from zeroshot.solve import solve_problem


def invert_features(
    image: Any,
    extractor: FeatureExtractor,
    layer: str = "relu4_1",
    prior: str | Prior = "dip",
    **arguments: Any,
) -> Restoration:
    """The image that has the features of `image` after `layer`, as the prior draws it.

    Parameters
    ----------
    image : path, PIL image, numpy array or torch tensor
        x₀, grey or in colour.
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

    Raises
    ------
    ValueError
        Where the layer is unknown, the image has other channels, or there are several images.

    References
    ----------
    A. Mahendran, A. Vedaldi: Understanding deep image representations by inverting them, CVPR 2015.
    D. Ulyanov, A. Vedaldi, V. Lempitsky: Deep Image Prior, CVPR 2018, section "natural pre-image".
    """
    colours = images.load(image).colours
    if colours.shape[0] != 1:
        raise ValueError("give the images of a batch one by one")
    if colours.shape[1] not in (1, 3):
        raise ValueError(f"features are those of grey or RGB images, got {colours.shape[1]} channels")
    with torch.no_grad():
        features = extractor(colours, (layer,))[0]
    # With features of unit size the data term has the size that it has for images.
    scale = max(features.square().mean().sqrt().item(), 1e-6)
    height, width = colours.shape[-2:]
    operator = _feature_map(extractor, layer, scale, (height, width))
    problem = Problem(features / scale, operator, sigma=0.0, task="restore")
    return solve_problem(image, problem, prior, task="invert-features", layer=layer, **arguments)


def _feature_map(extractor: FeatureExtractor, layer: str, scale: float, size: tuple[int, int]) -> Operator:
    """A x = Φ(x) / scale, for images of one size, which the features do not tell exactly."""
    # Elsewhere with a copy: the caller's own network stays where it is.
    networks = {extractor.mean.device: extractor}

    def features(x: torch.Tensor) -> torch.Tensor:
        if x.device not in networks:
            networks[x.device] = copy.deepcopy(extractor).to(x.device)
        return networks[x.device](x, (layer,))[0] / scale

    # What errors and the provenance call the operator.
    features.__name__ = f"features(VGG{extractor.depth}, {layer})"
    return from_functions(features, input_shape=(3, *size), linear=False)
