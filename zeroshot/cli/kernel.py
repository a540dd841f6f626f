"""The command ``zeroshot kernel``: the kernel of a picture, found from the picture, without its restoration."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroshot.cli import files
from zeroshot.cli.messages import say, say_page
from zeroshot.cli.values import positive, value_range, whole
from zeroshot.spelling import visible
from zeroshot.tasks.found_kernel import KINDS, TASKS, require_kernel_of
from zeroshot.tasks.options import ShareOfRange
from zeroshot.words import aligned

if TYPE_CHECKING:
    from zeroshot.kernels import KernelEstimate


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    command = commands.add_parser(
        "kernel",
        help="find the kernel that blurred an image, or made it small",
        usage="zeroshot kernel IMAGE [-o KERNEL] [options]",
        description="Find the kernel that blurred an image, or by which it was made small, from the image itself: its "
        "kind, how sure that is, and the numbers that it rests on. The file is for --kernel of 'zeroshot deblur' and "
        "'zeroshot sr', which find it by themselves with --kernel auto.",
        examples=(
            "zeroshot kernel shaky.jpg -o kernel.png",
            "zeroshot kernel small.png --task sr --scale 2 --json",
        ),
    )
    add = command.add_argument
    add("inputs", nargs=1, type=Path, metavar="IMAGE", help="an image")
    add("-o", "--output", type=Path, metavar="KERNEL",
        help="write the kernel: .npy holds the weights in full, .png shows them")  # fmt: skip
    add("--task", choices=TASKS, default=TASKS[0],
        help="what the kernel is that of: of a blur, or of a small image (default deblur)")  # fmt: skip
    add("--scale", type=whole(2, wanted="a whole number of at least 2"), metavar="S",
        help="sr: how many times larger the large image is")  # fmt: skip
    add(
        "--kind",
        choices=KINDS,
        help="deblur: look for a motion along a line, or for the blur of a lens, only",
    )
    add("--sigma", type=positive("a positive number of grey levels"), metavar="S",
        help="sr: the noise in 8-bit grey levels (default: estimated)")  # fmt: skip
    add("--json", action="store_true", help="print all numbers as JSON")
    add("--overwrite", action="store_true", help="replace a kernel that exists")
    command.expert_options().add_argument(
        "--range", dest="value_range", type=value_range, metavar="LOW,HIGH",
        help="the values that mean black and white, where they are not the full range of the type")  # fmt: skip
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Find the kernel, print what is known of it and write it; the exit code.

    Raises
    ------
    ValueError, OSError
        In one line, before any work.
    """
    source = options.inputs[0]
    files.require_files([source])
    require_kernel_of(options.task, options.scale, options.kind)
    _check_written(options)
    from zeroshot.kernel_search import find_kernel

    sigma = None if options.sigma is None else ShareOfRange(options.sigma / 255)
    found = find_kernel(
        source,
        options.task,
        scale=options.scale,
        kind=options.kind,
        sigma=sigma,
        value_range=options.value_range,
    )
    if options.output is not None:
        found.save(options.output, overwrite=options.overwrite)
    if options.json:
        say_page(json.dumps({"file": str(source), **found.to_dict()}, indent=2, ensure_ascii=False))
    else:
        say_page(_as_text(source, options.task, found))
        if options.output is not None:
            say(f"{options.output}: the kernel, for --kernel {shlex.quote(str(options.output))}")
    return 0


def _check_written(options: argparse.Namespace) -> None:
    """Whether the kernel can be written and may be."""
    path = options.output
    if path is None:
        return
    from zeroshot.kernels.estimate import check_kernel_output

    check_kernel_output(path)
    files.check_found("the kernel", path, options.inputs, overwrite=options.overwrite)


def _as_text(source: Path, task: str, found: KernelEstimate) -> str:
    is_bicubic = task == "sr" and found.kind == "none"
    height, width = found.kernel.shape
    rows = [
        ["kind", found.kind],
        ["kernel", found.text or f"{height} x {width} weights"],
        ["confidence", f"{found.confidence:.2f}"],
        *([name.replace("_", " "), f"{value:.4g}"] for name, value in found.evidence.items()),
    ]
    sentence = "it is not told apart from bicubic" if is_bicubic else found.sentence
    return "\n".join([f"{visible(source)}: {sentence}", *(f"  {line}" for line in aligned(rows))])
