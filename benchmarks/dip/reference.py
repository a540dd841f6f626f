"""Does the `reference` recipe reach what the published settings reach?

Runs two fits side by side on the same noisy crop, one iteration of each in turn, so that their curves can be
compared at every point: the engine's Deep Image Prior with ``recipe="reference"``, and a plain transcription of
the published denoising settings that shares no code with it (PyTorch's own layers, its own initialisation,
fresh noise, Adam, exponential average). Prints PSNR of the averaged and of the newest iterate, and writes the
curves as CSV and PNG::

    python -m benchmarks.dip.reference --images f16 peppers --iterations 3000

Both run in the precision asked for; ``--precision float32`` is what was published and takes about an hour and
a half an image on two cores, ``bfloat16`` gives the same curve in half the time.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import torch
from torch import nn

from benchmarks.arguments import parser
from benchmarks.sets import SHARED, picture
from benchmarks.table import OUTPUT, show
from zeroshot.memory import keep_large_allocations
from zeroshot.metrics import psnr
from zeroshot.operators import Identity
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.problem import Problem
from zeroshot.tasks.degrade import degrade

SIGMA = 25 / 255


def plain_convolution(inside: int, outside: int, size: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.ReflectionPad2d(size // 2), nn.Conv2d(inside, outside, size, stride))


def plain_stage(inside: int, outside: int, size: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        plain_convolution(inside, outside, size, stride), nn.BatchNorm2d(outside), nn.LeakyReLU(0.2)
    )


class Across(nn.Module):
    """Two branches of the same input, concatenated."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.first(x), self.second(x)], 1)


def plain_hourglass(inside: int, width: int = 128, across: int = 4, scales: int = 5) -> nn.Sequential:
    """Encoder–decoder of `scales` scales, innermost first in construction, as the paper's figure draws it."""
    inner: list[nn.Module] = []
    for scale in reversed(range(scales)):
        entering = inside if scale == 0 else width
        deep = nn.Sequential(
            plain_stage(entering, width, 3, 2),
            plain_stage(width, width, 3),
            *inner,
            nn.Upsample(scale_factor=2, mode="bilinear"),
        )
        inner = [
            Across(plain_stage(entering, across, 1), deep),
            nn.BatchNorm2d(width + across),
            plain_stage(width + across, width, 3),
            plain_stage(width, width, 1),
        ]
    return nn.Sequential(*inner, nn.Conv2d(width, 3, 1))


class PublishedFit:
    """The published denoising settings, step by step."""

    def __init__(self, noisy: torch.Tensor, precision: str, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            # Not the seed of z: the weights would be the same numbers as the input.
            torch.default_generator.manual_seed(seed + 1)
            self.network = plain_hourglass(32).to(memory_format=torch.channels_last)
        self.noisy = noisy
        self.precision = precision
        self.z = torch.rand(1, 32, *noisy.shape[-2:], generator=self.generator) * 0.1
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=0.01)
        self.average: torch.Tensor | None = None

    def step(self) -> tuple[torch.Tensor, torch.Tensor]:
        self.optimiser.zero_grad()
        noise = torch.randn(self.z.shape, generator=self.generator) / 30
        z = (self.z + noise).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16"):
            features = self.network(z)
        # The sigmoid in float32 in either precision: eight bits of mantissa would round the image itself.
        output = torch.sigmoid(features.float())
        (output - self.noisy).square().mean().backward()
        self.optimiser.step()
        output = output.detach()
        self.average = output if self.average is None else self.average * 0.99 + output * 0.01
        return self.average, output


class EngineFit:
    """The engine's run with the reference recipe."""

    def __init__(self, noisy: torch.Tensor, precision: str, seed: int) -> None:
        problem = Problem(noisy, Identity(), sigma=SIGMA, task="denoise")
        prior = DeepImagePrior.for_problem(problem, recipe="reference", precision=precision)
        self.run = prior.begin(problem, torch.Generator().manual_seed(seed))

    def step(self) -> tuple[torch.Tensor, torch.Tensor]:
        estimate = self.run.step()
        return estimate.image, estimate.newest


FITS = {"published": PublishedFit, "reference": EngineFit}


def compare(name: str, arguments: argparse.Namespace) -> list[dict[str, float]]:
    """The curves of the fits on the centre crop of a colour9 image, its noise cut to [0, 1] as published."""
    clean = picture(SHARED / "colour9" / f"{name}.png", arguments.size)
    noisy = degrade(clean, "denoise", sigma=SIGMA, seed=arguments.seed).measurement.clamp(0, 1)
    fits = {key: FITS[key](noisy, arguments.precision, arguments.seed) for key in arguments.fits}
    seconds = dict.fromkeys(fits, 0.0)
    rows: list[dict[str, float]] = []
    arguments.output.mkdir(parents=True, exist_ok=True)
    for iteration in range(1, arguments.iterations + 1):
        row: dict[str, float] = {"iteration": iteration}
        for key, fit in fits.items():
            start = time.perf_counter()
            images = fit.step()
            seconds[key] += time.perf_counter() - start
            for kind, image in zip(("averaged", "newest"), images, strict=True):
                row[f"{key}_{kind}"] = psnr(image.clamp(0, 1), clean)
            row[f"{key}_seconds"] = seconds[key]
        if iteration % arguments.every == 0 or iteration == arguments.iterations:
            rows.append(row)
            print(name, " ".join(f"{k} {v:.2f}" for k, v in row.items()), flush=True)
            write_curves(name, rows, arguments.output)
    return rows


def write_curves(name: str, rows: list[dict[str, float]], folder: Path) -> None:
    with open(folder / f"dip_reference_{name}.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({key: round(value, 3) for key, value in row.items()} for row in rows)


def plot(curves: dict[str, list[dict[str, float]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(curves), figsize=(5 * len(curves), 4), squeeze=False)
    for axis, (name, rows) in zip(axes[0], curves.items(), strict=True):
        for key, style in (("published", "--"), ("reference", "-")):
            if f"{key}_averaged" not in rows[0]:
                continue
            for kind, colour in (("averaged", "black"), ("newest", "0.6")):
                axis.plot(
                    [row["iteration"] for row in rows],
                    [row[f"{key}_{kind}"] for row in rows],
                    style,
                    color=colour,
                    label=f"{key}, {kind}",
                )
        axis.set(title=name, xlabel="iteration", ylabel="PSNR (dB)")
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    options = parser(__doc__)
    add = options.add_argument
    add("--images", nargs="+", default=["f16", "peppers"])
    add("--size", type=int, default=256)
    add("--iterations", type=int, default=3000)
    add("--precision", choices=["float32", "bfloat16"], default="float32")
    add("--fits", nargs="+", choices=list(FITS), default=list(FITS))
    add("--every", type=int, default=50, help="iterations between two rows")
    add("--seed", type=int, default=0)
    add("--output", type=Path, default=OUTPUT)
    arguments = options.parse_args()
    keep_large_allocations()
    curves = {name: compare(name, arguments) for name in arguments.images}
    plot(curves, arguments.output / "dip_reference.png")
    lines = [
        [name, *(max(row[f"{key}_averaged"] for row in rows) for key in arguments.fits)]
        for name, rows in curves.items()
    ]
    show(
        "PSNR in dB, averaged, best of the run", {"image": "", **dict.fromkeys(arguments.fits, ".2f")}, lines
    )


if __name__ == "__main__":
    main()
