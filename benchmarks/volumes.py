"""Denoising of volumes, plane by plane and in three dimensions: ``python -m benchmarks.volumes``.

Eight volumes with white Gaussian noise from a fixed seed. Four are made in code: heads of nested ellipsoids with folds
and texture, of cubic voxels and of planes two pixels apart; and cells with filaments under a microscope, whose planes
are 2.5 pixels apart, with two seeds. Three are what a camera sees that drifts over a picture of ../shared, comes
nearer, or turns, and one are frames of a road. With ``--channels`` pictures in colour are taken for stacks of three channels with
independent noise, and denoised channel by channel, after a rotation to their principal axes, and as colours. Seconds
are those of one thread.
"""

from __future__ import annotations

import argparse
import functools
import math
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from zeroshot.loop import Loop
from zeroshot.operators import Identity
from zeroshot.prior import configured_prior
from zeroshot.problem import Problem

from .table import Table, show

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PRIORS = ("bm3d", "nlm", "tv", "wavelet")
#: How many pixels the planes of a volume are apart, where that is more than one.
SPACING = {"head 2": 2.0, "cells 1": 2.5, "cells 2": 2.5}
Shape = tuple[int, int, int]


# --- volumes -------------------------------------------------------------------------------------------------


def blurred(volume: torch.Tensor, widths: tuple[float, float, float]) -> torch.Tensor:
    """Convolved with a Gaussian of these standard deviations along the axes, periodically."""
    for axis, width in enumerate(widths):
        frequencies = torch.fft.fftfreq(volume.shape[axis])
        response = torch.exp(-2 * (math.pi * frequencies * width) ** 2)
        shape = [-1 if one == axis else 1 for one in range(3)]
        volume = torch.fft.ifft(torch.fft.fft(volume, dim=axis) * response.view(shape), dim=axis).real
    return volume


def texture(shape: Shape, widths: tuple[float, float, float], generator: torch.Generator) -> torch.Tensor:
    """Smooth noise of standard deviation 1."""
    field = blurred(torch.randn(shape, generator=generator), widths)
    return field / field.std()


def head(shape: Shape, seed: int, spacing: float) -> torch.Tensor:
    """Skull, folded cortex, white matter, ventricle and some lesions, as in images of magnetic resonance."""
    generator = torch.Generator().manual_seed(seed)
    depth, height, width = shape
    z, y, x = torch.meshgrid(
        (torch.arange(depth) - depth / 2 + 0.5) * spacing / (width / 2),
        (torch.arange(height) - height / 2 + 0.5) / (height / 2),
        (torch.arange(width) - width / 2 + 0.5) / (width / 2),
        indexing="ij",
    )
    radius = (x**2 / 0.85**2 + y**2 / 0.95**2 + z**2 / 0.95**2).sqrt()
    folds = texture(shape, (3 / spacing, 3, 3), generator)
    volume = torch.zeros(shape)
    volume[radius < 1] = 0.75
    volume[radius < 0.92] = 0.12
    volume[radius < 0.86 + 0.03 * folds] = 0.45
    volume[radius + 0.1 * folds < 0.62] = 0.65
    volume[(x.abs() - 0.15) ** 2 / 0.08**2 + (y + 0.05) ** 2 / 0.3**2 + z**2 / 0.3**2 < 1] = 0.15
    for _ in range(12):
        centre = (torch.rand(3, generator=generator) - 0.5) * 1.1
        axes = 0.03 + 0.09 * torch.rand(3, generator=generator)
        value = 0.2 + 0.6 * float(torch.rand(1, generator=generator))
        distance = sum(((one - c) / a) ** 2 for one, c, a in zip((x, y, z), centre, axes, strict=True))
        volume[distance < 1] = value
    fine = texture(shape, (1.2 / spacing, 1.2, 1.2), generator)
    coarse = texture(shape, (6 / spacing, 6, 6), generator)
    volume += (0.02 * fine + 0.03 * coarse) * (volume > 0.05)
    return blurred(volume, (0.5 / spacing, 0.5, 0.5)).clamp(0, 1)


