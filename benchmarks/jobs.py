"""Several images at a time: seconds of ``--jobs 1 --threads 1`` and of ``--jobs N`` on one folder, and their ratio.

A folder of noisy crops of scikit-image's photographs is restored by the command line, in turn with one job and with
several, so that all see the same load of the machine, which is printed; the processor seconds (user and system, of
all processes) tell what is lost to starting processes and to sharing caches, whatever else the machine does. The
outputs are compared byte by byte::

    python -m benchmarks.jobs --jobs 2
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from zeroshot import images
from zeroshot.noise import add_gaussian

from .arguments import count, parser
from .large_image import photograph

SIGMA = 25 / 255


def write_folder(folder: Path, number: int, size: int) -> None:
    """Noisy crops of `size` × `size` pixels in colour, at places drawn at random."""
    generator, places = torch.Generator().manual_seed(0), np.random.default_rng(0)
    quarters = photograph(4 * size, 4 * size).unfold(2, 2 * size, 2 * size).unfold(3, 2 * size, 2 * size)
    for index in range(number):
        quarter = quarters[:, :, index // 2 % 2, index % 2]
        top, left = places.integers(0, size + 1, 2)
        crop = quarter[..., top : top + size, left : left + size]
        noisy = add_gaussian(crop, SIGMA, generator).clamp(0, 1).mul(255).round().byte()
        images.save(images.load(noisy), folder / f"{index}.png")


def restored(source: Path, output: Path, prior: str, words: list[str]) -> tuple[float, float]:
    """Wall-clock and processor seconds of the command."""

    def processor() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    command = [sys.executable, "-m", "zeroshot", "denoise", str(source), "-o", str(output), "--prior", prior]
    wall, before = time.perf_counter(), processor()
    subprocess.run([*command, *words, "--quiet"], check=True)
    return time.perf_counter() - wall, processor() - before


def main() -> None:
    """Print a line for every run, and the ratios."""
    options = parser(__doc__)
    options.add_argument("--jobs", type=count, default=2)
    options.add_argument("--images", type=count, default=8)
    options.add_argument("--size", type=count, default=256, help="side of the crops")
    options.add_argument("--rounds", type=count, default=2)
    options.add_argument("--prior", default="bm3d")
    arguments = options.parse_args()
    ways = {"one": ["--jobs", "1", "--threads", "1"], "several": ["--jobs", str(arguments.jobs)]}
    spent: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        write_folder(folder / "in", arguments.images, arguments.size)
        for turn in range(arguments.rounds):
            for way, words in ways.items():
                output = folder / f"{way}{turn}"
                seconds = restored(folder / "in", output, arguments.prior, words)
                spent[way].append(seconds)
                load = os.getloadavg()[0]
                print(
                    f"{' '.join(words)}: {seconds[0]:.1f} s, processor {seconds[1]:.1f} s, load {load:.1f}",
                    flush=True,
                )
        same = all(
            path.read_bytes() == (folder / f"several{turn}" / path.name).read_bytes()
            for turn in range(arguments.rounds)
            for path in (folder / "one0").iterdir()
        )
    wall, processor = (
        sum(row[column] for row in spent["one"]) / sum(row[column] for row in spent["several"])
        for column in (0, 1)
    )
    print(
        f"{arguments.jobs} jobs are {wall:.2f} times as fast on {os.cpu_count()} cores, with {1 / processor:.2f} times "
        f"the processor time; the outputs are {'the same' if same else 'NOT the same'}"
    )


if __name__ == "__main__":
    main()
