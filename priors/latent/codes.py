"""Latents in coordinates in which they are standard normal, whatever the generator."""

from __future__ import annotations

from typing import Any

import torch

from zeroshot.generators import Generator
from zeroshot.priors.latent.statistics import SAMPLES, LatentStatistics, latent_statistics


class LatentSpace:
    """Maps standard normal numbers n to the latents that a generator's synthesis takes.

    Without a mapping network they are z: ψ n itself, or 2 Φ(ψ n) − 1 where the generator was trained with z
    uniform in [−1, 1], Φ being the normal distribution's. With one they are w of the statistics of the mapping's
    output, its mean and ψ times its deviation, and (where there is no mapping in the file) w itself.

    Parameters
    ----------
    network : Generator
        On the device where it is used.
    samples : int
        How many latents the statistics are computed from.
    beside : path, optional
        The file of the weights, to keep the statistics next to.
    label : int, optional
        The class, of generators with classes.
    truncation : float
        ψ: 1 gives the generator's own distribution, less what is nearer to its mean.
    """

    def __init__(
        self,
        network: Generator,
        samples: int = SAMPLES,
        beside: Any = None,
        label: int | None = None,
        truncation: float = 1.0,
    ) -> None:
        self._network, self._truncation = network, truncation
        self._statistics: LatentStatistics | None = None
        if network.has_mapping:
            device = next(network.parameters()).device
            self._statistics = latent_statistics(network, samples, beside, label).to(device)

    @property
    def length(self) -> int:
        """Numbers in one latent."""
        return self._network.z_dim if self._network.w_dim is None else self._network.w_dim

    @property
    def layers(self) -> int:
        """Latents of one image, where every layer has its own; 1 without styles."""
        return 1 if self._network.w_dim is None else self._network.num_latents

    def draw(self, count: int, layers: int, generator: torch.Generator) -> torch.Tensor:
        """Standard normal numbers (count, layers, length)."""
        return torch.randn(count, layers, self.length, generator=generator)

    def latents(self, normal: torch.Tensor) -> torch.Tensor:
        """What `synthesis`, `head` and `tail` take, from (count, 1 or layers, length)."""
        normal = self._truncation * normal
        if self._network.w_dim is None:
            z = normal[:, 0]
            return 2 * torch.special.ndtr(z) - 1 if self._is_uniform else z
        w = normal if self._statistics is None else self._statistics.to_w(normal)
        return w.expand(-1, self._network.num_latents, -1)

    def normal(self, latents: torch.Tensor) -> torch.Tensor:
        """The standard normal numbers of latents, the inverse of :meth:`latents`."""
        if self._network.w_dim is None:
            z = latents[:, None]
            normal = torch.special.ndtri((z + 1) / 2) if self._is_uniform else z
        else:
            normal = latents if self._statistics is None else self._statistics.from_w(latents)
        return normal / self._truncation

    @property
    def _is_uniform(self) -> bool:
        return self._network.latent_distribution == "uniform"
