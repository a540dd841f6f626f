"""Restore one damaged image with nothing but that image.

>>> import zeroshot
>>> from skimage.data import astronaut
>>> damaged = astronaut()[:64, 200:264]
>>> restored = zeroshot.solve(damaged, task="denoise", prior="tv", sigma=10 / 255).image
>>> restored.shape
(64, 64, 3)

:func:`solve` is the engine, :func:`tasks` lists the damages it undoes, :func:`prior_names` what it may assume
about images. Prior classes such as ``zeroshot.DeepImagePrior`` are loaded when they are first asked for.
"""

from typing import Any

from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.estimate import Estimate
from zeroshot.prior import Prior, Run
from zeroshot.problem import Problem
from zeroshot.registry import class_named, class_names, prior_names
from zeroshot.restoration import Restoration
from zeroshot.solve import solve
from zeroshot.stopping import (
    Discrepancy,
    DualityGap,
    ExponentialMovingVariance,
    Finished,
    HeldOut,
    MaxIterations,
    Plateau,
    StoppingRule,
    TimeBudget,
    WindowedMovingVariance,
)
from zeroshot.tasks import tasks
from zeroshot.version import __version__

__all__ = [
    "L1",
    "DataTerm",
    "Discrepancy",
    "DualityGap",
    "Estimate",
    "ExponentialMovingVariance",
    "Finished",
    "Gaussian",
    "HeldOut",
    "Huber",
    "MaxIterations",
    "Plateau",
    "Poisson",
    "Prior",
    "Problem",
    "Restoration",
    "Run",
    "StoppingRule",
    "TimeBudget",
    "WindowedMovingVariance",
    "__version__",
    "prior_names",
    "solve",
    "tasks",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *class_names()})


def __getattr__(name: str) -> Any:
    found = None if name.startswith("_") else class_named(name)
    if found is None:
        raise AttributeError(f"module 'zeroshot' has no attribute {name!r}")
    return found
