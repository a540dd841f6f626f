"""Quality on whole sets, with fixed seeds: slow, run by ``make test-slow``."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import zeroshot
from tests.pictures import SIGMA, seeded, with_noise
from zeroshot.images import load
from zeroshot.metrics import psnr, psnr_y
from zeroshot.noise import random_mask
from zeroshot.operators import Mask

pytestmark = pytest.mark.slow


def centre(path: Path, size: int) -> torch.Tensor:
    colours = load(path).colours
    top, left = ((side - size) // 2 for side in colours.shape[-2:])
    return colours[..., top : top + size, left : left + size].contiguous()


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_tv_denoises_set12(shared: Path) -> None:
    values = []
    for path in sorted((shared / "data" / "set12").glob("*.png")):
        clean = load(path).colours
        noisy = with_noise(clean)
        values.append(psnr(zeroshot.solve(noisy, "denoise", "tv", sigma=SIGMA).image, clean))
    assert mean(values) > 27.9


def test_tv_super_resolves_set5_beyond_bicubic(shared: Path) -> None:
    values = []
    for path in sorted((shared / "data" / "set5" / "lr_x4").glob("*.png")):
        small, large = load(path).colours, load(path.parent.parent / "hr_x4" / path.name).colours
        result = zeroshot.solve(small, "sr", "tv", scale=4)
        values.append(psnr_y(result.image.clamp(0, 1), large, 4, quantise="8-bit"))
    assert mean(values) > 28.43


def test_dip_denoises_crops_of_colour9_and_stops_near_its_best(shared: Path) -> None:
    returned, best = [], []
    for name in ("f16", "peppers", "kodim03", "house"):
        clean = centre(shared / "data" / "colour9" / f"{name}.png", 128)
        noisy = with_noise(clean)
        seen: list[float] = []
        result = zeroshot.solve(
            noisy,
            "denoise",
            "dip",
            sigma=SIGMA,
            callbacks=[
                lambda estimate, run, clean=clean, seen=seen: seen.append(psnr(estimate.image, clean))
            ],
        )
        returned.append(psnr(result.image, clean))
        best.append(max(seen))
    assert mean(returned) > 29.8
    assert mean(best) - mean(returned) < 0.5


def test_dip_fills_random_holes_better_than_interpolation(shared: Path) -> None:
    gains = []
    for name in ("barbara", "boat", "house", "montage"):
        clean = centre(shared / "data" / "inpaint11" / f"{name}.png", 128)
        mask = random_mask(tuple(clean.shape), 0.5, seeded())
        result = zeroshot.solve(clean * mask, "inpaint", "dip", mask=mask)
        gains.append(psnr(result.image, clean) - psnr(Mask(mask).initial(clean * mask), clean))
    assert mean(gains) > 2.5
