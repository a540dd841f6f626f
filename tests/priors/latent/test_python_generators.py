"""Generators that a user's file builds: two published DCGANs, whose weights alone do not tell their networks."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zeroshot
from tests.cli.commands import run
from zeroshot.generators import Generator, load
from zeroshot.priors.latent.weights import generator_for, statistics_file

DCGANS = """
    import torch
    from torch import nn
    from zeroshot.generators import Generator
    from zeroshot.generators.formats import load_state_dict

    FOLDER = {folder!r}

    class Anime(nn.Module):
        def __init__(self):
            super().__init__()
            widths = 128, 64, 64, 32, 32
            self.fc = nn.Linear(128, 2048)
            for index in range(4):
                self.add_module(f"up{{index}}", nn.ConvTranspose2d(widths[index], widths[index + 1], 4, 2, 1))
                self.add_module(f"bn{{index}}", nn.BatchNorm2d(widths[index + 1], eps=1e-3))
            self.rgb = nn.ConvTranspose2d(32, 3, 4, 1, 1)

        def forward(self, z):
            x = self.fc(z).view(-1, 128, 4, 4)
            for index in range(4):
                x = getattr(self, f"bn{{index}}")(torch.relu(getattr(self, f"up{{index}}")(x)))
            return torch.sigmoid(self.rgb(x)[..., :-1, :-1])

    def anime():
        module = Anime()
        module.load_state_dict(load_state_dict(FOLDER + "/anime_dcgan_64.pth"), strict=False)
        return Generator.wrap(module, (128,), output_range=(0, 1))

    def stage(convolution, width):
        return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.LeakyReLU(0.2))

    class Faces(nn.Module):
        def __init__(self):
            super().__init__()
            self.generator_deconv = nn.Sequential(
                nn.Sequential(nn.ConvTranspose2d(100, 256, 4, bias=False), nn.BatchNorm2d(256)),
                stage(nn.Conv2d(256, 128, 3, padding=1, bias=False), 128),
                stage(nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), 64),
                stage(nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), 32),
                nn.Sequential(nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Tanh()),
            )

        def forward(self, z):
            return self.generator_deconv(z)

    def faces():
        module = Faces()
        module.load_state_dict(load_state_dict(FOLDER + "/celeba_dcgan_32.pth"))
        stages = list(module.generator_deconv)
        return Generator.wrap(module, (100, 1, 1), stages=stages, latent_distribution="uniform")

    def bare_faces():
        module = Faces()
        module.load_state_dict(load_state_dict(FOLDER + "/celeba_dcgan_32.pth"))
        return module