def cells(shape: Shape, seed: int, spacing: float) -> torch.Tensor:
    """Cells with texture and thin filaments on dark ground, blurred as by an objective."""
    chance = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    volume = torch.zeros(shape)
    z, y, x = torch.meshgrid(
        *(
            step * torch.arange(size, dtype=torch.float32)
            for step, size in zip((spacing, 1, 1), shape, strict=True)
        ),
        indexing="ij",
    )
    size = np.array([shape[0] * spacing, *shape[1:]])
    for _ in range(14):
        centre, axes = chance.random(3) * size, chance.uniform(6, 14, 3)
        distance = sum(((one - c) / a) ** 2 for one, c, a in zip((z, y, x), centre, axes, strict=True))
        volume[distance < 1] = chance.uniform(0.35, 0.65)
    volume += 0.06 * (volume > 0) * texture(shape, (1, 2, 2), generator)
    for _ in range(20):
        place, direction = chance.random(3) * size, chance.normal(size=3) * [0.5, 1, 1]
        for _ in range(120):
            direction = direction + chance.normal(size=3) * [0.12, 0.25, 0.25]
            direction /= np.linalg.norm(direction)
            place = place + 0.8 * direction
            at = np.round(place / [spacing, 1, 1]).astype(int)
            if (at >= 0).all() and (at < shape).all():
                volume[tuple(at)] = 0.9
    volume = blurred(volume, (0.8, 1, 1))
    return (0.04 + 0.9 * volume / volume.max()).clamp(0, 1)


def seen(picture: str, shape: Shape, drift: tuple[float, float], zoom: float, turn: float) -> torch.Tensor:
    """What a camera sees that moves over a picture: pixels, shares and degrees from plane to plane."""
    grey = np.asarray(Image.open(DATA / picture).convert("L"), np.float32) / 255
    image = torch.from_numpy(grey)[None, None]
    height, width = image.shape[-2:]
    depth, rows, columns = shape
    y, x = torch.meshgrid(
        torch.arange(rows) - rows / 2 + 0.5, torch.arange(columns) - columns / 2 + 0.5, indexing="ij"
    )
    planes = []
    for number in range(depth):
        at = number - (depth - 1) / 2
        scale, angle = (1 + zoom) ** at, math.radians(turn * at)
        across = scale * (math.cos(angle) * x + math.sin(angle) * y) + width / 2 + drift[1] * at
        down = scale * (math.cos(angle) * y - math.sin(angle) * x) + height / 2 + drift[0] * at
        grid = torch.stack([2 * across / width - 1, 2 * down / height - 1], dim=-1)[None].float()
        planes.append(functional.grid_sample(image, grid, "bicubic", "reflection", align_corners=False)[0, 0])
    return torch.stack(planes).clamp(0, 1)


