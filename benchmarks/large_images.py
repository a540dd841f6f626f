"""Large photographs: the peak memory of every prior of the README's table, in tiles and as a whole.

A colour photograph with noise of 25 grey levels (blurred or with holes for priors that are for those alone), which a
process of its own for every prior restores with the defaults (`tile="auto"`) and one thread. The peak is that of the
whole process, the libraries and the picture as an 8-bit file included, so that reading and the estimate of the noise
count. After so many processor seconds a run is cut, its peak being that so far; a slow prior has had its first strips
or tiles by then, which take what the others take::

    python -m benchmarks.large_images --seconds 60
    python -m benchmarks.large_images --task demosaic --priors pnp,wavelet      # or sr, twice; without noise
    python -m benchmarks.large_images --whole --megapixels 1                    # for Prior.bytes_per_value
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import torch

from zeroshot import images
from zeroshot.noise import add_gaussian, random_mask
from zeroshot.operators import Blur, Downsample, Mosaic

from .arguments import parser
from .large_image import SIGMA, photograph
from .timing import peak_gib

PRIORS = (
    "fourier,bilateral,domain_transform,perona_malik,coherence,richardson_lucy,unsupervised_wiener,wiener,tv,huber_tv,tgv,nltv,wavelet,dct,ksvd,"
    "ncsr,gsr,nlm,bm3d,nnm,wnnm,completion,pnp,red,dip,zsn2n,idr,pixel2pixel"
)
#: What priors are for that do no denoising.
_OWN_TASKS = {
    "richardson_lucy": "deblur",
    "unsupervised_wiener": "deblur",
    "wiener": "deblur",
    "completion": "inpaint",
}

#: What each task is told; where noise is left out, it is to be estimated.
OPTIONS: dict[str, dict[str, object]] = {
    "denoise": {},
    "demosaic": {"pattern": "RGGB"},
    "sr": {"scale": 2},
    "deblur": {"kernel": "gaussian=1.6"},
    "inpaint": {"mask": "#ff00ff", "sigma": 0.0},
}


def measure(file: str, task: str, prior: str, seconds: float, whole: bool) -> dict[str, Any]:
    """Peak memory of this process in GiB, wall and processor seconds of the call, tiles, and why it ended."""
    import zeroshot

    torch.set_num_threads(1)
    # What is loaded at the first call is no part of what grows with the picture.
    zeroshot.solve(torch.rand(1, 3, 16, 16), "denoise", "tv", sigma=0.1, progress=False)
    before, wall, processor = peak_gib(), time.perf_counter(), time.process_time()
    iterations = [0]

    def row(tiles: int | None, reason: str) -> dict[str, Any]:
        return {
            "before": before,
            "peak": peak_gib(),
            "wall": time.perf_counter() - wall,
            "processor": time.process_time() - processor,
            "tiles": tiles,
            "reason": reason,
        }

    def cut() -> None:
        while time.process_time() - processor < seconds:
            time.sleep(0.2)
        print(json.dumps(row(None, f"was cut after {iterations[0]} iterations")), flush=True)
        os._exit(0)

    def count(estimate: Any, run: object) -> None:
        iterations[0] = estimate.iteration

    threading.Thread(target=cut, daemon=True).start()
    tile = None if whole else "auto"
    result = zeroshot.solve(file, task, prior, tile=tile, progress=False, callbacks=[count], **OPTIONS[task])
    return row(len(result.findings.get("tiles", ())), result.stopped_by)


def _damaged(task: str, truth: torch.Tensor) -> torch.Tensor:
    """The picture as the task finds it."""
    if task == "demosaic":
        return Mosaic("RGGB")(truth)
    if task == "sr":
        return Downsample(2)(truth)
    generator = torch.Generator().manual_seed(0)
    if task == "deblur":
        return Blur.gaussian(1.6)(truth)
    if task == "inpaint":
        known = random_mask(tuple(truth.shape), 0.5, generator)
        return torch.where(known > 0, truth, torch.tensor([1.0, 0.0, 1.0])[:, None, None])
    return add_gaussian(truth, SIGMA, generator)


def main() -> None:
    """Print the table."""
    options = parser(__doc__)
    options.add_argument("--priors", default=PRIORS)
    options.add_argument("--task", choices=list(OPTIONS), default="denoise")
    options.add_argument("--megapixels", type=float, default=12.0)
    options.add_argument("--seconds", type=float, default=60.0, help="processor seconds of a run")
    options.add_argument("--whole", action="store_true", help="no tiles; prints bytes for each value")
    arguments = options.parse_args()
    height = round((arguments.megapixels * 1e6 * 3 / 4) ** 0.5 / 2) * 2
    width = height * 4 // 3
    print(
        "| prior | peak, GiB | bytes a value | wall, s | processor, s | tiles | ended because it |\n"
        "|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, Path] = {}
        for prior in arguments.priors.split(","):
            task = _OWN_TASKS.get(prior, arguments.task)
            if task not in files:
                files[task] = Path(folder) / f"{task}.png"
                damaged = _damaged(task, photograph(height, width))
                images.save(images.load(damaged.clamp(0, 1).mul(255).round().byte()), files[task])
                del damaged
            print(
                _row(
                    prior,
                    (str(files[task]), task, prior, arguments.seconds, arguments.whole),
                    3 * height * width,
                )
            )
            sys.stdout.flush()


def _row(prior: str, case: tuple[object, ...], values: int) -> str:
    code = f"import json; from benchmarks.large_images import measure; print(json.dumps(measure(*{case!r})))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    if done.returncode:
        return f"| {prior} | exit code {done.returncode}: {done.stderr.strip().splitlines()[-1:]} | | | | | |"
    row = json.loads(done.stdout.splitlines()[-1])
    each = (row["peak"] - row["before"]) * 2**30 / values
    tiles = "unknown" if row["tiles"] is None else row["tiles"] or "none"
    times = f"{row['wall']:.1f} | {row['processor']:.1f}"
    return f"| {prior} | {row['peak']:.2f} | {each:.0f} | {times} | {tiles} | {row['reason']} |"


if __name__ == "__main__":
    main()
