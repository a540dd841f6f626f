"""The noise of a measurement: what it is (:class:`NoiseModel`); all of it estimated from one image
(:func:`estimate_noise`), or its level alone (:func:`estimate_sigma`); whether it is white; pixels that stand out;
synthetic noise; variance stabilisation.

All noise levels are standard deviations on the [0, 1] scale: the literature's sigma = 25 is 25/255 here.
"""

from zeroshot.noise.beside import Beside
from zeroshot.noise.blind import estimate_noise
from zeroshot.noise.contrast import contrasts
from zeroshot.noise.estimate import QUANTISATION, estimate_sigma, phase_planes
from zeroshot.noise.kernel_misfit import BlurredNoise, noise_behind_blur
from zeroshot.noise.model import NoiseModel
from zeroshot.noise.outliers import all_and_clear_outliers, outliers
from zeroshot.noise.saturation import saturated
from zeroshot.noise.stripes import StripeComponent, stripe_component
from zeroshot.noise.synthesis import add_gaussian, add_poisson, add_salt_and_pepper, random_mask, stripes
from zeroshot.noise.whiteness import Levels, correlated_noise

__all__ = [
    "QUANTISATION",
    "Beside",
    "BlurredNoise",
    "Levels",
    "NoiseModel",
    "StripeComponent",
    "add_gaussian",
    "add_poisson",
    "add_salt_and_pepper",
    "all_and_clear_outliers",
    "contrasts",
    "correlated_noise",
    "estimate_noise",
    "estimate_sigma",
    "noise_behind_blur",
    "outliers",
    "phase_planes",
    "random_mask",
    "saturated",
    "stripe_component",
    "stripes",
]
