"""Measured figures kept row by row, so that a table that was cut off goes on where it stopped; and their print.

A row is one method on one image. Its key holds what the figures depend on: the version, the threads, the time
allowed, the size of the crop. Of the machine it knows nothing, nor of changes to the code within a version:
--again measures anew. Rows lie in `benchmarks/output/tables/NAME.csv`.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from zeroshot.compare.method import Method
from zeroshot.compare.specification import split
from zeroshot.version import __version__

OUTPUT = Path(__file__).resolve().parents[1] / "output" / "tables"


class FinishedRows:
    """The finished rows of one table.

    Parameters
    ----------
    name : str
        The name of the file.
    keys, figures : sequence of str
        The columns that identify a row, after "version" and "threads", and those that were measured, before
        "elapsed".
    folder : Path
        Where the file lies.

    Raises
    ------
    ValueError
        Where the file has other columns, among which new rows would be misread.
    """

    def __init__(self, name: str, keys: Sequence[str], figures: Sequence[str], folder: Path = OUTPUT) -> None:
        self.path = folder / f"{name}.csv"
        self.keys, self.figures = ("version", "threads", *keys), (*figures, "elapsed")
        self._rows = self._read()

    def measure(
        self, key: Mapping[str, object], work: Callable[[], Mapping[str, float]], *, again: bool = False
    ) -> dict[str, float]:
        """The figures of the row `key`: those on file, else what `work` measures, which are filed at once.

        "elapsed" is added: the seconds that `work` took.
        """
        full = {"version": __version__, "threads": torch.get_num_threads(), **key}
        identity = tuple(str(full[name]) for name in self.keys)
        if again or identity not in self._rows:
            begun = time.perf_counter()
            found = dict(work())
            found["elapsed"] = time.perf_counter() - begun
            self._rows[identity] = {name: float(found[name]) for name in self.figures}
            self._append(identity)
        return self._rows[identity]

    def _read(self) -> dict[tuple[str, ...], dict[str, float]]:
        rows: dict[tuple[str, ...], dict[str, float]] = {}
        if not self.path.exists():
            return rows
        with open(self.path, newline="") as file:
            table = csv.DictReader(file)
            if table.fieldnames and [*table.fieldnames] != [*self.keys, *self.figures]:
                raise ValueError(f"{self.path} has other columns than this table; move it away")
            for row in table:
                try:
                    identity = tuple(row[name] for name in self.keys)
                    rows[identity] = {name: float(row[name]) for name in self.figures}
                except (KeyError, TypeError, ValueError):
                    continue  # the line at which a run was killed
        return rows

    def _append(self, identity: tuple[str, ...]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        ends_whole = is_new or self.path.read_bytes().endswith(b"\n")
        with open(self.path, "a", newline="") as file:
            if not ends_whole:
                file.write("\n")
            writer = csv.writer(file, lineterminator="\n")
            if is_new:
                writer.writerow([*self.keys, *self.figures])
            writer.writerow([*identity, *(f"{self._rows[identity][name]:.5f}" for name in self.figures)])


def measure_all(
    rows: FinishedRows,
    methods: Mapping[str, Method],
    paths: Sequence[Path],
    common: Mapping[str, object],
    work: Callable[[Method, Path], Mapping[str, float]],
    *,
    again: bool = False,
) -> dict[str, dict[str, float]]:
    """PSNR of every method on every image, printed as it is measured.

    Parameters
    ----------
    rows : FinishedRows
        With the keys "method" and "image" beside those of `common`, and the figure "psnr".
    methods : mapping
        Text → method.
    paths : sequence of Path
        The true images.
    common : mapping
        The part of the key that all have in common.
    work : callable
        (method, path) ↦ the figures.
    again : bool
        Whether to measure anew what is on file.

    Returns
    -------
    dict
        The method's name → image → PSNR. A method that cannot do the task is left out, and said to be.
    """
    measured: dict[str, dict[str, float]] = {}
    for text, method in methods.items():
        try:
            for path in paths:
                key = {**common, "method": text, "image": path.stem}
                found = rows.measure(key, partial(work, method, path), again=again)
                measured.setdefault(method.name, {})[path.stem] = found["psnr"]
                print(f"  {path.stem}: {text} {found['psnr']:.2f} dB, {found['elapsed']:.1f} s", flush=True)
        except (ValueError, ImportError) as error:
            print(f"  {text} is left out: {error}", flush=True)
    return measured


def columns_beside(
    measured: Mapping[str, Mapping[str, float]], published: Mapping[str, float]
) -> list[Column]:
    """The measured columns with their published means, then the methods of which only the mean is known."""
    columns = [Column(name, values, published.get(name)) for name, values in measured.items()]
    return columns + [Column(name, {}, mean) for name, mean in published.items() if name not in measured]


@dataclass(frozen=True)
class Column:
    """One column of a printed table.

    Attributes
    ----------
    title : str
    values : mapping
        Image → value; images without one stay empty.
    published : float or None
        The published mean over the whole set, for the last line.
    """

    title: str
    values: Mapping[str, float]
    published: float | None = None


def print_table(title: str, images: Sequence[str], columns: Sequence[Column], *, digits: int = 2) -> None:
    """Images line by line, then the mean of every column that has them all, then the published means."""
    width = max([len("published"), *map(len, images)])
    sides = [max(8, len(column.title)) for column in columns]
    lines = [
        f"\n{title}",
        " " * width + "".join(f"  {c.title:>{w}}" for c, w in zip(columns, sides, strict=True)),
    ]
    for image in images:
        lines.append(_line(image, [column.values.get(image) for column in columns], width, sides, digits))
    means = [_mean(column.values, images) for column in columns]
    lines.append(_line("mean", means, width, sides, digits))
    if any(column.published is not None for column in columns):
        lines.append(_line("published", [column.published for column in columns], width, sides, digits))
    print("\n".join(lines), flush=True)


def _mean(values: Mapping[str, float], images: Sequence[str]) -> float | None:
    held = [values[image] for image in images if image in values]
    return statistics.mean(held) if held and len(held) == len(images) else None


def _line(name: str, values: Sequence[float | None], width: int, sides: Sequence[int], digits: int) -> str:
    cells = ["" if value is None else f"{value:.{digits}f}" for value in values]
    return f"{name:<{width}}" + "".join(f"  {cell:>{w}}" for cell, w in zip(cells, sides, strict=True))


def table_parser(description: str | None, priors: str, *, size: int | None = None) -> argparse.ArgumentParser:
    """The options that every table has.

    Parameters
    ----------
    description : str
        The module's docstring.
    priors : str
        The default of --priors.
    size : int, optional
        The default of --size; None: whole images.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--priors", type=split, default=split(priors), metavar="LIST",
        help=f"comma-separated, as 'zeroshot compare --methods' takes them (default {priors})")  # fmt: skip
    add("--images", type=_count, metavar="N", help="the first N images only")
    add("--size", type=_count, default=size, metavar="PIXELS",
        help=f"side of the centre crop (default {size or 'whole images'})")  # fmt: skip
    add("--seconds", type=_seconds, help="budget of a method for one image (default: its own rule)")
    add("--threads", type=_count, help="CPU threads (default: all cores)")
    add("--again", action="store_true", help="measure anew what is on file")
    return parser


def part_of_set(arguments: argparse.Namespace) -> str:
    """What a title has to add where the figures are not of the whole images of the whole set."""
    parts = [f"the first {arguments.images} images"] if arguments.images else []
    parts += [f"crops of {arguments.size}"] if arguments.size else []
    return f" ({', '.join(parts)}; published means are of the whole set)" if parts else ""


def parse_table_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments, with the thread count applied."""
    arguments = parser.parse_args()
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    return arguments


def _count(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number of seconds, got {text!r}")
    return value
