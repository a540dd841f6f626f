"""What another version of the program takes, and this one: processor seconds and PSNR of the priors, in turn.

The other version is installed in an environment of its own, whose interpreter is named; each call is a process of its
own that imports what is installed there, so that both see the same machine one after the other::

    python -m benchmarks.versions ../before/.venv/bin/python
    python -m benchmarks.versions ../before/.venv/bin/python --cells inpaint:pnp,denoise:wnnm --size 256 --grey

The picture is `skimage.data.astronaut` in colour, damaged as in :mod:`benchmarks.budgets`. Seconds are those of the
restoration alone, with one thread; the ratio is theirs over ours, the median over the repeats. Quality on whole sets is
compared by :mod:`benchmarks.version_quality`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from zeroshot.operators import Mosaic

from .arguments import count, parser
from .budgets import damaged
from .table import show

CELLS = (
    "denoise:bm3d,inpaint:pnp,sr:pnp,demosaic:pnp,deblur:pnp,denoise:tv,sr:tv,denoise:nlm,denoise:dct,"
    "denoise:wavelet,denoise:ksvd,denoise:ncsr,denoise:wnnm,inpaint:gsr,denoise:tgv"
)
#: What a process of either version does: no more than every version understands.
CALL = """
import json, sys, time, torch, zeroshot
task, prior, file = sys.argv[1:]
image, clean, options = torch.load(file)
torch.set_num_threads(1)
began = time.process_time()
result = torch.as_tensor(zeroshot.solve(image, task, prior, device="cpu", progress=False, **options).image)
seconds = time.process_time() - began
print(json.dumps([seconds, float(-10 * torch.log10((result.clamp(0, 1) - clean).square().mean()))]))
"""


def _case(task: str, size: int, grey: bool) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    """A damaged picture, itself, and the options of the task."""
    if task == "demosaic":
        _, clean, _ = damaged("sr", size)
        return Mosaic("RGGB")(clean), clean, {"pattern": "RGGB"}
    image, clean, options = damaged(task, size)
    if not grey:
        return image, clean, options
    options = {name: value[:, :1] if name == "mask" else value for name, value in options.items()}
    return image.mean(1, keepdim=True), clean.mean(1, keepdim=True), options


def _called(python: str, task: str, prior: str, file: Path) -> tuple[float, float]:
    """Processor seconds and PSNR of a call by the version that an interpreter has installed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    # Outside of any checkout, whose folder would go before what is installed.
    done = subprocess.run(
        [python, "-W", "ignore", "-c", CALL, task, prior, str(file)],
        capture_output=True, text=True, env=environment, cwd=file.parent,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    seconds, decibels = json.loads(done.stdout.splitlines()[-1])
    return seconds, decibels


def main() -> None:
    """Print the table."""
    options = parser(__doc__)
    options.add_argument("before", metavar="PYTHON", help="the interpreter that has the other version")
    options.add_argument("--cells", default=CELLS, help="comma-separated TASK:PRIOR")
    options.add_argument("--size", type=count, default=512)
    options.add_argument("--grey", action="store_true")
    options.add_argument("--repeats", type=count, default=1)
    given = options.parse_args()
    compare_versions(given.before, given.cells.split(","), given.size, given.grey, given.repeats)


def compare_versions(
    python: str,
    cells: Sequence[str] = tuple(CELLS.split(",")),
    size: int = 512,
    grey: bool = False,
    repeats: int = 1,
) -> None:
    """Print seconds, ratio and PSNR of the version that an interpreter has installed and of this one."""
    # Not resolved: the interpreter of a virtual environment is a link.
    before = str(Path(python).absolute())
    lines = []
    for cell in cells:
        task, _, prior = cell.partition(":")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "case.pt")
            torch.save(_case(task, size, grey), file)
            pairs = [
                (_called(before, task, prior, file), _called(sys.executable, task, prior, file))
                for _ in range(repeats)
            ]
        theirs, ours = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
        ratio = statistics.median(one[0] / two[0] for one, two in pairs)
        lines.append([cell, theirs, ours, ratio, pairs[0][0][1], pairs[0][1][1]])
        print(*lines[-1], file=sys.stderr, flush=True)
    heads = {
        "task:prior": "",
        "before": ".2f",
        "now": ".2f",
        "ratio": ".2f",
        "PSNR before": ".3f",
        "now ": ".3f",
    }
    show(f"processor seconds, {size} × {size}, {'grey' if grey else 'colour'}, one thread", heads, lines)


if __name__ == "__main__":
    main()
