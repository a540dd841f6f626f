"""The networks that settings name: feature networks from files, each read without running anything from it."""

from __future__ import annotations

import pytest
import torch

from tests.generators.pickle_writing import call, plain, whole, write_archive
from tests.generators.random_vgg import random_vgg
from zeroshot.priors.latent.weights import extractor_for


def test_a_file_gives_the_network_that_was_saved(tmp_path, photograph):
    network = random_vgg()
    assert extractor_for(network) is network
    torch.save({**network.state_dict(), "classifier.0.weight": torch.zeros(2, 2)}, tmp_path / "vgg.pth")
    read = extractor_for(str(tmp_path / "vgg.pth"))
    layers = ("relu1_1", "relu3_2")
    for ours, wanted in zip(read(photograph, layers), network(photograph, layers), strict=True):
        assert torch.equal(ours, wanted)


def test_hostile_and_wrong_files_are_refused(tmp_path):
    write_archive(tmp_path / "vgg.pth", whole(call("posix.system", plain("ls"))))
    with pytest.raises(ValueError, match=r"vgg\.pth: the file asks for posix\.system"):
        extractor_for(tmp_path / "vgg.pth")
    with pytest.raises(FileNotFoundError, match="no file of weights"):
        extractor_for(tmp_path / "none.pth")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "small.pth")
    with pytest.raises(
        ValueError, match=r"small\.pth holds no VGG16 or VGG19: 1 convolutions, wanted 13 or 16"
    ):
        extractor_for(tmp_path / "small.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(ValueError, match=r"list\.pth holds a list, not a state dict"):
        extractor_for(tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("weights")
    with pytest.raises(ValueError, match=r"text\.pth is no file of tensors"):
        extractor_for(tmp_path / "text.pth")
