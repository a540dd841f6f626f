"""The command ``zeroshot compare``: methods side by side on the same damaged images, with a report."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zeroshot.command_messages import say

_INTERRUPTED = 130
_DESCRIPTION = """\
Damage good images as a task undoes it, restore them by every method under the same budget, and write
report.html, results.csv and the images. With --damaged the images are the damaged ones already.

Methods, separated by commas:
  dip, tv, bm3d …            our priors, with settings: 'dip[channels=64,iterations=500]'
  bicubic, bilinear, …       interpolation, for sr; first: the operator's first estimate; none: as damaged
  onnx:FILE, torchscript:FILE, spandrel:FILE, opencv:FILE.pb
                             learned models; each needs an extra of the package
  python:FILE.py:CLASS       your own, with name, supports() and restore()
  LABEL=METHOD               the same under another name: 'fast=dip[iterations=500]'

Each method runs in a process of its own, one at a time. One that crashes, runs out of memory or takes too
long on an image is marked in the table, and the rest goes on.

The same command again goes on where it was interrupted; finished runs are not repeated. More methods and
images may be named then: what was there before stays in the table, and only the new runs are made. Other
options, another budget or seed need another folder, or --overwrite; --timeout and --memory may change.
"""
_EXAMPLE = "example: zeroshot compare photos/ --task sr --scale 4 --methods bicubic,tv,dip --seconds 60 --report out/"


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    from zeroshot.degradation import DAMAGE

    command = commands.add_parser(
        "compare",
        help="compare priors, interpolation and learned models on your images",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = command.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGE",
        help="good images, or folders of them; with --damaged or --truth damaged ones")  # fmt: skip
    add("--task", required=True, choices=list(DAMAGE), metavar="TASK", help=f"one of {', '.join(DAMAGE)}")
    add("--methods", required=True, action="append", metavar="LIST",
        help="what is compared, separated by commas (repeatable)")  # fmt: skip
    add("--report", required=True, type=Path, metavar="FOLDER", help="the folder to write, or to go on in")
    add("--damaged", action="store_true",
        help="the images are the damaged ones; without --truth nothing is known to compare results with")  # fmt: skip
    add("--truth", type=Path, metavar="FOLDER",
        help="the images are the damaged ones, and their truths have the same names in this folder")  # fmt: skip
    add("--metrics", action="append", metavar="LIST",
        help="what is measured, the main one first: 'psnr_y_border4,ssim,consistency' (default: PSNR in the "
        "convention of the task's tables, SSIM, consistency)")  # fmt: skip
    add("--seconds", type=_positive("a positive number of seconds"), help="the budget of each run")
    add("--seed", type=_whole(0), default=0, help="of the damage and of the methods (default 0)")
    add("--threads", type=_whole(1), help="CPU threads of each method (default: all cores)")
    add("--timeout", type=_positive("a positive number of seconds"), metavar="SECONDS",
        help="end a run without a result after this time (default: 10 × --seconds and at least 600; never "
        "without --seconds)")  # fmt: skip
    add("--memory", type=_positive("a positive number of GiB"), metavar="GIB",
        help="what a method may allocate beside its libraries")  # fmt: skip
    add("--retry-failed", action="store_true", help="run again what failed, crashed or took too long before")
    add("--overwrite", action="store_true", help="start anew where the folder holds a comparison")
    add("--quiet", action="store_true", help="print errors only")
    _add_task_options(command)
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
    from zeroshot.compare.report import text_table
    from zeroshot.compare.specification import split

    methods = [method for given in options.methods for method in split(given)]
    metrics = [name.strip() for given in options.metrics or () for name in given.split(",") if name.strip()]
    try:
        table = compare(
            options.images,
            options.task,
            methods,
            report=options.report,
            options=_task_options(options),
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
        return _INTERRUPTED
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(_with_flags(str(error))) from None
    if not options.quiet:
        say(f"\n{text_table(table)}\n")
        say(f"{options.report / 'report.html'}: the report")
    failed = [cell for cell in table.cells if cell.status in FAILURES]
    if failed:
        names = ", ".join(f"{cell.method} · {cell.image}" for cell in failed)
        say(f"zeroshot: {len(failed)} of {len(table.cells)} runs failed: {names}", sys.stderr)
    return 1 if failed else 0


# --- the options -------------------------------------------------------------------------------------------


def _add_task_options(command: argparse.ArgumentParser) -> None:
    """What makes the damage of any task; which goes with which is checked when the task is known."""
    group = command.add_argument_group("what the damage is")
    types: dict[str, Callable[[str], Any]] = {
        "sigma": _grey_levels,
        "peak": _positive("a positive number of photons"),
        "scale": _positive("a whole number from 2 to 16"),
        "kernel_sigma": _positive("a positive number"),
        "salt_pepper": _positive("a share of the pixels between 0 and 1"),
        "missing": _positive("a share of the pixels between 0 and 1"),
        "hints": _share_or_file,
    }
    for name, meaning in _task_option_meanings().items():
        group.add_argument(
            _flag(name), dest=name, type=types.get(name, str), metavar=name.upper(), default=argparse.SUPPRESS,
            help=meaning.replace("%", "%%"),
        )  # fmt: skip


def _task_option_meanings() -> dict[str, str]:
    """Every option of any damage or task with its meaning, in the words of the command line."""
    from zeroshot.degradation import DAMAGE, NOISE

    meanings = {**NOISE, "sigma": "standard deviation of Gaussian noise in 8-bit grey levels"}
    for task, own in DAMAGE.items():
        for name, meaning in own.items():
            before = f"{meanings[name]}; " if name in meanings else ""
            meanings[name] = f"{before}{task}: {meaning}"
    meanings["data_term"] = (
        "what methods minimise: gaussian, poisson, l1, huber (default: what goes with the noise)"
    )
    return meanings


def _task_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options of the damage that were given."""
    given = {name: value for name, value in vars(options).items() if name in _task_option_meanings()}
    for name in ("scale", "peak"):
        if name in given and given[name] == int(given[name]):
            given[name] = int(given[name])
    return given


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _with_flags(message: str) -> str:
    """The engine's message with its options spelled as they are typed."""
    names = "|".join(_task_option_meanings())
    message = re.sub(rf"(?<![\w-])({names})=…", lambda found: _flag(found[1]), message)
    message = message.replace("given='damaged'", "--damaged").replace(" (existing='overwrite')", "")
    return message.replace("overwrite it with --overwrite", "start anew with --overwrite")


def _positive(wanted: str) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}")
        return value

    return convert


def _whole(lowest: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = lowest - 1
        if not lowest <= value < 2**63:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {lowest}, got {text!r}")
        return value

    return convert


def _grey_levels(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 255:
        raise argparse.ArgumentTypeError(f"must be a number of 8-bit grey levels from 0 to 255, got {text!r}")
    return value / 255


def _share_or_file(text: str) -> float | str:
    try:
        return text if Path(text).is_file() else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a share of the pixels or an RGBA image, but there is no file {text!r}"
        ) from None
