"""Tables of figures: each cell measured once and kept, published figures beside ours, printed and as CSV.

The cells of a table lie in `benchmarks/output/NAME/TERMS/`, a store of :mod:`zeroshot.compare`. The terms are what
all figures depend on: the version, the threads, the time allowed, the size of the crop. Of the machine the store
knows nothing, nor of changes to the code within a version: --again measures anew.
"""

from __future__ import annotations

import csv
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from zeroshot.compare import Cell
from zeroshot.compare.store import Plan, Store, slug
from zeroshot.registry import __version__
from zeroshot.words import aligned

OUTPUT = Path(__file__).resolve().parent / "output"
Figures = dict[str, float]


class Table:
    """Rows × columns of figures; a table of the same name and terms goes on with those on file.

    Parameters
    ----------
    name : str
        The folder.
    terms : mapping
        Name → plain value: what the figures depend on, beside row, column, version and threads.
    rows, columns : sequence of str
        Their names, mostly images and methods.
    again : bool
        Whether cells on file are measured anew.
    folder : Path
        Where the folder lies.
    """

    def __init__(
        self,
        name: str,
        terms: Mapping[str, object],
        rows: Sequence[str],
        columns: Sequence[str],
        *,
        again: bool = False,
        folder: Path = OUTPUT,
    ) -> None:
        self.terms = {**terms, "version": __version__, "threads": torch.get_num_threads()}
        self._again = again
        self._store = Store(
            folder / name / slug(" ".join(f"{key}={text}" for key, text in self.terms.items()))
        )
        self._store.open(Plan(self.terms, dict.fromkeys(rows, ""), dict.fromkeys(columns, "")), "continue")

    def measure(self, row: str, column: str, work: Callable[[], Figures], settings: str = "") -> Figures:
        """The figures of a cell: those on file, else what `work` measures, which are kept at once.

        Parameters
        ----------
        row, column : str
            The cell.
        work : callable
            Makes the figures. "seconds" is added, the time that it took, where it is not among them.
        settings : str
            What else the cell depends on; one on file with other settings is measured anew.
        """
        cell = self._store.cell(row, column)
        if cell is None or self._again or cell.notes.get("settings") != settings:
            begun = time.perf_counter()
            figures = work()
            seconds = figures.pop("seconds", time.perf_counter() - begun)
            cell = Cell(row, column, "done", seconds=seconds, metrics=figures, notes={"settings": settings})
            self._store.keep(cell)
        return {**cell.metrics, "seconds": cell.seconds or 0.0}

    def is_kept(self, column: str, rows: Iterable[str]) -> bool:
        """Whether the cells of a column are all on file."""
        return all(self._store.cell(row, column) is not None for row in rows)

    def write_csv(self) -> Path:
        """Write all cells on file, one to a line, and return the file."""
        cells = self._store.cells()
        names = list(dict.fromkeys(name for cell in cells for name in cell.metrics))
        path = self._store.folder / "results.csv"
        with open(path, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*self.terms, "method", "image", *names, "seconds"])
            for cell in cells:
                figures = [cell.metrics.get(name) for name in names] + [cell.seconds]
                texts = ["" if value is None else f"{value:.4f}" for value in figures]
                writer.writerow([*self.terms.values(), cell.method, cell.image, *texts])
        return path


# --- printing ----------------------------------------------------------------------------------------------


def show(title: str, heads: Mapping[str, str], lines: Iterable[Sequence[Any]]) -> None:
    """Print a table.

    Parameters
    ----------
    title : str
        The line above it.
    heads : mapping
        Head of a column → format of its values, ".2f"; the first column holds names.
    lines : iterable of sequences
        The values; None is shown as "–".
    """
    rows = [["–" if x is None else f"{x:{form}}" for x, form in zip(line, heads.values(), strict=True)]
            for line in lines]  # fmt: skip
    print(f"\n{title}", *aligned([list(heads), *rows]), sep="\n", flush=True)


def means(lines: Iterable[Sequence[float | None]]) -> list[float | None]:
    """The mean of every column that has a figure in every line."""
    columns = list(zip(*lines, strict=True))
    return [None if None in column else statistics.mean(column) for column in columns]  # type: ignore[type-var]


def show_images(
    title: str,
    images: Sequence[str],
    columns: Mapping[str, Mapping[str, float]],
    published: Mapping[str, float] | None = None,
) -> None:
    """Print images line by line, then the means, and the published means with those of methods we have not.

    Parameters
    ----------
    title : str
        The line above.
    images : sequence of str
        The rows.
    columns : mapping
        Head → image → figure.
    published : mapping, optional
        Head → mean over the whole set.
    """
    heads = dict.fromkeys([*columns, *(published or {})])
    lines = [[columns.get(head, {}).get(image) for head in heads] for image in images]
    rows = [[image, *line] for image, line in zip(images, lines, strict=True)] + [["mean", *means(lines)]]
    if published:
        rows.append(["published", *(published.get(head) for head in heads)])
    show(title, {"": "", **dict.fromkeys(heads, ".2f")}, rows)
