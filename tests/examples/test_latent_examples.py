"""The examples of pretrained generators, on the published weights; each skips where they are missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.pictures import seeded

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
import pretrained_generators
import restore_digits

FILES = {
    "celeba": ("celeba_dcgan_32.pth", 3, 32),
    "anime": ("anime_dcgan_64.pth", 3, 64),
    "mnist": ("mnist_gan_mlp_G.ckpt", 1, 28),
    "mnist_decoder": ("mnist_vae.pth", 1, 28),
}


@pytest.mark.parametrize("name", list(FILES))
def test_a_generator_makes_images_of_its_kind(published_generators, name):
    file, channels, side = FILES[name]
    generator = pretrained_generators.GENERATORS[name](published_generators / file)
    z = 0.6 * torch.randn(8, generator.z_dim, generator=seeded())
    images = generator(z)
    assert images.shape == (8, channels, side, side)
    assert images.min() >= 0
    assert images.max() <= 1
    # Trained weights in the right places: different latents give different images of much contrast.
    assert images.std(dim=(1, 2, 3)).min() > 0.1
    assert images.std(dim=0).mean() > 0.05


@pytest.mark.parametrize("name", list(FILES))
def test_it_can_be_divided_at_every_layer(published_generators, name):
    generator = pretrained_generators.GENERATORS[name](published_generators / FILES[name][0])
    z = torch.randn(2, generator.z_dim, generator=seeded(1))
    whole = generator(z)
    assert generator.num_layers >= 2
    for layer in range(generator.num_layers + 1):
        torch.testing.assert_close(generator.tail(generator.head(z, layer), layer), whole)


@pytest.mark.parametrize("name", ["mnist", "mnist_decoder"])
def test_digits_are_white_on_black(published_generators, name):
    generator = pretrained_generators.GENERATORS[name](published_generators / FILES[name][0])
    images = generator(torch.randn(16, generator.z_dim, generator=seeded(2)))
    assert images[..., 10:18, 10:18].mean() > 5 * images[..., :3, :].mean()


def test_a_sheet_shows_rows_of_samples(published_generators, tmp_path, monkeypatch):
    output = tmp_path / "faces.png"
    arguments = [
        "pretrained_generators.py",
        "celeba",
        str(published_generators / FILES["celeba"][0]),
        str(output),
    ]
    monkeypatch.setattr(sys, "argv", arguments)
    pretrained_generators.main()
    assert Image.open(output).size == (128, 128)


@pytest.mark.slow
def test_digits_are_restored_and_drawn(published_generators, tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    output = tmp_path / "digits.png"
    files = [str(published_generators / FILES[name][0]) for name in ("mnist", "mnist_decoder")]
    monkeypatch.setattr(sys, "argv", ["restore_digits.py", *files, str(output), "--count", "1"])
    restore_digits.main()
    picture = np.asarray(Image.open(output))
    assert picture.shape[:2] == (3 * 32, 3 * 32 * len(restore_digits.COLUMNS))
    lines = [line.rsplit(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    figures = {name: float(value) for name, value, _ in lines}
    assert max(list(figures.values())[1:4]) > figures["7 × 7, bicubic"] + 2


def test_missing_scikit_learn_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(SystemExit, match="pip install scikit-learn"):
        restore_digits.digits(1)