def frames(folder: str, shape: Shape) -> torch.Tensor:
    """The middle of consecutive frames."""
    files = sorted((DATA / "video" / folder).glob("*.png"))[: shape[0]]
    whole = np.stack([np.asarray(Image.open(file).convert("L"), np.float32) / 255 for file in files])
    top, left = ((size - wanted) // 2 for size, wanted in zip(whole.shape[1:], shape[1:], strict=True))
    return torch.from_numpy(whole[:, top : top + shape[1], left : left + shape[2]])


def volumes(shape: Shape) -> dict[str, Callable[[], torch.Tensor]]:
    """Name ↦ what makes the volume, (D, H, W) in [0, 1]."""
    return {
        "head 1": lambda: head(shape, 1, 1.0),
        "head 2": lambda: head(shape, 2, SPACING["head 2"]),
        "cells 1": lambda: cells(shape, 3, SPACING["cells 1"]),
        "cells 2": lambda: cells(shape, 4, SPACING["cells 2"]),
        "drift": lambda: seen("set12/barbara.png", shape, (0.4, 0.7), 0.0, 0.0),
        "zoom": lambda: seen("kodak_full/kodim05.png", shape, (0.0, 0.3), 0.01, 0.0),
        "turn": lambda: seen("inpaint11/man.png", shape, (0.2, 0.2), 0.003, 1.0),
        "road": lambda: frames("highway", shape),
    }


# --- methods -------------------------------------------------------------------------------------------------


def planes(prior: str, noisy: torch.Tensor, sigma: float, spacing: float) -> torch.Tensor:
    """Each plane by itself."""
    return torch.cat([_solved(prior, plane[None, None], sigma)[0] for plane in noisy])


def _solved(prior: str, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
    problem = Problem(noisy, Identity(), sigma=sigma, task="denoise")
    loop = Loop(problem, configured_prior(prior, problem), generator=torch.Generator())
    return loop.complete().result()


def volume(prior: str, noisy: torch.Tensor, sigma: float, spacing: float) -> torch.Tensor:
    """All planes as one."""
    problem = Problem(noisy[None, :1], Identity(), sigma=sigma, task="denoise")
    denoiser = configured_prior(prior, problem).volume_denoiser(spacing)
    assert denoiser is not None
    return denoiser.prepared(noisy[None, None], sigma)(noisy[None], sigma)[0].clamp(0, 1)


METHODS = {"planes": planes, "volume": volume}


def psnr(image: torch.Tensor, truth: torch.Tensor) -> float:
    """10 log₁₀ (1 / mean squared error)."""
    return -10 * math.log10(float((image - truth).square().mean()))


def noised(truth: torch.Tensor, sigma: float) -> torch.Tensor:
    """With white noise from a fixed seed."""
    return truth + sigma * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))


def measured_volumes(given: argparse.Namespace) -> None:
    """The table of all priors, the mean over the volumes, and one of every volume."""
    shape = (given.depth, given.side, given.side)
    known = {name: make for name, make in volumes(shape).items() if not given.only or name in given.only}
    methods = [f"{prior} {how}" for prior in given.priors for how in METHODS]
    for level in given.sigma:
        sigma = level / 255
        table = Table(
            "volumes",
            {"sigma": level, "shape": "x".join(map(str, shape))},
            list(known),
            methods,
            again=given.again,
        )
        figures: dict[str, dict[str, dict[str, float]]] = {}
        noise = {}
        for name, make in known.items():
            truth = make()
            noisy = noised(truth, sigma)
            noise[name] = psnr(noisy.clamp(0, 1), truth)
            for prior in given.priors:
                for how, method in METHODS.items():
                    work = functools.partial(
                        _measured, method, prior, noisy, truth, sigma, SPACING.get(name, 1.0)
                    )
                    figures.setdefault(f"{prior} {how}", {})[name] = table.measure(
                        name, f"{prior} {how}", work
                    )
        size = " × ".join(map(str, shape))
        heads = {"σ = " + f"{level:g}": "", **dict.fromkeys(known, ".2f"), "mean": ".2f", "seconds": ".1f"}
        lines: list[list[Any]] = [["input", *noise.values(), statistics.mean(noise.values()), None]]
        for method, cells_of in figures.items():
            values = [one["psnr"] for one in cells_of.values()]
            seconds = statistics.mean(one["seconds"] for one in cells_of.values())
            lines.append([method, *values, statistics.mean(values), seconds])
        show(f"PSNR in dB, {size} voxels, noise of σ = {level:g} of 255", heads, lines)
        print(table.write_csv())


def _measured(
    method: Callable[..., torch.Tensor],
    prior: str,
    noisy: torch.Tensor,
    truth: torch.Tensor,
    sigma: float,
    spacing: float,
) -> dict[str, float]:
    begun = time.process_time()
    result = method(prior, noisy, sigma, spacing)
    return {"psnr": psnr(result, truth), "seconds": time.process_time() - begun}


# --- channels ------------------------------------------------------------------------------------------------


