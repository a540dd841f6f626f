"""What the terminal shows of a comparison: its means as a plain table, and remarks on what is missing."""

from __future__ import annotations

from zeroshot.compare.records import Table
from zeroshot.compare.report.measures import (
    alike,
    best_means,
    copies,
    guided,
    images_done,
    mean_seconds,
    measures_of,
    not_run,
    seconds_text,
    unmeasured,
    without_result,
)
from zeroshot.spelling import visible
from zeroshot.words import aligned, column_widths


def text_table(table: Table) -> str:
    """The means over all images, one line per method, in aligned columns.

    The best mean of a measure is marked with ``*``, unless the method only has the results of another, which its line
    names; a method that lacks a result for an image has no means, since
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
    best, same = best_means(table), copies(table)
    headings = ["method", *(m.directed for m in measures), "seconds", "images"]
    lines = [headings]
    for method in table.methods:
        texts = [(m.name, m.text(table.mean(method, m.name))) for m in measures]
        stars = method not in same
        marked = [text + ("*" if stars and text == best[name] else " ") for name, text in texts]
        label = method if stars else f"{method} (as {same[method]})"
        seconds = seconds_text(mean_seconds(table, method))
        lines.append([visible(label), *marked, seconds, f"{images_done(table, method)}/{len(table.images)}"])
    heading, *rows = aligned(lines)
    rule = "  ".join("-" * width for width in column_widths(lines))
    return "\n".join([heading, rule, *rows])


def remarks(table: Table) -> list[str]:
    """What a reader of the table must know, one line each: why figures are missing, and which methods are alike."""
    lines = []
    for missing in without_result(table):
        reason = f": {missing.reason}" if missing.reason else ""
        lines.append(f"{missing.method} on {missing.where(table)}: {missing.words}{reason}")
    to_come, total = not_run(table)
    if to_come:
        lines.append(f"{to_come} of {total} runs are still to come: name all images and methods to make them")
    return [visible(line) for line in (*lines, *unmeasured(table), *alike(table), *guided(table))]
