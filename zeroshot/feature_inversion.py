"""Feature inversion: the natural image that a network cannot tell from a given one.

min over θ of ‖Φ(x(θ)) − Φ(x₀)‖²: what a layer still knows of an image, drawn by the prior.
"""

from __future__ import annotations

from typing import Any

import torch

from zeroshot import images
from zeroshot.perceptual import FeatureExtractor, FeatureMap
from zeroshot.problem import Problem
from zeroshot.solve import solve_problem


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
