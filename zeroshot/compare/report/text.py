"""The means of a comparison as a plain table, for the terminal."""

from __future__ import annotations

import unicodedata

from zeroshot.compare.records import Table
from zeroshot.compare.report.measures import images_done, mean_seconds, measures_of, seconds_text


def text_table(table: Table) -> str:
    """The means over all images, one line per method, in aligned columns.

    The best mean of a measure is marked with ``*``; a method that lacks a result for an image has no means, since
    they would be over other images than those of its neighbours, and its line says how many it has.

    Parameters
    ----------
    table : Table
        Finished or half-finished.

    Returns
    -------
    str
        Without a line break at the end.
    """
    measures = measures_of(table)
    best = [m.best(table.mean(method, m.name) for method in table.methods) for m in measures]
    headings = ["method", *(m.directed for m in measures), "seconds", "images"]
    lines = [headings]
    for method in table.methods:
        texts = [m.text(table.mean(method, m.name)) for m in measures]
        marked = [text + ("*" if text == winner else " ") for text, winner in zip(texts, best, strict=True)]
        seconds = seconds_text(mean_seconds(table, method))
        lines.append(
            [printable(method), *marked, seconds, f"{images_done(table, method)}/{len(table.images)}"]
        )
    return _aligned(lines)


def printable(text: object) -> str:
    """The text on one line, without control characters and half characters of undecodable file names."""
    return "".join("�" if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in str(text))


def _aligned(lines: list[list[str]]) -> str:
    widths = [max(_width(line[column]) for line in lines) for column in range(len(lines[0]))]
    rows = []
    for line in lines:
        padding = [" " * (width - _width(text)) for text, width in zip(line, widths, strict=True)]
        cells = [line[0] + padding[0], *(p + text for p, text in zip(padding[1:], line[1:], strict=True))]
        rows.append("  ".join(cells).rstrip())
    rows.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(rows)


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
