"""Features of a network trained on photographs: as a data term, and as an operator."""

from zeroshot.perceptual.data_term import Perceptual
from zeroshot.perceptual.feature_map import FeatureMap
from zeroshot.perceptual.vgg import FeatureExtractor

__all__ = ["FeatureExtractor", "FeatureMap", "Perceptual"]
