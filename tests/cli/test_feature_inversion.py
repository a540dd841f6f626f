"""Images drawn by their features, with random weights."""

from __future__ import annotations

import pytest
import torch

from tests.generators.random_vgg import random_vgg
from zeroshot.cli.feature_inversion import invert_features
from zeroshot.metrics import psnr


def test_feature_inversion_approaches_the_features(photograph):
    network = random_vgg()
    crop = photograph[..., :32, :32].contiguous()
    settings = {"channels": 16, "scales": 3, "iterations": 40}
    result = invert_features(crop, network, "relu1_2", settings=settings)
    wanted, grey, restored = (
        network(image, ("relu1_2",))[0] for image in (crop, torch.full_like(crop, 0.5), result.image.float())
    )
    assert (restored - wanted).square().mean() < 0.5 * (grey - wanted).square().mean()
    assert psnr(result.image, crop) > psnr(torch.full_like(crop, 0.5), crop)
    assert result.provenance["task"] == "invert-features"
    assert result.provenance["options"]["layer"] == "relu1_2"
    with pytest.raises(ValueError, match=r"cannot do this: .* features\(VGG16, relu1_2\) is not"):
        invert_features(crop, network, "relu1_2", prior="tv")
