"""Volumes made in code, the same every time: heads, cells, and pictures that drift, grow and turn plane by plane.

All are (D, H, W) in [0, 1]. There are no recorded volumes without noise here; these have what the kinds have in common.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from zeroshot.patches.cubes import Triple

from .sets import SHARED


def made_volumes(depth: int, side: int) -> dict[str, torch.Tensor]:
    """All of them by name, `depth` planes of `side` × `side`."""
    shape = (depth, side, side)
    return {
        "head": head(shape, seed=1),
        "head, thick slices": head(shape, seed=2, spacing=2.0),
        "cells": cells(shape, seed=3),
        "drift": moved("set12/barbara.png", shape, shift=(0.4, 0.7), seed=4),
        "zoom": moved("kodak_full/kodim05.png", shape, shift=(0.0, 0.3), zoom=0.01, seed=5),
        "turn": moved("inpaint11/man.png", shape, shift=(0.2, 0.2), zoom=0.003, turn=1.0, seed=6),
        "fast drift": moved("inpaint11/boat.png", shape, shift=(1.5, 2.0), zoom=0.005, turn=0.5, seed=7),
        "road": frames("highway", shape, top=80, left=120),
    }


def head(shape: Triple, seed: int, spacing: float = 1.0) -> torch.Tensor:
    """Shells of skull, folded grey matter and white matter with ventricles and lesions, all of a fine texture.

    Parameters
    ----------
    shape : tuple of int
        Planes, rows and columns.
    seed : int
    spacing : float
        Distance of planes in pixels.
    """
    generator = torch.Generator().manual_seed(seed)
    z, y, x = _places(shape, (spacing / (shape[2] / 2), 2 / shape[1], 2 / shape[2]))
    radius = (x.square() / 0.85**2 + y.square() / 0.95**2 + z.square() / 0.95**2).sqrt()
    fold = _smooth_noise(shape, (3 / spacing, 3, 3), generator)
    volume = torch.zeros(shape)
    volume[radius < 1] = 0.75
    volume[radius < 0.92] = 0.12
    volume[radius < 0.86 + 0.03 * fold] = 0.45
    volume[radius + 0.1 * fold < 0.62] = 0.65
    volume[_inside((z, y, x.abs()), (0, -0.05, 0.15), (0.3, 0.3, 0.08))] = 0.15
    for _ in range(12):
        centre = ((torch.rand(3, generator=generator) - 0.5) * 1.1).tolist()
        axes = (0.03 + 0.09 * torch.rand(3, generator=generator)).tolist()
        value = 0.2 + 0.6 * float(torch.rand(1, generator=generator))
        volume[_inside((z, y, x), centre, axes)] = value
    fine = 0.02 * _smooth_noise(shape, (1.2 / spacing, 1.2, 1.2), generator)
    coarse = 0.03 * _smooth_noise(shape, (6 / spacing, 6, 6), generator)
    volume = volume + (fine + coarse) * (volume > 0.05)
    return _blurred(volume, (0.5 / spacing, 0.5, 0.5)).clamp(0, 1)


def cells(shape: Triple, seed: int, spacing: float = 2.5) -> torch.Tensor:
    """Bodies and threads on a dark ground, blurred more along the planes' axis, as a microscope shows them."""
    generator = torch.Generator().manual_seed(seed)
    places = _places(shape, (spacing, 1.0, 1.0))
    extent = torch.tensor([shape[0] * spacing, shape[1], shape[2]])
    volume = torch.zeros(shape)
    for _ in range(14):
        centre = ((torch.rand(3, generator=generator) - 0.5) * extent).tolist()
        axes = (6 + 8 * torch.rand(3, generator=generator)).tolist()
        volume[_inside(places, centre, axes)] = 0.35 + 0.3 * float(torch.rand(1, generator=generator))
    volume += 0.06 * (volume > 0) * _smooth_noise(shape, (1, 2, 2), generator)
    random = np.random.default_rng(seed)
    for _ in range(20):
        place, direction = random.random(3) * extent.numpy(), random.normal(size=3)
        for _ in range(120):
            direction += 0.25 * random.normal(size=3)
            direction /= np.linalg.norm(direction)
            place += 0.8 * direction * (0.5, 1, 1)
            voxel = np.round(place / (spacing, 1, 1)).astype(int)
            if (voxel >= 0).all() and (voxel < shape).all():
                volume[tuple(voxel)] = 0.9
    volume = _blurred(volume, (0.8, 1.0, 1.0))
    return (0.04 + 0.9 * volume / volume.max()).clamp(0, 1)


