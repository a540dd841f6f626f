"""Kinds of noise that are not white, put on pictures, and how near a model of it comes to the truth."""

from __future__ import annotations

import io
import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from PIL import Image
from torch.nn import functional

from zeroshot.colour import AXES
from zeroshot.images import load
from zeroshot.noise import NoiseModel, add_gaussian, add_poisson
from zeroshot.noise.flat_blocks import ORDERS, SIZE
from zeroshot.operators.mosaic import Mosaic
from zeroshot.patches.cosine import cosine_matrix
from zeroshot.tasks.rounding import rounded

from .sets import SHARED

#: Sums of the orders of cosines.
BANDS = {"low": (1, 2), "middle": (3, 7), "high": (8, 14)}


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _white(x: torch.Tensor, sigma: float) -> torch.Tensor:
    return add_gaussian(torch.zeros_like(x), sigma / 255, _generator())


def _smoothed(x: torch.Tensor, width: float) -> torch.Tensor:
    """σ 25, smoothed by a Gaussian of `width` pixels."""
    taps = torch.exp(-torch.arange(-5.0, 6.0).square() / (2 * width**2))
    taps = taps / taps.sum()
    weights = (taps[:, None] * taps).expand(x.shape[1], 1, -1, -1)
    noise = functional.pad(_white(x, 25), (5, 5, 5, 5), mode="reflect")
    return rounded(x + functional.conv2d(noise, weights, groups=x.shape[1]))


def _striped(x: torch.Tensor) -> torch.Tensor:
    return rounded(x + _white(x, 5) + _white(x[:, :1, :1], 15))


def _poisson(peak: float) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: rounded(add_poisson(x, peak, _generator()))


def _photons_and_readout(x: torch.Tensor) -> torch.Tensor:
    return rounded(add_poisson(x, 50, _generator()) + _white(x, 5))


def _demosaicked(x: torch.Tensor) -> torch.Tensor:
    """σ 15 on the mosaic, colours interpolated linearly."""
    colours = x.expand(-1, 3, -1, -1)
    mosaic = Mosaic("RGGB")
    noise = _white(colours, 15)
    sites = mosaic.adjoint(torch.ones_like(mosaic(colours)))
    weights = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).expand(3, 1, 3, 3)

    def spread(values: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(functional.pad(values, (1, 1, 1, 1), mode="reflect"), weights, groups=3)

    kept = spread(noise * sites) / spread(sites)
    return rounded(colours + kept)[:, : x.shape[1]]


def _compressed(quality: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """σ 15, then JPEG."""

    def damage(x: torch.Tensor) -> torch.Tensor:
        pixels = (255 * rounded(x + _white(x, 15))[0]).round().byte().permute(1, 2, 0).numpy()
        file = io.BytesIO()
        Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=quality)
        file.seek(0)
        return load(Image.open(file)).colours

    return damage


def _enlarged(x: torch.Tensor) -> torch.Tensor:
    """σ 15 at half the size, enlarged twice."""
    small = _white(x[..., ::2, ::2], 15)
    noise = functional.interpolate(small, scale_factor=2, mode="bicubic")
    return rounded(x + noise[..., : x.shape[-2], : x.shape[-1]])


#: How a picture (1, C, H, W) gets noise.
KINDS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "white 25": lambda x: rounded(x + _white(x, 25)),
    "smoothed 0.6": lambda x: _smoothed(x, 0.6),
    "smoothed 1.0": lambda x: _smoothed(x, 1.0),
    "columns": _striped,
    "Poisson 10": _poisson(10),
    "Poisson 30": _poisson(30),
    "Poisson 50": _poisson(50),
    "Poisson 50 + 5": _photons_and_readout,
    "demosaicked": _demosaicked,
    "JPEG 95": _compressed(95),
    "JPEG 75": _compressed(75),
    "JPEG 50": _compressed(50),
    "enlarged": _enlarged,
}


def real_pairs(name: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The photographs of a set of ``real_noise`` and the means of many of them."""
    for path in sorted((SHARED / "real_noise" / name).glob("*_real.*")):
        mean = path.with_name(path.name.replace("_real", "_mean"))
        yield load(path).colours, load(mean).colours


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
