"""The command lines of the benchmarks: what several of them take."""

from __future__ import annotations

import argparse

from zeroshot.compare.specification import split
from zeroshot.threads import ask_for


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the module's docstring as it stands."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_table_options(
    options: argparse.ArgumentParser, priors: str | None = None, *, size: int | None = None
) -> None:
    """The options of a table of methods over the images of a set.

    Parameters
    ----------
    options : argparse.ArgumentParser
        What they are added to.
    priors : str, optional
        The default of --priors; None: another one for every task.
    size : int, optional
        The default of --size; None: whole images.
    """
    add = options.add_argument
    add("--priors", type=split, default=split(priors or ""), metavar="LIST",
        help=f"comma-separated, as for 'zeroshot compare --methods' (default {priors or 'by task'})")  # fmt: skip
    add("--images", type=count, metavar="N", help="the first N images only")
    add("--size", type=count, default=size, metavar="PIXELS",
        help=f"side of the centre crop (default {size or 'whole images'})")  # fmt: skip
    add("--seconds", type=positive, help="budget of a method for one image (default: its own rule)")
    add("--threads", type=count, help="CPU threads (default: all cores, or one where that is quicker)")
    add("--again", action="store_true", help="measure anew what is on file")


def parsed(options: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments, with the thread count applied."""
    arguments = options.parse_args()
    if arguments.threads is not None:
        ask_for(arguments.threads)
    return arguments


def part_of_set(arguments: argparse.Namespace) -> str:
    """What a title has to add where the figures are not of the whole images of the whole set."""
    parts = [f"the first {arguments.images} images"] if arguments.images else []
    parts += [f"crops of {arguments.size}"] if arguments.size else []
    return f" ({', '.join(parts)}; published means are of the whole set)" if parts else ""


def count(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return value


def positive(text: str) -> float:
    """A number above 0, not infinite."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value
