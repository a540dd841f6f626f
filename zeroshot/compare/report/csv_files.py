"""The figures of a comparison as comma-separated values, for other programs."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

from zeroshot.compare.records import Cell, Table
from zeroshot.compare.report.measures import images_done, mean_seconds, peak_memory
from zeroshot.files import write_atomically
from zeroshot.words import spreadsheet_text


def write_csv(table: Table, folder: str | os.PathLike) -> list[Path]:
    """Write ``results.csv``, one row per image and method, and ``means.csv``, one row per method.

    Numbers have all their digits; an empty field is a figure that does not exist. A mean is over all images, and
    empty where one lacks a result. Texts that a spreadsheet would take for a formula are preceded by an
    apostrophe. Files are UTF-8, replaced only when the new one is complete.

    Parameters
    ----------
    table : Table
        Finished or half-finished: a cell that has not been run has the status ``not run``.
    folder : path
        Exists.

    Returns
    -------
    list of pathlib.Path
        The two files.

    Raises
    ------
    zeroshot.images.ImageError
        In one line, where a file cannot be written.
    """
    folder = Path(folder)
    contents = {"results.csv": _results(table), "means.csv": _means(table)}
    for name, rows in contents.items():
        write_atomically(folder / name, _encoded(rows))
    return [folder / name for name in contents]


def _results(table: Table) -> list[list[Any]]:
    columns = [
        "image",
        "method",
        "status",
        "reason",
        *table.metrics,
        "seconds",
        "memory_mib",
        "file",
        "notes",
    ]
    rows: list[list[Any]] = [columns]
    for image in table.images:
        for method in table.methods:
            cell = table.cell(image, method)
            rows.append([image, method, *_figures(table, cell)])
    return rows


def _figures(table: Table, cell: Cell | None) -> list[Any]:
    if cell is None:
        return ["not run", "", *("" for _ in table.metrics), "", "", "", ""]
    values = [cell.metrics.get(name) for name in table.metrics]
    notes = json.dumps(cell.notes, ensure_ascii=False, default=str) if cell.notes else ""
    return [cell.status, cell.reason, *values, cell.seconds, cell.memory_mib, cell.file, notes]


def _means(table: Table) -> list[list[Any]]:
    rows: list[list[Any]] = [
        ["method", "images_done", "images", *table.metrics, "seconds", "peak_memory_mib"]
    ]
    for method in table.methods:
        means = [table.mean(method, name) for name in table.metrics]
        done = images_done(table, method)
        rows.append([
            method, done, len(table.images), *means, mean_seconds(table, method), peak_memory(table, method)
        ])  # fmt: skip
    return rows


def _encoded(rows: list[list[Any]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows([[_field(value) for value in row] for row in rows])
    return buffer.getvalue().encode()


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return repr(float(value)) if isinstance(value, float) else str(value)
    return spreadsheet_text(str(value))
