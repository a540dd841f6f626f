"""How near a model of the noise comes to the noise that a picture really has."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field, replace

import torch

from zeroshot.colour import AXES
from zeroshot.noise import NoiseModel
from zeroshot.noise.flat_blocks import ORDERS, SIZE
from zeroshot.patches.cosine import cosine_matrix

#: Sums of the orders of cosines.
BANDS = {"low": (1, 2), "middle": (3, 7), "high": (8, 14)}


@dataclass
class Ratios:
    """Models beside the truth, image by image."""

    true: list[float] = field(default_factory=list)
    found: list[float] = field(default_factory=list)
    bands: dict[str, list[float]] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)

    @staticmethod
    def heads() -> dict[str, str]:
        """Columns and the format of their figures."""
        names = [f"{plane} {band}" for plane in ("Y", "R−B") for band in BANDS]
        return {
            "true": ".1f",
            "found": ".1f",
            **dict.fromkeys(names, ""),
            "coloured": "",
            "curve": "",
            "white": "",
        }

    def add(self, model: NoiseModel, noisy: torch.Tensor, noise: torch.Tensor) -> None:
        """One image (1, C, H, W) and its noise."""
        level = float(model.level(noisy).square().mean())
        self.true.append(255 * float(noise.square().mean().sqrt()))
        self.found.append(255 * math.sqrt(level + model.rows**2 + model.columns**2))
        self.kinds.append("coloured" if model.spectra is not None else "white" if model.is_white else "curve")
        stationary = model if model.is_white else replace(model, intensities=(0.0,), variances=((level,),))
        if noise.shape[1] == 3:
            noise = torch.einsum("kc,nchw->nkhw", torch.tensor(AXES), noise)
            stationary = stationary if model.is_white else stationary.rotated(torch.tensor(AXES))
        transform = cosine_matrix(SIZE)
        expected = stationary.block_variances(transform).expand(noise.shape[1], -1)
        blocks = noise[0].double().unfold(1, SIZE, 3).unfold(2, SIZE, 3)
        measured = (transform @ blocks @ transform.T).flatten(3).square().mean(dim=(1, 2))
        for plane, title in enumerate(("Y", "R−B")[: noise.shape[1]]):
            for band, (first, last) in BANDS.items():
                kept = (first <= ORDERS) & (last >= ORDERS)
                ratio = float((expected[plane, kept].mean() / measured[plane, kept].mean()).sqrt())
                self.bands.setdefault(f"{title} {band}", []).append(ratio)

    def cells(self) -> list[object]:
        """What a line of the table holds."""
        cells: list[object] = [statistics.mean(self.true), statistics.mean(self.found)]
        for name in list(self.heads())[2:-3]:
            values = self.bands.get(name)
            cells.append(
                f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})" if values else ""
            )
        return [*cells, *(self.kinds.count(kind) for kind in ("coloured", "curve", "white"))]
