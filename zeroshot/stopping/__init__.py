"""When to stop: rules that watch a run's estimates and say when the image is fitted and the damage is not.

Rules combine: ``WindowedMovingVariance() | MaxIterations(3000)`` stops when either fires, ``a & b`` when both
have. A rule sees estimates and the problem, never the prior, so that one rule serves every prior.
"""

from zeroshot.stopping.held_out import HeldOutGain
from zeroshot.stopping.limits import Discrepancy, DualityGap, Finished, MaxIterations, Plateau, TimeBudget
from zeroshot.stopping.minimum import HeldOut, MinimumSeeking
from zeroshot.stopping.rule import Both, Combination, Either, StoppingRule
from zeroshot.stopping.variance import ExponentialMovingVariance, WindowedMovingVariance

__all__ = [
    "Both",
    "Combination",
    "Discrepancy",
    "DualityGap",
    "Either",
    "ExponentialMovingVariance",
    "Finished",
    "HeldOut",
    "HeldOutGain",
    "MaxIterations",
    "MinimumSeeking",
    "Plateau",
    "StoppingRule",
    "TimeBudget",
    "WindowedMovingVariance",
]
