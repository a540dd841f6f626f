"""Editing what was inverted: along a direction, towards another image, or with another image's styles.

moved:   w + strength · d          between:  (1 − s) a + s b          mixed:  b in some layers, a elsewhere
"""

from __future__ import annotations

import copy
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from zeroshot.generators import Generator
from zeroshot.operators.plane_files import read_array

#: An archive may unpack to so many times its size, and so many bytes more.
_MOST_GROWTH, _SLACK = 20, 1 << 24


@dataclass(frozen=True)
class InvertedImage:
    """The latent of an image in a generator, with its noise maps.

    Attributes
    ----------
    latent : torch.Tensor
        (1, layers, w_dim), or (1, z_dim) for generators without styles.
    noise : tuple of torch.Tensor
        One map per noise input; empty: the stored ones.
    tuned : dict of str to torch.Tensor
        The generator's weights, where they were tuned to the image.
    """

    latent: torch.Tensor
    noise: tuple[torch.Tensor, ...] = ()
    tuned: dict[str, torch.Tensor] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path, sample: int = 0) -> InvertedImage:
        """From the .npz file that ``Restoration.save_arrays`` and ``--latent`` write.

        Parameters
        ----------
        path : path
            The file.
        sample : int
            Which of several solutions.

        Raises
        ------
        FileNotFoundError, ValueError
            Where there is no such file, or it holds no latent or too few of them.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"there is no file of a latent {path}")
        try:
            _require_small(path)
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: torch.from_numpy(file[name]).float() for name in file.files}
        except Exception:  # numpy and zipfile raise anything at all on bytes that are not their own
            raise ValueError(f"{path.name} is no .npz file of arrays") from None
        if "latent" not in arrays:
            names = ", ".join(sorted(ascii(name)[1:-1] for name in arrays))
            raise ValueError(f"{path.name} holds no latent; it holds: {names[:200] or 'nothing'}")
        if arrays["latent"].ndim < 2:
            raise ValueError(f"{path.name} holds no latents, one a row, but {arrays['latent'].ndim} axes")
        count = len(arrays["latent"])
        if not 0 <= sample < count:
            raise ValueError(
                f"{path.name} holds {count} solution(s); sample must be below that, got {sample}"
            )
        noise: list[torch.Tensor] = []
        while (name := f"noise{len(noise)}") in arrays:
            maps = arrays[name]
            noise.append(maps[min(sample, len(maps) - 1)][None])
        tuned = {name[6:]: array for name, array in arrays.items() if name.startswith("tuned.")}
        return cls(arrays["latent"][sample][None], tuple(noise), tuned)

    def image(self, network: Generator) -> torch.Tensor:
        """The image, (1, channels, H, W) in [0, 1].

        Raises
        ------
        ValueError
            Where the latent, or the tuned weights, belong to another generator.
        """
        if self.tuned:
            network = copy.deepcopy(network)
            own = network.state_dict()
            if any(name not in own or own[name].shape != tensor.shape for name, tensor in self.tuned.items()):
                raise ValueError("the tuned weights are those of another generator")
            network.load_state_dict(self.tuned, strict=False)
        noise = list(self.noise) if len(self.noise) == len(network.noise_shapes) > 0 else "stored"
        with torch.no_grad():
            return network.synthesis(self.latent, noise).clamp(0, 1)

    def require_of(self, network: Generator) -> None:
        """Raise a ValueError where the latent is not one that `network` takes."""
        layers = () if network.w_dim is None else (network.num_latents,)
        wanted = (1, *layers, network.z_dim if network.w_dim is None else network.w_dim)
        if tuple(self.latent.shape) != wanted:
            raise ValueError(
                f"the latent is of another generator: it has the shape {tuple(self.latent.shape)}, and this "
                f"{network.architecture} takes {wanted}"
            )

    def moved(self, direction: torch.Tensor, strength: float) -> InvertedImage:
        """Moved along `direction`, one for all layers or one for each; `strength` is in its own length.

        Raises
        ------
        ValueError
            Where the direction's shape does not fit the latent's.
        """
        length, layers = self.latent.shape[-1], self.latent.shape[1:-1]
        given = tuple(direction.shape)
        direction = direction.float()
        direction = direction.reshape(direction.shape[-2:]) if direction.ndim > 2 else direction
        if direction.shape[-1] != length or (
            direction.ndim == 2 and (*direction.shape[:1],) not in ((1,), layers)
        ):
            wanted = " or ".join(str(shape) for shape in ((length,), (*layers, length)))
            raise ValueError(f"the direction must have the shape {wanted}, got {given}")
        return replace(self, latent=self.latent + strength * direction)

    def between(self, other: InvertedImage, share: float) -> InvertedImage:
        """At `share` of the way to `other`: 0 is this image, 1 the other; noise maps go along."""
        self._require_alike(other)
        noise = self.noise
        if len(noise) == len(other.noise):
            noise = tuple(one.lerp(two, share) for one, two in zip(noise, other.noise, strict=True))
        return replace(self, latent=self.latent.lerp(other.latent, share), noise=noise)

    def mixed(self, other: InvertedImage, first: int, last: int) -> InvertedImage:
        """With the styles of `other` in the layers `first` to `last`, counted from 0, both included.

        Early layers hold the pose and the shape, late ones the colours and the fine structure.
        """
        self._require_alike(other)
        if self.latent.ndim != 3:
            raise ValueError(
                "styles can be mixed where every layer has its own; this generator has one latent"
            )
        layers = self.latent.shape[1]
        if not 0 <= first <= last < layers:
            raise ValueError(f"layers must be a range within 0 to {layers - 1}, got {first} to {last}")
        latent = self.latent.clone()
        latent[:, first : last + 1] = other.latent[:, first : last + 1]
        return replace(self, latent=latent)

    def _require_alike(self, other: InvertedImage) -> None:
        if self.latent.shape != other.latent.shape:
            raise ValueError(
                f"the two latents are of different generators: {tuple(self.latent.shape)} and "
                f"{tuple(other.latent.shape)}"
            )


def load_direction(path: str | Path) -> torch.Tensor:
    """A direction in the latent space from a .npy file.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such file, or it holds no array of numbers.
    """
    array = read_array(path, "direction")
    if array.dtype.kind not in "fiu" or array.ndim == 0:
        raise ValueError(f"the direction file holds no list of real numbers: {path}")
    return torch.from_numpy(array.astype(np.float32))


def _require_small(path: Path) -> None:
    """Refuse an archive that unpacks to many times its size: latents do not compress."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _MOST_GROWTH * path.stat().st_size + _SLACK:
        raise ValueError("it unpacks to far more than its size")
