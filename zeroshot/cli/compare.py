"""The command ``zeroshot compare``: methods side by side on the same damaged images, with a report."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from zeroshot.cli.arguments import Files
from zeroshot.cli.messages import INTERRUPTED, say, say_page
from zeroshot.cli.task_options import add_damage_options, add_data_term, add_task, damage_values
from zeroshot.cli.values import positive, whole

_DESCRIPTION = """\
Damage good images as a task undoes it, restore them by every method under the
same budget, and write report.html, results.csv and the images. With --damaged
the images are the damaged ones already.

Methods, separated by commas:
  dip, tv, bm3d …        our priors: 'dip[channels=64,iterations=500]'
  bicubic, bilinear, …   interpolation, for sr; first: the operator's first
                         estimate; none: as damaged
  onnx:FILE, torchscript:FILE, spandrel:FILE, opencv:FILE.pb
                         learned models; each needs an extra of the package
  python:FILE.py:CLASS   your own, with name, supports() and restore()
  LABEL=METHOD           under another name: 'fast=dip[iterations=500]'
"""
_DETAILS = """\
A FILE with commas in its name stands in quotes of its own: 'onnx:"a, b.onnx"'.

Each method runs in a process of its own, one at a time. One that crashes, runs
out of memory or takes too long on an image is marked in the table, and the rest
goes on.

The same command again goes on where it was interrupted; finished runs are not
repeated. More methods and images may be named then: what was there before stays
in the table, and only the new runs are made. Other options, another budget,
seed or number of threads need another folder, or --overwrite; --timeout and
--memory may change.
"""
_EXAMPLES = (
    "zeroshot compare photos/ --task sr --scale 4 --methods bicubic,tv --report out",
    "zeroshot compare noisy.png --damaged --task denoise --methods tv --report out/",
)


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    command = commands.add_parser(
        "compare",
        help="compare priors and learned models on your images",
        description=_DESCRIPTION,
        usage="zeroshot compare IMAGE [IMAGE ...] --task TASK --methods LIST\n"
        "                        --report FOLDER [options]",
        examples=_EXAMPLES,
    )
    command.details = _DETAILS
    add, expert = command.add_argument, command.expert_options().add_argument
    add("images", nargs="+", type=Path, action=Files, metavar="IMAGE",
        help="good images, or folders of them; with --damaged or --truth damaged ones")  # fmt: skip
    add_task(command)
    add("--methods", required=True, action="append", metavar="LIST",
        help="what is compared, separated by commas (repeatable)")  # fmt: skip
    add("--report", required=True, type=Path, metavar="FOLDER", help="the folder to write, or to go on in")
    add("--damaged", action="store_true",
        help="the images are the damaged ones; without --truth nothing is known to compare results with")  # fmt: skip
    add("--truth", type=Path, metavar="FOLDER",
        help="the images are the damaged ones, and their truths have the same names in this folder")  # fmt: skip
    expert("--metrics", action="append", metavar="LIST",
        help="what is measured, the main one first: 'psnr_y_border4,ssim,consistency' (default: PSNR in the "
        "convention of the task's tables, SSIM, consistency)")  # fmt: skip
    add("--seconds", type=positive("a positive number of seconds"), help="the budget of each run")
    expert("--seed", type=whole(0), default=0, help="of the damage and of the methods (default 0)")
    expert("--threads", type=whole(1), help="CPU threads of each method (default: all cores)")
    expert("--timeout", type=positive("a positive number of seconds"), metavar="SECONDS",
        help="end a run without a result after this time (default: 10 × --seconds and at least 600; never "
        "without --seconds)")  # fmt: skip
    expert("--memory", type=positive("a positive number of GiB"), metavar="GIB",
        help="what a method may allocate beside its libraries")  # fmt: skip
    expert(
        "--retry-failed", action="store_true", help="run again what failed, crashed or took too long before"
    )
    add("--overwrite", action="store_true", help="start anew where the folder holds a comparison")
    add("--quiet", action="store_true", help="print errors only")
    add_damage_options(command)
    add_data_term(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare; the exit code: 1 where a cell failed, 130 where it was interrupted.

    Raises
    ------
    ValueError, TypeError, ImportError, OSError
        In one line, before any work.
    """
    from zeroshot.compare import compare
    from zeroshot.compare.comparison import FAILURES
    from zeroshot.compare.report import remarks, text_table
    from zeroshot.compare.specification import split

    methods = [method for given in options.methods for method in split(given)]
    metrics = [name.strip() for given in options.metrics or () for name in given.split(",") if name.strip()]
    try:
        table = compare(
            options.images,
            options.task,
            methods,
            report=options.report,
            options=damage_values(options),
            seconds=options.seconds,
            seed=options.seed,
            metrics=metrics or None,
            given="damaged" if options.damaged or options.truth else "truth",
            truths=options.truth,
            threads=options.threads,
            timeout=options.timeout,
            memory=options.memory,
            existing="overwrite" if options.overwrite else "continue",
            failed="retry" if options.retry_failed else "keep",
            progress=None if options.quiet else say,
        )
    except KeyboardInterrupt:
        say(
            f"zeroshot: interrupted; {options.report} holds what is finished, the same command "
            f"{'without --overwrite ' if options.overwrite else ''}goes on from here",
            sys.stderr,
        )
        return INTERRUPTED
    if not options.quiet:
        say_page("\n".join(["", text_table(table), *remarks(table), ""]))
        say(f"{options.report / 'report.html'}: the report")
    failed = [cell for cell in table.cells if cell.status in FAILURES]
    if failed:
        names = ", ".join(f"{cell.method} · {cell.image}" for cell in failed)
        say(f"zeroshot: {len(failed)} of {len(table.cells)} runs failed: {names}", sys.stderr)
    return 1 if failed else 0
