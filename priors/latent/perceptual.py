"""The perceptual part of a latent prior's data term: features of a network trained on photographs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from zeroshot.checks import require_number
from zeroshot.data_terms import Gaussian, Perceptual
from zeroshot.generators.vgg import FeatureExtractor
from zeroshot.priors.latent.weights import extractor_for
from zeroshot.problem import Problem

#: What `features` may be: nothing, a network, a file of one, or "vgg16" or "vgg19".
Features = FeatureExtractor | str | Path | None


def require_perceptual(features: Features, weight: float) -> None:
    """ValueError where the weight of the features is no number of at least 0, or there are none to weigh."""
    require_number({"perceptual": weight}, "perceptual")
    if weight and features is None:
        raise ValueError(
            f"perceptual={weight:g} must come with features=…: 'vgg16', 'vgg19' or a file of one"
        )


def perceptual_misfit(problem: Problem, features: Features, weight: float) -> str | None:
    """Why the problem's measurements have no features, or None."""
    if features is None or weight == 0:
        return None
    if not isinstance(problem.data_term, Gaussian):
        return (
            f"features need the Gaussian data term, and this problem has {type(problem.data_term).__name__}"
        )
    if problem.y.shape[1] not in (1, 3):
        return f"features are those of grey or RGB measurements, and these have {problem.y.shape[1]} channels"
    return None


def with_features(problem: Problem, features: Features, weight: float) -> Problem:
    """The problem with D(p, y) + `weight` · Σₗ mean ½(Φₗ(p) − Φₗ(y))² as its data term.

    Parameters
    ----------
    problem : Problem
        Of the Gaussian data term D.
    features : FeatureExtractor, path, str or None
        Φ; None, like a weight of 0, leaves the problem as it is.
    weight : float
        Of the features beside half the squared error of the pixels.

    References
    ----------
    J. Gu, Y. Shen, B. Zhou: Image processing using multi-code GAN prior, CVPR 2020, for the objective.
    """
    if features is None or weight == 0:
        return problem
    assert isinstance(problem.data_term, Gaussian)
    precision = 1 / problem.data_term.sigma**2
    return replace(
        problem, data_term=Perceptual(extractor_for(features), pixels=precision, features=weight * precision)
    )
