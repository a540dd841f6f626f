"""VGG16 with random weights."""

from __future__ import annotations

import torch

from zeroshot.generators.vgg import FeatureExtractor


def random_vgg() -> FeatureExtractor:
    """The same weights at every call; the global random state stays as it is."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FeatureExtractor(16)
