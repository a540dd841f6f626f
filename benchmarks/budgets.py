"""How well ``seconds=`` is kept: what every prior takes of the time it is given, wall clock and processor.

Each call is a process of its own, with one thread; the time counts from the call of :func:`zeroshot.solve`. Where the
machine does other work the wall clock says little, and the processor's seconds are to be compared::

    python -m benchmarks.budgets --seconds 1,3 --sizes 256,512
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import torch
from skimage import data
from torch.nn import functional

from zeroshot.noise import add_gaussian, random_mask
from zeroshot.operators import Blur, Downsample
from zeroshot.registry import prior_class, prior_names

from .arguments import parser

SIGMA = 25 / 255


def damaged(task: str, size: int) -> tuple[torch.Tensor, dict[str, Any]]:
    """A damaged photograph in colour whose restoration has `size` × `size` pixels, and the options of its task."""
    whole = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None].float() / 255
    clean = whole[..., :size, :size] if size <= 512 else functional.interpolate(whole, size=(size, size))
    draw = torch.Generator().manual_seed(0)
    if task == "denoise":
        return add_gaussian(clean, SIGMA, draw), {"sigma": SIGMA}
    if task == "sr":
        return Downsample(2)(clean), {"scale": 2}
    if task == "inpaint":
        mask = random_mask(tuple(clean.shape), 0.5, draw)
        return clean * mask, {"mask": mask}
    blur = Blur.gaussian(1.5)
    return add_gaussian(blur(clean), 2 / 255, draw), {"kernel": blur.kernel, "sigma": 2 / 255}


def measure(prior: str, task: str, size: int, seconds: float) -> dict[str, Any]:
    """Wall and processor seconds of one call in this process, and why it ended."""
    import zeroshot

    torch.set_num_threads(1)
    image, options = damaged(task, size)
    wall, processor = time.perf_counter(), time.process_time()
    result = zeroshot.solve(image, task, prior, seconds=seconds, progress=False, **options)
    return {
        "wall": time.perf_counter() - wall,
        "processor": time.process_time() - processor,
        "reason": result.stopped_by,
    }


def measured_apart(*case: Any) -> dict[str, Any]:
    """:func:`measure` in a process of its own."""
    code = f"import json; from benchmarks.budgets import measure; print(json.dumps(measure{case!r}))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    if done.returncode:
        return {
            "wall": float("nan"),
            "processor": float("nan"),
            "reason": done.stderr.strip().splitlines()[-1],
        }
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print the table."""
    options = parser(__doc__)
    options.add_argument("--priors", help="comma-separated; by default all that need no weights")
    options.add_argument("--tasks", default="denoise,sr,inpaint,deblur")
    options.add_argument("--seconds", default="1,3")
    options.add_argument("--sizes", default="256,512")
    arguments = options.parse_args()
    free = [name for name in prior_names() if "weights=" not in prior_class(name).summary]
    priors = arguments.priors.split(",") if arguments.priors else free
    print(
        "| prior | task | size | asked | wall | processor | ended because it |\n|---|---|---|---|---|---|---|"
    )
    for task in arguments.tasks.split(","):
        for prior in priors:
            for size in map(int, arguments.sizes.split(",")):
                for seconds in map(float, arguments.seconds.split(",")):
                    row = measured_apart(prior, task, size, seconds)
                    figures = f"{row['wall']:.2f} | {row['processor']:.2f} | {row['reason']}"
                    print(f"| {prior} | {task} | {size} | {seconds:g} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
