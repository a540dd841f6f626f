"""The noise of a measurement: its level, estimated from one image; synthetic noise; variance stabilisation.

All noise levels are standard deviations on the [0, 1] scale: the literature's sigma = 25 is 25/255 here.
"""

from zeroshot.noise.contrast import contrasts
from zeroshot.noise.estimate import QUANTISATION, estimate_sigma, phase_planes
from zeroshot.noise.synthesis import add_gaussian, add_poisson, add_salt_and_pepper, random_mask

__all__ = [
    "QUANTISATION",
    "add_gaussian",
    "add_poisson",
    "add_salt_and_pepper",
    "contrasts",
    "estimate_sigma",
    "phase_planes",
    "random_mask",
]