def moved(
    picture: str, shape: Triple, shift: tuple[float, float], seed: int, zoom: float = 0.0, turn: float = 0.0
) -> torch.Tensor:
    """A picture as an unsteady camera sees it: further by `shift` pixels, nearer by `zoom`, `turn` degrees a plane."""
    image = _grey(picture)[None, None]
    height, width = image.shape[-2:]
    jitter = 0.3 * torch.randn(shape[0], 2, generator=torch.Generator().manual_seed(seed))
    _, down, along = _places((1, *shape[1:]), (1.0, 1.0, 1.0))
    planes = []
    for number in range(shape[0]):
        time = number - (shape[0] - 1) / 2
        scale, angle = (1 + zoom) ** time, math.radians(turn * time)
        cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
        row = cosine * down[0] - sine * along[0] + height / 2 + shift[0] * time + jitter[number, 0]
        column = sine * down[0] + cosine * along[0] + width / 2 + shift[1] * time + jitter[number, 1]
        grid = torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], dim=-1)[None]
        plane = functional.grid_sample(
            image, grid, mode="bicubic", padding_mode="reflection", align_corners=False
        )
        planes.append(plane[0, 0])
    return torch.stack(planes).clamp(0, 1)


def frames(clip: str, shape: Triple, top: int, left: int) -> torch.Tensor:
    """Frames of a clip as the planes of a volume; fewer where the clip is shorter."""
    files = sorted((SHARED / "video" / clip).glob("*.png"))[: shape[0]]
    crops = [
        _grey(file.relative_to(SHARED).as_posix())[top : top + shape[1], left : left + shape[2]]
        for file in files
    ]
    return torch.stack(crops)


def _grey(name: str) -> torch.Tensor:
    with Image.open(SHARED / name) as picture:
        return torch.from_numpy(np.asarray(picture.convert("L"), dtype=np.float32) / 255)


def _places(shape: Triple, spacing: tuple[float, float, float]) -> tuple[torch.Tensor, ...]:
    """How far each voxel lies from the middle, along planes, rows and columns."""
    lines = [
        (torch.arange(side) - (side - 1) / 2) * apart for side, apart in zip(shape, spacing, strict=True)
    ]
    return torch.meshgrid(*lines, indexing="ij")


def _inside(places: tuple[torch.Tensor, ...], centre: Sequence[float], axes: Sequence[float]) -> torch.Tensor:
    """Which voxels an ellipsoid holds."""
    parts = [((place - c) / a).square() for place, c, a in zip(places, centre, axes, strict=True)]
    return parts[0] + parts[1] + parts[2] < 1


def _blurred(volume: torch.Tensor, deviation: tuple[float, float, float]) -> torch.Tensor:
    """Convolved with a Gaussian, periodically."""
    spectrum = torch.fft.fftn(volume)
    for axis, one in enumerate(deviation):
        frequency = torch.fft.fftfreq(volume.shape[axis])
        line = torch.exp(-2 * (math.pi * frequency * one).square())
        spectrum = spectrum * line.view([-1 if place == axis else 1 for place in range(3)])
    return torch.fft.ifftn(spectrum).real


def _smooth_noise(
    shape: Triple, deviation: tuple[float, float, float], generator: torch.Generator
) -> torch.Tensor:
    """White noise, blurred and brought to the variance 1."""
    field = _blurred(torch.randn(shape, generator=generator), deviation)
    return field / field.std()
