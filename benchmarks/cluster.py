"""What Dask's workers cost: a plane in parts by ``--scheduler local``, and by ``--jobs`` on as many processes.

Counts with noise in a Zarr store of parts of 1024 × 1024 are restored by the command line, in turn by both ways.
Processor seconds, user and system, are those of all processes; most of the system's are spent on memory that a worker
gives back and asks for again::

    python -m benchmarks.cluster --side 2048 --jobs 2
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr

from .arguments import count, parser
from .table import show


def write_store(path: Path, side: int) -> None:
    """Waves with noise, (side, side), uint16."""
    rows, columns = np.mgrid[:side, :side]
    waves = 2000 + 800 * np.sin(rows / 9) * np.sin(columns / 13)
    array = zarr.create_array(store=str(path), shape=(side, side), dtype=np.uint16, chunks=(512, 512))
    array[...] = np.random.default_rng(0).normal(waves, 100).astype(np.uint16)


def restored(source: Path, output: Path, words: list[str]) -> list[float]:
    """Seconds on the clock, and of the processor: in the program and in the system."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "zeroshot", "denoise", str(source), "-o", str(output), "--quiet"]
    subprocess.run([*command, "--prior", "domain_transform", *words], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return [time.perf_counter() - began, *spent]


def main() -> None:
    """Print a row for each way."""
    options = parser(__doc__)
    options.add_argument("--side", type=count, default=2048, help="of the plane")
    options.add_argument("--jobs", type=count, default=2)
    options.add_argument("--rounds", type=count, default=1)
    arguments = options.parse_args()
    jobs = ["--jobs", str(arguments.jobs)]
    ways = {"--jobs": jobs, "--scheduler local": ["--scheduler", "local", *jobs]}
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "in.zarr"
        write_store(source, arguments.side)
        rows = [
            [way, *restored(source, Path(name) / f"{number}-{turn}.zarr", words)]
            for turn in range(arguments.rounds)
            for number, (way, words) in enumerate(ways.items())
        ]
    heads = {"": "", "seconds": ".1f", "processor, program": ".1f", "processor, system": ".1f"}
    show(f"{arguments.side} × {arguments.side}, {arguments.jobs} processes", heads, rows)


if __name__ == "__main__":
    main()
