"""What a network trained on photographs sees: features as a data term, and images looked for by their features."""

from zeroshot.perceptual.data_term import Perceptual
from zeroshot.perceptual.inversion import FeatureMap, invert_features
from zeroshot.perceptual.vgg import FeatureExtractor, extractor_for

__all__ = ["FeatureExtractor", "FeatureMap", "Perceptual", "extractor_for", "invert_features"]
