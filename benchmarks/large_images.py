"""Large photographs: the peak memory and the seconds of every prior of the README's table, under a budget.

A colour photograph of 12 megapixels with noise of 25 grey levels, which a process of its own for every prior restores
with the defaults (`tile="auto"`) and one thread. The peak is that of the whole process, the libraries and the picture
as an 8-bit file included, so that reading and the estimate of the noise count::

    python -m benchmarks.large_images --seconds 30
    python -m benchmarks.large_images --task demosaic --priors pnp,wavelet      # or sr, twice; without noise
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from zeroshot import images
from zeroshot.noise import add_gaussian
from zeroshot.operators import Downsample, Mosaic

from .arguments import parser
from .large_image import SIGMA, photograph
from .timing import peak_gib

PRIORS = "wnnm,bm3d,ncsr,ksvd,dct,wavelet,nltv,nlm,tgv,tv,dip"


#: What each task is told.
OPTIONS: dict[str, dict[str, object]] = {
    "denoise": {},
    "demosaic": {"pattern": "RGGB"},
    "sr": {"scale": 2},
}


def measure(file: str, task: str, prior: str, seconds: float) -> dict[str, object]:
    """Peak memory of this process in GiB, wall and processor seconds of the call, tiles, and why it ended."""
    import zeroshot

    torch.set_num_threads(1)
    before, wall, processor = peak_gib(), time.perf_counter(), time.process_time()
    result = zeroshot.solve(file, task, prior, seconds=seconds, progress=False, **OPTIONS[task])
    return {
        "before": before,
        "peak": peak_gib(),
        "wall": time.perf_counter() - wall,
        "processor": time.process_time() - processor,
        "tiles": len(result.findings.get("tiles", ())),
        "reason": result.stopped_by,
    }


def _damaged(task: str, truth: torch.Tensor) -> torch.Tensor:
    """The picture as the task finds it."""
    if task == "demosaic":
        return Mosaic("RGGB")(truth)
    if task == "sr":
        return Downsample(2)(truth)
    return add_gaussian(truth, SIGMA, torch.Generator().manual_seed(0))


def main() -> None:
    """Print the table."""
    options = parser(__doc__)
    options.add_argument("--priors", default=PRIORS)
    options.add_argument("--task", choices=list(OPTIONS), default="denoise")
    options.add_argument("--megapixels", type=float, default=12.0)
    options.add_argument("--seconds", type=float, default=30.0)
    arguments = options.parse_args()
    height = round((arguments.megapixels * 1e6 * 3 / 4) ** 0.5 / 2) * 2
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "large.png"
        damaged = _damaged(arguments.task, photograph(height, height * 4 // 3))
        images.save(images.load(damaged.clamp(0, 1).mul(255).round().byte()), file)
        del damaged
        print(
            "| prior | peak, GiB | wall, s | processor, s | tiles | ended because it |\n|---|---|---|---|---|---|"
        )
        for prior in arguments.priors.split(","):
            case = (str(file), arguments.task, prior, arguments.seconds)
            code = f"import json; from benchmarks.large_images import measure; print(json.dumps(measure{case!r}))"
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True
            )
            if done.returncode:
                print(
                    f"| {prior} | exit code {done.returncode}: {done.stderr.strip().splitlines()[-1:]} | | | | |"
                )
                continue
            row = json.loads(done.stdout.splitlines()[-1])
            times = f"{row['wall']:.1f} | {row['processor']:.1f}"
            print(
                f"| {prior} | {row['peak']:.2f} | {times} | {row['tiles'] or 'none'} | {row['reason']} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
