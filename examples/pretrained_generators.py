"""Published generators of small size, as `zeroshot` generators: how any network is wrapped.

Each function takes the file of weights, builds the network that it belongs to from a few lines of torch, and
wraps it: its stages say where it can be divided, `output_range` what its black and white are::

    python examples/pretrained_generators.py celeba celeba_dcgan_32.pth faces.png
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

import zeroshot.images
from zeroshot.generators import Generator
from zeroshot.generators.formats import load_tensors

State = dict[str, torch.Tensor]


def read(path: str | Path) -> State:
    """The tensors in a file; nothing else is read."""
    state = load_tensors(Path(path))
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def frozen(module: nn.Module, state: State) -> nn.Module:
    """The module with its weights, as it is used."""
    module.load_state_dict(state)
    return module.eval().requires_grad_(False)


class Cropped(nn.ConvTranspose2d):
    """A transposed convolution without the last row and column of its result."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x)[..., :-1, :-1]


def celeba(path: str | Path) -> Generator:
    """Faces of 32 × 32 pixels, by fletchersarip93/face-generator; z is uniform in [−1, 1]^100."""

    def up(before: int, width: int) -> nn.Module:
        return nn.ConvTranspose2d(before, width, 4, 2, 1, bias=False)

    chain = nn.Sequential(
        nn.Sequential(nn.ConvTranspose2d(100, 256, 4, bias=False), nn.BatchNorm2d(256)),
        nn.Sequential(nn.Conv2d(256, 128, 3, 1, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2)),
        nn.Sequential(up(128, 64), nn.BatchNorm2d(64), nn.LeakyReLU(0.2)),
        nn.Sequential(up(64, 32), nn.BatchNorm2d(32), nn.LeakyReLU(0.2)),
        nn.Sequential(nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Tanh()),
    )
    state = {name.removeprefix("generator_deconv."): tensor for name, tensor in read(path).items()}
    network = frozen(chain, state)
    return Generator.wrap(network, (100, 1, 1), output_range=(-1, 1), latent_distribution="uniform")


def anime(path: str | Path) -> Generator:
    """Drawn faces of 64 × 64 pixels, by darthdaenerys/Anime-Face-Generation; z is standard normal in 128."""
    widths = [128, 64, 64, 32, 32]
    chain = [nn.Sequential(nn.Linear(128, 2048), nn.Unflatten(1, (128, 4, 4)))]
    state = read(path)
    named = {f"0.0.{part}": state[f"fc.{part}"] for part in ("weight", "bias")}
    for index, (before, width) in enumerate(pairwise(widths)):
        growing = nn.ConvTranspose2d(before, width, 4, 2, 1)
        chain.append(nn.Sequential(growing, nn.ReLU(), nn.BatchNorm2d(width, eps=1e-3)))
        for part in ("weight", "bias"):
            named[f"{index + 1}.0.{part}"] = state[f"up{index}.{part}"]
        for part in ("weight", "bias", "running_mean", "running_var"):
            named[f"{index + 1}.2.{part}"] = state[f"bn{index}.{part}"]
        named[f"{index + 1}.2.num_batches_tracked"] = torch.tensor(0)
    chain.append(nn.Sequential(Cropped(32, 3, 4, 1, 1), nn.Sigmoid()))
    named |= {f"5.0.{part}": state[f"rgb.{part}"] for part in ("weight", "bias")}
    return Generator.wrap(frozen(nn.Sequential(*chain), named), (128,), output_range=(0, 1))


def mnist(path: str | Path) -> Generator:
    """Digits of 28 × 28 pixels, white on black, by csinva/gan-vae-pretrained-pytorch; z in 64, normal."""
    state = read(path)
    weights = [name.rpartition(".")[0] for name in state if name.endswith(".weight")]
    chain = nn.Sequential(
        nn.Sequential(nn.Linear(64, 256), nn.ReLU()),
        nn.Sequential(nn.Linear(256, 256), nn.ReLU()),
        nn.Sequential(nn.Linear(256, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))),
    )
    named = {
        f"{index}.0.{part}": state[f"{name}.{part}"]
        for index, name in enumerate(weights)
        for part in ("weight", "bias")
    }
    return Generator.wrap(frozen(chain, named), (64,), output_range=(-1, 1))


def mnist_decoder(path: str | Path) -> Generator:
    """The same digits from the decoder of a variational autoencoder; z is standard normal in 20."""
    chain = nn.Sequential(
        nn.Sequential(nn.Linear(20, 400), nn.ReLU()),
        nn.Sequential(nn.Linear(400, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28))),
    )
    state = read(path)
    named = {
        f"{index}.0.{part}": state[f"{name}.{part}"]
        for index, name in enumerate(("fc3", "fc4"))
        for part in ("weight", "bias")
    }
    return Generator.wrap(frozen(chain, named), (20,), output_range=(0, 1))


GENERATORS: dict[str, Callable[[str | Path], Generator]] = {
    "celeba": celeba,
    "anime": anime,
    "mnist": mnist,
    "mnist_decoder": mnist_decoder,
}


def sheet(generator: Generator, rows: int = 4, seed: int = 0) -> torch.Tensor:
    """Rows × rows samples as one image, (1, channels, H, W)."""
    draw = torch.Generator().manual_seed(seed)
    if generator.latent_distribution == "uniform":
        z = 2 * torch.rand(rows * rows, generator.z_dim, generator=draw) - 1
    else:
        z = torch.randn(rows * rows, generator.z_dim, generator=draw)
    with torch.no_grad():
        images = generator(z).clamp(0, 1)
    return torch.cat([torch.cat(list(row), dim=-1) for row in images.split(rows)], dim=-2)[None]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("generator", choices=list(GENERATORS))
    parser.add_argument("weights", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    samples = sheet(GENERATORS[arguments.generator](arguments.weights))
    zeroshot.images.save(zeroshot.images.load(samples.mul(255).round().byte()), arguments.output)


if __name__ == "__main__":
    main()
