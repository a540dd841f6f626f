"""Damage with a known truth: what a task undoes, done to a good image, with a seed and a record of it."""

from zeroshot.degradation.damage import DAMAGE
from zeroshot.degradation.degraded import Degraded, check, cropped_for, degrade
from zeroshot.degradation.noise import NOISE
from zeroshot.degradation.restoring import COMPANIONS, restoring_command
from zeroshot.degradation.rounding import Quantise

__all__ = [
    "COMPANIONS",
    "DAMAGE",
    "NOISE",
    "Degraded",
    "Quantise",
    "check",
    "cropped_for",
    "degrade",
    "restoring_command",
]
