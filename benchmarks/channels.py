"""Channels of stacks denoised together where that is expected to be better: ``python -m benchmarks.channels``.

Stacks of one plane and several channels, with independent noise from a fixed seed: pictures in colour, pictures of
different things, and channels of a microscope that are made in code. Each is denoised channel by channel, with all
channels joint, and as ``channels="auto"`` decides, told the noise, or with ``--estimated`` as it is estimated. A gain
is that of the mean squared error of a channel in dB over the one that is denoised by itself.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from zeroshot.images.stack import ArrayStack
from zeroshot.joint_channels import joint_channels
from zeroshot.noise import NoiseModel
from zeroshot.planes import restored_planes, restored_stack
from zeroshot.request import Request
from zeroshot.survey import Channel, surveyed
from zeroshot.tiling.planning import Tiling
from zeroshot.watch import Watch

from .made_volumes import cells
from .sets import image_files
from .table import Table, show
from .volumes import pictures

WAYS = ("separate", "joint", "auto")
#: Looking for impulses and stripes, of which there are none, takes longer than small planes do.
_TOLD: dict[str, Any] = {"outliers": "none", "stripes": "none"}


class Case(NamedTuple):
    """A stack whose truth is known.

    Attributes
    ----------
    truth : numpy.ndarray
        (C, H, W).
    noisy : numpy.ndarray
        The same, of the type that is restored.
    noise : tuple of tuple of float
        Of each channel: the variance at the value 0, and how much it grows with the value.
    """

    truth: np.ndarray
    noisy: np.ndarray
    noise: Sequence[tuple[float, float]]


def cases(side: int) -> Iterator[tuple[str, str, Callable[[], Case]]]:
    """What each is one of, its name, and what makes it; grey levels from 0 to 255 where nothing else is said."""
    coloured = [(name, 255 * one.double().numpy()) for name, one in pictures(side)]
    for levels in ((10, 10, 10), (25, 25, 25), (50, 50, 50), (10, 25, 50)):
        told = str(levels[0]) if len(set(levels)) == 1 else ", ".join(map(str, levels))
        for name, truth in coloured:
            yield f"colours, σ {told}", name, lambda truth=truth, levels=levels: _with_noise(truth, levels)
    for name, truth in coloured:
        yield "colours, photons, saturated", name, lambda truth=truth: _saturated(truth)
    for name, truth in coloured:
        yield (
            "colours, noise half shared",
            name,
            lambda truth=truth: _with_noise(truth, (25, 25, 25), shared=0.5),
        )
    grey = _grey(side)
    for number in range(len(grey)):
        chosen = np.stack([grey[(number + step) % len(grey)] for step in range(3)])
        for levels in ((25, 25, 25), (5, 50, 20)):
            told = ", ".join(map(str, levels))
            make = lambda chosen=chosen, levels=levels: _with_noise(chosen, levels)  # noqa: E731
            yield f"unlike pictures, σ {told}", f"from {number}", make
    for number, (name, truth) in enumerate(coloured[::3]):
        mixed = np.concatenate([truth, grey[number : number + 2]])
        yield "colours and two others", name, lambda mixed=mixed: _with_noise(mixed, (25, 15, 25, 25, 35))
        emptied = np.concatenate([truth[:2], np.full_like(truth[:1], 20)])
        yield "colours and an empty channel", name, lambda emptied=emptied: _with_noise(emptied, (25, 25, 15))
    for kind, shared in (("share nothing", 0.0), ("share a tenth", 0.1), ("share most", 0.7)):
        for seed in range(6):
            yield (
                f"dyes that {kind}",
                str(seed),
                lambda seed=seed, shared=shared: _microscope(seed, side, shared),
            )


def _with_noise(truth: np.ndarray, levels: Sequence[float], shared: float = 0.0) -> Case:
    chance = np.random.default_rng(0)
    own, common = chance.normal(size=truth.shape), chance.normal(size=truth.shape[1:])
    noise = np.reshape(levels, (-1, 1, 1)) * ((1 - shared) ** 0.5 * own + shared**0.5 * common)
    return Case(truth, (truth + noise).astype(np.float32), [(level**2, 0.0) for level in levels])


def _saturated(truth: np.ndarray) -> Case:
    """Photons, in counts at a gain of each channel, the brightest of which are cut off."""
    brightness, gains = np.array([3.0, 1.0, 0.3]), np.array([4.0, 16.0, 60.0])
    scale = (brightness * gains)[:, None, None]
    counts = np.random.default_rng(1).poisson(truth * brightness[:, None, None]) * gains[:, None, None]
    limit = 0.9 * 255 * scale
    noise = [(0.0, gain) for gain in gains]
    return Case(np.minimum(truth * scale, limit), np.minimum(counts, limit).round().astype(np.uint16), noise)


def _grey(side: int) -> np.ndarray:
    """The middle of the pictures of Set12."""
    parts = []
    for file in image_files("set12"):
        picture = np.asarray(Image.open(file).convert("L"), float)
        top, left = ((size - side) // 2 for size in picture.shape)
        parts.append(picture[top : top + side, left : left + side])
    return np.stack(parts)


def _microscope(seed: int, side: int, shared: float) -> Case:
    """Photons of four dyes, each of bodies of its own, with a share of the light of bodies that all of them show."""
    common = cells((5, side, side), 100 + seed)[2].numpy()
    own = np.stack([cells((5, side, side), 10 * seed + dye)[2].numpy() for dye in range(4)])
    brightness, gains = np.array([60.0, 20.0, 100.0, 8.0]), np.array([10.0, 40.0, 5.0, 100.0])
    photons = 10 + ((1 - shared) * own + shared * common) * brightness[:, None, None]
    chance = np.random.default_rng(seed)
    counts = chance.poisson(photons) * gains[:, None, None] + chance.normal(0, 20, photons.shape)
    # No darkest value lies so low that the noise there would be none.
    truth = photons * gains[:, None, None] + 200
    noise = [(20.0**2 - 200 * gain, gain) for gain in gains]
    return Case(truth, (counts + 200).round().clip(0, 65535).astype(np.uint16), noise)


def measured(case: Case, prior: str, ways: Sequence[str], *, estimated: bool) -> dict[str, float]:
    """The mean squared error of each channel by each way, what was expected, and what was denoised together."""
    stack = ArrayStack(case.noisy, "CYX")
    options = _TOLD if estimated else {**_TOLD, "sigma": 1.0}
    survey = surveyed(stack, "denoise", options, None)
    if not estimated:
        pairs = zip(survey.channels, case.noise, strict=True)
        survey = replace(survey, channels=tuple(replace(one, noise=_told(one, *line)) for one, line in pairs))
        options = _TOLD
    request = Request(
        "denoise", prior, None, None, None, 0, torch.device("cpu"), Watch(progress=False), Tiling()
    )
    found: dict[str, float] = {}
    known: dict[tuple[int, ...], np.ndarray] = {}
    for way in ways:
        apart = "that was asked for" if way == "separate" else None
        joint = joint_channels(stack, way, apart, request, options, survey)
        assert joint is not None
        together = () if joint.found is None else joint.found.together
        if together not in known:
            planes = restored_planes(stack, request, options, survey, hidden=True, joint=joint)
            image = np.asarray(restored_stack(stack, survey, planes, joint).image, float)
            known[together] = np.square(image - case.truth).mean(axis=(1, 2))
        found |= {f"{way} error {channel}": float(value) for channel, value in enumerate(known[together])}
        gains = () if joint.found is None else joint.found.gains
        found |= {f"{way} expected {one}": gain for one, gain in zip(together, gains, strict=True)}
    return found


def _told(channel: Channel, constant: float, slope: float) -> NoiseModel:
    """The noise of variance ``constant + slope · value`` on the range of a channel."""
    (low, high), width = channel.value_range, channel.width
    ends = [max(constant + slope * value, 1e-3 * abs(slope) * width) / width**2 for value in (low, high)]
    return NoiseModel.white(ends[0] ** 0.5) if slope == 0 else NoiseModel((0.0, 1.0), (tuple(ends),))


def _gains(found: dict[str, float], way: str) -> list[float]:
    pairs = [
        (found[name], found[name.replace("separate", way)]) for name in found if "separate error" in name
    ]
    return [10 * math.log10(before / after) for before, after in pairs]


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--priors", nargs="+", default=["wavelet", "bm3d"])
    parser.add_argument("--only", nargs="+", help="beginnings of kinds")
    parser.add_argument("--step", type=int, default=1, help="of each kind every so many")
    parser.add_argument("--estimated", action="store_true", help="the noise is not told")
    parser.add_argument(
        "--each", action="store_true", help="a line for each stack, with what was expected of it"
    )
    parser.add_argument("--again", action="store_true", help="measure anew what is on file")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    kinds: dict[str, dict[str, Callable[[], Case]]] = {}
    for kind, name, make in cases(given.side):
        if not given.only or kind.startswith(tuple(given.only)):
            kinds.setdefault(kind, {})[name] = make
    for prior in given.priors:
        lines = []
        for kind, of_kind in kinds.items():
            terms = {"prior": prior, "side": given.side, "kind": kind, "estimated": given.estimated}
            table = Table("joint channels", terms, list(of_kind), ["gains"], again=given.again)
            rows = []
            for name, make in list(of_kind.items())[:: given.step]:
                found = table.measure(name, "gains", partial(_timed, make, prior, given.estimated))
                rows.append(found)
                if given.each:
                    expected = [f"{value:+.2f}" for key, value in found.items() if "joint expected" in key]
                    parts = [expected, *([f"{gain:+.2f}" for gain in _gains(found, way)] for way in WAYS[1:])]
                    told = dict(zip(("expected", *WAYS[1:]), map(" ".join, parts), strict=True))
                    print(f"{kind}, {name}:", *(f"{key} {text}" for key, text in told.items()), flush=True)
            together = sum(any("auto expected" in key for key in found) for found in rows)
            line: list[object] = [kind, len(rows), together]
            for way in WAYS[1:]:
                gains = [_gains(found, way) for found in rows]
                of_stacks = [statistics.mean(one) for one in gains]
                line += [statistics.mean(of_stacks), min(of_stacks), min(map(min, gains))]
            lines.append(line)
        of_ways = {f"{way}{what}": "+.2f" for way in WAYS[1:] for what in ("", ", least", ", channel")}
        heads = {"": "", "stacks": "d", "together": "d", **of_ways}
        show(f"gain in dB, {prior}, {given.side} × {given.side}", heads, lines)


def _timed(make: Callable[[], Case], prior: str, estimated: bool) -> dict[str, float]:
    begun = time.process_time()
    found = measured(make(), prior, WAYS, estimated=estimated)
    return {**found, "seconds": time.process_time() - begun}


if __name__ == "__main__":
    main()