def pictures(side: int) -> Iterator[tuple[str, torch.Tensor]]:
    """The middle of pictures in colour, (3, H, W)."""
    for folder in ("mcmaster", "kodak_full"):
        for file in sorted((DATA / folder).glob("*.png")) + sorted((DATA / folder).glob("*.tif")):
            colours = np.asarray(Image.open(file).convert("RGB"), np.float32) / 255
            top, left = ((size - side) // 2 for size in colours.shape[:2])
            part = colours[top : top + side, left : left + side]
            yield f"{folder}/{file.stem}", torch.from_numpy(part).permute(2, 0, 1).contiguous()


def principal_axes(noisy: torch.Tensor) -> torch.Tensor:
    """Those of the channels (C, H, W) in rows, the one of the largest variance first."""
    values = noisy.flatten(1).double()
    return torch.linalg.eigh(torch.cov(values)).eigenvectors.T.flip(0).to(noisy)


def separately(prior: str, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
    """Channel by channel, as planes of a stack are."""
    return torch.cat([_solved(prior, channel[None, None], sigma)[0] for channel in noisy])


def rotated(prior: str, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
    """Each principal axis of the channels by itself, on the scale and with the offset of a picture."""
    axes = principal_axes(noisy)
    turned = torch.einsum("dc,chw->dhw", axes, noisy)
    offsets = turned.flatten(1).mean(dim=1)[:, None, None]
    # Half the scale, so that what is turned keeps within black and white.
    found = separately(prior, (turned - offsets) / 2 + 0.5, sigma / 2)
    return torch.einsum("dc,dhw->chw", axes, (found - 0.5) * 2 + offsets).clamp(0, 1)


def as_colours(prior: str, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
    """As the samples of a picture in colour."""
    return _solved(prior, noisy[None], sigma)[0]


CHANNELS = {"separately": separately, "principal axes": rotated, "as colours": as_colours}


def measured_channels(given: argparse.Namespace) -> None:
    """The mean over the pictures, and how many of them gain by more than 0.05 dB."""
    known = dict(pictures(given.side))
    for level in given.sigma:
        sigma = level / 255
        methods = [f"{prior} {how}" for prior in given.priors for how in CHANNELS]
        table = Table(
            "channels", {"sigma": level, "side": given.side}, list(known), methods, again=given.again
        )
        lines = []
        for prior in given.priors:
            values: dict[str, list[float]] = {}
            for name, truth in known.items():
                noisy = noised(truth, sigma)
                for how, method in CHANNELS.items():
                    work = functools.partial(_of_channels, method, prior, noisy, truth, sigma)
                    values.setdefault(how, []).append(table.measure(name, f"{prior} {how}", work)["psnr"])
            means = [statistics.mean(values[how]) for how in CHANNELS]
            gains = [
                after - before
                for before, after in zip(values["separately"], values["principal axes"], strict=True)
            ]
            lines.append([prior, *means, sum(gain > 0.05 for gain in gains), min(gains), max(gains)])
        heads = {"": "", **dict.fromkeys(CHANNELS, ".2f"), "gain": "d", "least": ".2f", "most": ".2f"}
        show(
            f"PSNR in dB, {len(known)} pictures as stacks of three channels, σ = {level:g} of 255",
            heads,
            lines,
        )


def _of_channels(
    method: Callable[..., torch.Tensor], prior: str, noisy: torch.Tensor, truth: torch.Tensor, sigma: float
) -> dict[str, float]:
    return {"psnr": psnr(method(prior, noisy, sigma), truth)}


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sigma", type=float, nargs="+", default=[25.0], help="levels of noise, of 255")
    parser.add_argument("--depth", type=int, default=24)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--priors", nargs="+", default=PRIORS)
    parser.add_argument("--only", nargs="+", help="names of volumes")
    parser.add_argument(
        "--channels", action="store_true", help="pictures in colour as stacks of three channels"
    )
    parser.add_argument("--again", action="store_true", help="measure anew what is on file")
    given = parser.parse_args()
    torch.set_num_threads(1)
    (measured_channels if given.channels else measured_volumes)(given)


if __name__ == "__main__":
    main()
