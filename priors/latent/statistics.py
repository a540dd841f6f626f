"""What the latents of a mapping network look like, before its last rectifier: a Gaussian, nearly."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from zeroshot.files import write_atomically
from zeroshot.generators import Generator

SLOPE = 0.2
#: How many latents the statistics are computed from, unless another number is asked for.
SAMPLES = 100_000
_BATCH = 10_000


@dataclass(frozen=True)
class LatentStatistics:
    """Mean and standard deviation of g⁻¹(w), g the leaky rectifier that ends the mapping network.

    g⁻¹(w) is nearly Gaussian, so that (g⁻¹(w) − mean) / std is nearly standard normal and lies near the sphere
    of radius √(length of w).

    Attributes
    ----------
    mean, std : torch.Tensor
        (w_dim,).

    References
    ----------
    S. Menon, A. Damian, S. Hu, N. Ravi, C. Rudin: PULSE: self-supervised photo upsampling via latent space
    exploration of generative models, CVPR 2020.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def to_w(self, latent: torch.Tensor) -> torch.Tensor:
        """The w of standard normal latents: g(latent · std + mean)."""
        return functional.leaky_relu(latent * self.std + self.mean, SLOPE)

    def from_w(self, w: torch.Tensor) -> torch.Tensor:
        """The latents of w, the inverse of :meth:`to_w`."""
        return (functional.leaky_relu(w, 1 / SLOPE) - self.mean) / self.std

    def truncated(self, truncation: float) -> LatentStatistics:
        """Those of latents `truncation` times as far from the mean."""
        return LatentStatistics(self.mean, truncation * self.std)

    def to(self, device: torch.device) -> LatentStatistics:
        """The same on another device."""
        return LatentStatistics(self.mean.to(device), self.std.to(device))


def latent_statistics(
    network: Generator,
    samples: int = SAMPLES,
    beside: str | Path | None = None,
    label: int | None = None,
) -> LatentStatistics:
    """The statistics of a generator's mapping network.

    Parameters
    ----------
    network : Generator
        With a mapping network.
    samples : int
        How many latents are drawn, with a seed of their own. The error of the mean is 1/√samples.
    beside : path, optional
        The file of the weights: the statistics are kept in a file next to it, and read from there as long as
        the mapping network is the same. Where its folder cannot be written, they go to the user's cache.
    label : int, optional
        The class, of generators with classes; by default all classes alike.
    """
    key = f"{_digest(network)} {samples} {label}"
    places = [] if beside is None else [Path(f"{beside}.latents.npz"), _cached(key)]
    for path in places:
        if (found := _read(path, key)) is not None:
            return found
    computed = _computed(network, samples, label)
    for path in places:
        if _write(path, key, computed):
            break
    return computed


def _cached(key: str) -> Path:
    """Where statistics are kept whose weights lie in a folder that cannot be written."""
    cache = os.environ.get("XDG_CACHE_HOME")
    folder = Path(cache) if cache else Path.home() / ".cache"
    return folder / "zeroshot" / "latents" / f"{key.replace(' ', '-')}.npz"


@torch.no_grad()
def _computed(network: Generator, samples: int, wanted: int | None) -> LatentStatistics:
    device = next(network.parameters()).device
    draw = torch.Generator().manual_seed(0)
    total = squares = torch.zeros((), dtype=torch.float64)
    for begin in range(0, samples, _BATCH):
        count = min(_BATCH, samples - begin)
        z = torch.randn(count, network.z_dim, generator=draw).to(device)
        label = None
        if network.label_dim:
            classes = torch.randint(network.label_dim, (count,), generator=draw)
            classes = classes if wanted is None else torch.full_like(classes, wanted)
            label = functional.one_hot(classes, network.label_dim).to(z)
        before = functional.leaky_relu(network.mapping(z, label)[:, 0], 1 / SLOPE).cpu().double()
        total = total + before.sum(dim=0)
        squares = squares + before.square().sum(dim=0)
    mean = total / samples
    variance = (squares / samples - mean.square()) * (samples / max(samples - 1, 1))
    return LatentStatistics(mean.float(), variance.clamp(min=1e-12).sqrt().float())


def _digest(network: Generator) -> str:
    """A checksum of the mapping network."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if name.startswith("mapping_network."):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _read(path: Path, key: str) -> LatentStatistics | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            return LatentStatistics(torch.from_numpy(file["mean"]), torch.from_numpy(file["std"]))
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ):
        return None


def _write(path: Path, key: str, statistics: LatentStatistics) -> bool:
    """Whether the statistics could be written."""
    try:
        if path == _cached(key):
            path.parent.mkdir(parents=True, exist_ok=True)
        mean, std = statistics.mean.numpy(), statistics.std.numpy()
        write_atomically(path, lambda file: np.savez(file, key=key, mean=mean, std=std))
    except OSError:
        return False
    return True
