"""The page of a comparison as HTML: one document that needs nothing beside itself.

The layout is in the templates; every value is made printable and escaped when it is inserted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from zeroshot.compare.records import Cell, Table, option_text
from zeroshot.compare.report import measures
from zeroshot.compare.report.pictures import Row, data_uri
from zeroshot.compare.report.plots import Plot
from zeroshot.spelling import visible


@dataclass(frozen=True)
class Contents:
    """What the page shows beside the figures.

    Attributes
    ----------
    summary : sequence of Plot
        The plots over all images.
    curves : dict
        Image → its plot.
    rows : dict
        Image → its pictures.
    remarks : sequence of str
        What is missing from the page, and what to do about it.
    """

    summary: Sequence[Plot] = ()
    curves: dict[str, Plot] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    remarks: Sequence[str] = ()


def page(table: Table, contents: Contents) -> str:
    """The whole document."""
    subjects = {"naturalness" if plot.name.startswith("perception") else "time" for plot in contents.summary}
    return (
        _templates()
        .get_template("page.html")
        .render(
            table=table,
            contents=contents,
            facts=_facts(table),
            plotted_against=" and ".join(sorted(subjects, reverse=True)),
            style=_asset("page.css"),
            script=_asset("page.js"),
        )
    )


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else visible(value),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    functions = (
        measures.alike, measures.best_means, measures.best_results, measures.copies, measures.guided,
        measures.images_done, measures.is_done,
        measures.lacking, measures.mean_seconds, measures.measures_of, measures.not_run, measures.peak_memory,
        measures.seconds_text, measures.status_words, measures.unmeasured, measures.without_result,
        cells_with_notes, first_pair,
    )  # fmt: skip
    environment.globals |= {function.__name__: function for function in functions}
    environment.filters |= {"data_uri": data_uri, "in_words": in_words, "link": link}
    return environment


def _asset(name: str) -> Markup:
    return Markup((files(__package__) / name).read_text(encoding="utf-8"))


def _facts(table: Table) -> dict[str, str]:
    return {
        "Task": table.task,
        "Options": option_text(table.options) or "none",
        "Images": str(len(table.images)),
        "Methods": str(len(table.methods)),
        "Time per image": "no limit" if table.seconds is None else f"{table.seconds:g} s",
        "Seed": str(table.seed),
        "Truth": "measured against ground truth"
        if table.truths
        else "none: only measures that need no truth",
        "Machine": _machine(table.provenance),
    }


def _machine(provenance: dict[str, Any]) -> str:
    words = [str(provenance["processor"])] if provenance.get("processor") else []
    for key, unit in (("cores", "core"), ("threads", "thread")):
        if provenance.get(key):
            words.append(f"{provenance[key]} {unit}{'' if provenance[key] == 1 else 's'}")
    return ", ".join(words)


def cells_with_notes(table: Table, image: str) -> list[Cell]:
    """The cells of an image whose methods noted something, method after method."""
    cells = [table.cell(image, method) for method in table.methods]
    return [cell for cell in cells if cell is not None and cell.notes]


def first_pair(table: Table, image: str, row: Row) -> tuple[int, int] | None:
    """What the slider shows first: the damaged picture and the best result, by their places in the row.

    Where one of them is missing, the first two pictures that there are; None where there are fewer.
    """
    there = [number for number, shown in enumerate(row.shown) if shown.whole]
    if len(there) < 2:
        return None
    damaged = [number for number in there if row.shown[number].role == "damaged"]
    results = [number for number in there if row.shown[number].role == "method"]
    main = measures.main_psnr(table)

    def quality(number: int) -> float:
        cell = table.cell(image, row.shown[number].label)
        return cell.metrics.get(main.name, float("-inf")) if cell is not None and main else 0.0

    left = damaged[0] if damaged else there[0]
    best = max(results, key=quality, default=there[-1])
    return left, best if best != left else next(number for number in there if number != left)


def in_words(value: Any) -> str:
    """A value of the provenance: floats to six digits, the items of lists and tables in a row."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {in_words(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(in_words, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def link(file: str) -> str:
    """The address of a file beside the page."""
    return quote(PurePath(file).as_posix().encode("utf-8", "surrogateescape"))