"""


@pytest.fixture
def dcgans(tmp_path: Path, published_generators: Path) -> Path:
    path = tmp_path / "dcgans.py"
    path.write_text(textwrap.dedent(DCGANS).format(folder=str(published_generators)))
    return path


def script(folder: Path, body: str) -> Path:
    path = folder / "mine.py"
    path.write_text("import torch\nfrom torch import nn\n" + textwrap.dedent(body))
    return path


@pytest.mark.parametrize(("name", "side"), [("anime", 64), ("faces", 32)])
def test_a_function_builds_the_generator_of_published_weights(dcgans, name, side):
    network = generator_for(f"python:{dcgans}:{name}")
    assert isinstance(network, Generator)
    assert network.image_size == (side, side)
    assert network is generator_for(f"python:{dcgans}:{name}")
    assert not network.training
    image = network.synthesis(torch.zeros(1, network.z_dim))
    assert 0 <= image.min() < image.max() <= 1
    # A trained generator: pictures of different latents differ, and are smooth.
    several = network.synthesis(torch.randn(8, network.z_dim, generator=torch.Generator().manual_seed(0)))
    assert several.std(dim=0).mean() > 0.05
    assert (several[..., 1:] - several[..., :-1]).abs().mean() < 0.1


def test_a_bare_module_is_wrapped_by_what_its_layers_show(dcgans):
    bare, wrapped = (generator_for(f"python:{dcgans}:{name}") for name in ("bare_faces", "faces"))
    z = torch.rand(2, 100, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(bare.synthesis(z), wrapped.synthesis(z))


def test_the_command_line_restores_and_edits_with_it(dcgans, tmp_path, capsys):
    weights = f"python:{dcgans}:faces"
    z = torch.rand(1, 100, generator=torch.Generator().manual_seed(1)) * 2 - 1
    truth = generator_for(weights).synthesis(z)[0].movedim(0, -1).detach().numpy()
    Image.fromarray(np.rint(truth * 255).astype(np.uint8)).save(tmp_path / "a.png")
    for prior, more in (("mgan", []), ("inversion", ["--latent", tmp_path / "l.npz"])):
        command = [
            "denoise",
            tmp_path / "a.png",
            "-o",
            tmp_path / f"{prior}.png",
            "--sigma",
            "0",
            "--prior",
            prior,
        ]
        more = [*more, "--set", "iterations=25", "--quiet"]
        code, _, errors = run([*command, "--weights", weights, *more], capsys)
        assert code == 0, errors
        restored = np.asarray(Image.open(tmp_path / f"{prior}.png")) / 255
        assert -10 * np.log10(np.square(restored - truth).mean()) > 15
    edit = ["edit", tmp_path / "l.npz", "-o", tmp_path / "e.png", "--towards", tmp_path / "l.npz"]
    code, _, errors = run([*edit, "--weights", weights], capsys)
    assert code == 0, errors
    assert Image.open(tmp_path / "e.png").size == (32, 32)


@pytest.mark.parametrize(("prior", "match"), [("pulse", "mapping network"), ("latent", "decoder")])
def test_priors_for_other_networks_say_so(tmp_path, prior, match):
    path = script(
        tmp_path, "def make():\n    return nn.Sequential(nn.ConvTranspose2d(4, 3, 8), nn.Sigmoid())\n"
    )
    image = np.zeros((8, 8, 3), np.float32)
    with pytest.raises(ValueError, match=match):
        zeroshot.solve(
            image, task="denoise", prior=prior, sigma=0, settings={"weights": f"python:{path}:make"}
        )


@pytest.mark.parametrize(
    ("body", "name", "match"),
    [
        ("def make():\n    return 3\n", "make", "must return a generator or a torch module, got int"),
        ("def make():\n    return 1 / 0\n", "make", "failed: ZeroDivisionError"),
        ("def make():\n    return nn.Sequential(nn.Linear(8, 3))\n", "make", "black and white do not show"),
        (
            "def make():\n    return nn.Sequential(nn.Linear(8, 3), nn.Tanh())\n",
            "make",
            "makes no image of a latent",
        ),
        ("def make():\n    return nn.Conv2d(3, 3, 3)\n", "make", r"latent does not show.*Generator\.wrap"),
        ("def make():\n    return None\n", "mak", "function in mine.py 'mak'.*make"),
        ("1 / 0\n", "make", "cannot be run: ZeroDivisionError"),
        ("raise SystemExit(0)\n", "make", "cannot be run: SystemExit: 0"),
        ("def make():\n    raise SystemExit(0)\n", "make", "failed: SystemExit: 0"),
    ],
)
def test_functions_that_return_no_generator(tmp_path, body, name, match):
    with pytest.raises(ValueError, match=match) as caught:
        generator_for(f"python:{script(tmp_path, body)}:{name}")
    assert "\n" not in str(caught.value)


def test_a_text_that_names_no_function_or_file(tmp_path):
    with pytest.raises(ValueError, match=r"python:FILE\.py:FUNCTION"):
        generator_for("python:mine.py")
    with pytest.raises(FileNotFoundError, match="no Python file"):
        generator_for(f"python:{tmp_path / 'none.py'}:make")


def test_statistics_are_kept_beside_files_of_weights_only(tmp_path):
    assert statistics_file(f"python:{tmp_path / 'mine.py'}:make") is None


def test_a_plain_state_dict_says_how_it_is_wrapped(tmp_path):
    torch.save(torch.nn.Linear(3, 4).state_dict(), tmp_path / "plain.pth")
    with pytest.raises(
        ValueError, match=r"no generator of a known architecture.*Generator\.wrap.*--weights python:"
    ):
        load(tmp_path / "plain.pth")
