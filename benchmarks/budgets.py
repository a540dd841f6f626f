"""How well ``seconds=`` is kept, and what it is worth: the first preview, and PSNR beside that of the first estimate.

Each call is a process of its own, with one thread unless told otherwise; the time counts from the call of
:func:`zeroshot.solve`. Where the machine does other work the wall clock says little, and the processor's seconds are to
be compared. "first" is the PSNR of the first estimate, "result" what was returned, and "below" marks results that are
worse by more than 0.05 dB::

    python -m benchmarks.budgets --seconds 1,3 --sizes 256,512
    python -m benchmarks.budgets --priors dip,auto,pnp --seconds 2,5,10,30 --sizes 512 --threads 2
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import torch
from skimage import data
from torch.nn import functional

from zeroshot.images import load
from zeroshot.metrics import psnr
from zeroshot.noise import add_gaussian, random_mask
from zeroshot.operators import Blur, Downsample
from zeroshot.registry import prior_class, prior_names
from zeroshot.threads import ask_for

from .arguments import count, parser

SIGMA = 25 / 255
#: What a result may be below the first estimate by rounding, in dB.
BELOW = 0.05


def damaged(task: str, size: int) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    """A damaged photograph in colour, itself with `size` × `size` pixels, and the options of its task."""
    whole = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None].float() / 255
    clean = whole[..., :size, :size] if size <= 512 else functional.interpolate(whole, size=(size, size))
    draw = torch.Generator().manual_seed(0)
    if task == "denoise":
        return add_gaussian(clean, SIGMA, draw), clean, {"sigma": SIGMA}
    if task == "sr":
        return Downsample(2)(clean), clean, {"scale": 2}
    if task == "inpaint":
        mask = random_mask(tuple(clean.shape), 0.5, draw)
        return clean * mask, clean, {"mask": mask}
    blur = Blur.gaussian(1.5)
    return add_gaussian(blur(clean), 2 / 255, draw), clean, {"kernel": blur.kernel, "sigma": 2 / 255}


class _FirstSight(threading.Thread):
    """When a file was first there, in seconds from now; infinite where it never was."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path, self.seconds, self.ended = path, math.inf, False
        self._began = time.perf_counter()
        self.start()

    def run(self) -> None:
        while not self.ended:
            if self.path.exists():
                self.seconds = time.perf_counter() - self._began
                return
            time.sleep(0.02)


def measure(prior: str, task: str, size: int, seconds: float, threads: int) -> dict[str, Any]:
    """Wall and processor seconds of one call in this process, what it reached and why it ended."""
    import zeroshot
    from zeroshot.tasks import make_problem

    ask_for(threads)
    image, clean, options = damaged(task, size)
    problem, *_ = make_problem(task, load(image), options)
    first = psnr(problem.framed(problem.initial()).clamp(0, 1), clean)
    with tempfile.TemporaryDirectory() as folder:
        preview = Path(folder, "preview.png")
        sight = _FirstSight(preview)
        wall, processor = time.perf_counter(), time.process_time()
        result = zeroshot.solve(
            image, task, prior, seconds=seconds, progress=False, preview=preview, **options
        )
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        sight.ended = True
    return {
        "wall": wall,
        "processor": processor,
        "preview": sight.seconds,
        "first": float(first),
        "result": float(psnr(torch.as_tensor(result.image).clamp(0, 1), clean)),
        "reason": result.stopped_by,
    }


def measured_apart(*case: Any) -> dict[str, Any]:
    """:func:`measure` in a process of its own."""
    code = f"import json; from benchmarks.budgets import measure; print(json.dumps(measure{case!r}))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    if done.returncode:
        figures = dict.fromkeys(("wall", "processor", "preview", "first", "result"), math.nan)
        return {**figures, "reason": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print the table."""
    options = parser(__doc__)
    options.add_argument("--priors", help="comma-separated; by default all that need no weights")
    options.add_argument("--tasks", default="denoise,sr,inpaint,deblur")
    options.add_argument("--seconds", default="1,3")
    options.add_argument("--sizes", default="256,512")
    options.add_argument("--threads", type=count, default=1)
    arguments = options.parse_args()
    free = [name for name in prior_names() if "weights=" not in prior_class(name).summary]
    priors = arguments.priors.split(",") if arguments.priors else free
    heads = ["prior", "task", "size", "asked", "wall", "processor", "preview", "first", "result"]
    print(
        "\n".join(["| " + " | ".join([*heads, "ended because it"]) + " |", "|---" * (len(heads) + 1) + "|"])
    )
    for task in arguments.tasks.split(","):
        for prior in priors:
            for size in map(int, arguments.sizes.split(",")):
                for seconds in map(float, arguments.seconds.split(",")):
                    row = measured_apart(prior, task, size, seconds, arguments.threads)
                    shown = [f"{row[name]:.2f}" for name in heads[4:]]
                    if row["result"] < row["first"] - BELOW:
                        shown[-1] += " below"
                    figures = " | ".join([*shown, row["reason"]])
                    print(f"| {prior} | {task} | {size} | {seconds:g} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
