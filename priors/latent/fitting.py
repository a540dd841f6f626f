"""What the latent priors share in fitting: how far from the mean, by which schedule, and what is left over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeroshot.checks import require_choice, require_number, require_positive
from zeroshot.data_terms import Gaussian
from zeroshot.generators import Generator
from zeroshot.generators.vgg import FeatureExtractor
from zeroshot.priors.latent.perceptual import require_perceptual
from zeroshot.problem import Problem

#: The tasks in which much of the picture is not measured, and what the latent priors do there: chosen over real and
#: drawn faces and digits, see ``benchmarks/latent.py``.
DAMAGED = ("sr", "inpaint", "colorize")
FOR_DAMAGED: dict[str, Any] = {
    "distance": None,
    "remainder": "smooth",
    "learning_rate": 0.1,
    "schedule": "cosine",
}


@dataclass(frozen=True)
class FittingSettings:
    """What a latent is fitted by, and what becomes of what the generator does not make.

    Parameters
    ----------
    weights : path, str or Generator
        The generator: a file of weights, a name of the zoo, or an object.
    mapping : path or None
        The mapping network, where the weights come in two files.
    label : int or None
        The class, for generators with classes.
    schedule : {"fixed", "cosine"}
        The learning rate over the iterations; "cosine" falls to a twentieth.
    truncation : float
        ψ: the deviation of the latents, as a share of the generator's own; less than 1 keeps to its more usual
        images, through the distance too.
    distance : float or None
        Weight of the penalty on leaving the middle of the latent space. None is ½ `misfit`² · length / (measured
        values), with which the minimum is the most probable latent.
    misfit : float
        The deviation that the generator's images are expected to have from the measurements, on the [0, 1] scale.
    remainder : {"none", "smooth"}
        "smooth" adds to the generator's image the smoothest one that makes up for what it misses of the measurements
        (see :class:`~zeroshot.priors.latent.remainder.SmoothRemainder`); only of linear operators and white noise.
    detail : float or None
        With a remainder: how much of the generator's contrast enters, from 0 to 1. All of it is sharper; what is less
        is nearer to the truth in the mean, as details that are guessed are wrong in part. None: from 0.65 to 0.95, the
        more the better the generator makes the measurements.
    features : FeatureExtractor, path, str or None
        The network of a perceptual term beside the pixels' own: "vgg16", "vgg19" or a file of either.
    perceptual : float
        Weight of that term; 0 leaves it out.
    """

    weights: str | Path | Generator | None = None
    mapping: str | Path | None = None
    label: int | None = None
    schedule: str = "fixed"
    truncation: float = 1.0
    distance: float | None = 0.0
    misfit: float = 0.1
    remainder: str = "none"
    detail: float | None = None
    features: FeatureExtractor | str | Path | None = None
    perceptual: float = 0.0

    def __post_init__(self) -> None:
        require_choice(self, "schedule", ("fixed", "cosine"))
        require_choice(self, "remainder", ("none", "smooth"))
        require_positive(self, "misfit", "truncation")
        require_number(self, "detail", most=1, none="allowed")
        require_number(self, "distance", none="allowed")
        require_number(self, "perceptual")
        require_perceptual(self.features, self.perceptual)


def distance_of(prior: FittingSettings, problem: Problem, length: int) -> float:
    """The weight λ of the mean square of a standard normal latent beside the data term.

    With a misfit of deviation τ in each of n measured values, −log p(v | y) is Σ (A G(v) − y)² / (2 τ²) + ‖v‖² / 2
    up to a constant. Divided by n / τ² it is the data term of half the mean squared error, and
    λ = τ² length / (2 n).

    Parameters
    ----------
    prior : FittingSettings
        Its `distance`, where that is a number, is λ.
    problem : Problem
        For the number of measured values, their noise, which adds to τ², and the scale of the data term.
    length : int
        Of the latent.
    """
    if prior.distance is not None:
        return prior.distance
    known = problem.known_pixels()
    count = problem.y.numel() if known is None else float(known.sum())
    variance = prior.misfit**2 + (problem.sigma or 0.0) ** 2
    scale = problem.data_term.sigma**2 if isinstance(problem.data_term, Gaussian) else 1.0
    return variance * length / (2 * max(count, 1.0) * scale)
