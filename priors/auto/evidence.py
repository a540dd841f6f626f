"""What examinations say of two candidates, beside what was known of them before."""

from __future__ import annotations

import math

import torch

#: Standard deviation in dB of how much better one prior is than another, from picture to picture, and of how far the
#: judgement by an examination is from that by the truth where chance plays no part.
_PICTURES, _JUDGEMENT = 0.7, 0.3
#: By how many standard deviations of what is expected a candidate must lead to take the place of one before it.
_CAUTION = 0.5
#: By how many it must fall behind to be given up.
_HOPELESS = 2.0
#: The error is not taken for less than this share of what is measured, however much of that is chance.
_LEAST_SHARE = 0.05


def gain(errors: torch.Tensor, leader: torch.Tensor, chance: float) -> tuple[float, float]:
    """How many dB a candidate is better than the leader, and the standard error of that.

    With the penalties eᵢ of the one and fᵢ of the other, and c, what both would have by chance, it is
    ``10 log₁₀ (f̄ − c) / (ē − c)``. The errors are paired: what is hard to predict is so for both.

    Parameters
    ----------
    errors, leader : torch.Tensor
        Penalties of the two in the same places, of one dimension.
    chance : float
        c ≥ 0.
    """
    own, other = _excess(errors, chance), _excess(leader, chance)
    if own == other == 0:
        return 0.0, 0.0
    if min(own, other) == 0:
        return math.copysign(100.0, other - own), 0.0
    decibel = 10 / math.log(10)
    influence = leader / other - errors / own
    count = len(influence)
    spread = float(influence.std()) / math.sqrt(count) if count > 1 else math.inf
    return decibel * math.log(other / own), decibel * spread


def _excess(errors: torch.Tensor, chance: float) -> float:
    mean = float(errors.mean())
    return max(mean - chance, _LEAST_SHARE * mean)


def expected(observed: float, standard_error: float, measured: float) -> tuple[float, float]:
    """The gain to expect, and its standard deviation, from an observed one and from the mean over other pictures.

    Both are taken for normal: the mean of the two, weighted by the inverse of their variances.
    """
    of_pictures, of_trial = _PICTURES**2, standard_error**2 + _JUDGEMENT**2
    if math.isinf(of_trial):
        return measured, _PICTURES
    total = 1 / of_pictures + 1 / of_trial
    return (measured / of_pictures + observed / of_trial) / total, total**-0.5


def cautious(mean: float, deviation: float) -> float:
    """What a candidate is sure enough to gain on the leader, whose own is 0."""
    return mean - _CAUTION * deviation


def is_hopeless(mean: float, deviation: float, best: float) -> bool:
    """Whether a candidate need not be tried further where another is expected to gain `best`."""
    return mean + _HOPELESS * deviation < best
