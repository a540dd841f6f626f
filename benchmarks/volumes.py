"""Denoising of volumes, plane by plane and in three dimensions: ``python -m benchmarks.volumes``.

Volumes that are made in code (:mod:`benchmarks.made_volumes`) get white Gaussian noise from a fixed seed. With
``--channels`` pictures in colour are taken for stacks of three channels with independent noise, and denoised channel by
channel, after a rotation to their principal axes, and as colours. Seconds are those of one thread.
"""

from __future__ import annotations

import argparse
import functools
import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image

from zeroshot.loop import Loop
from zeroshot.operators import Identity
from zeroshot.prior import configured_prior
from zeroshot.problem import Problem

from .made_volumes import made_volumes
from .sets import SHARED
from .table import Table, show

PRIORS = ("bm3d", "nlm", "tv", "wavelet")
#: How many pixels the planes of a volume are apart, where that is more than one.
SPACING = {"head, thick slices": 2.0, "cells": 2.5}


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
    known = {
        name: one for name, one in made_volumes(*shape[:2]).items() if not given.only or name in given.only
    }
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
        for name, truth in known.items():
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
        for file in sorted((SHARED / folder).glob("*.png")) + sorted((SHARED / folder).glob("*.tif")):
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
