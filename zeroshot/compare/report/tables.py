"""The tables of the page."""

from __future__ import annotations

from zeroshot.compare.records import Cell, Table
from zeroshot.compare.report.measures import (
    Measure,
    images_done,
    is_done,
    mean_seconds,
    measures_of,
    peak_memory,
    seconds_text,
    status_words,
)
from zeroshot.compare.report.names import escaped


def summary_table(table: Table) -> str:
    """One row per method: means of all measures, mean time, peak memory, and on how many images it has a result."""
    measures = measures_of(table)
    winners = [m.best(table.mean(method, m.name) for method in table.methods) for m in measures]
    rows = []
    for method in table.methods:
        done, total = images_done(table, method), len(table.images)
        if done == total:
            means = "".join(
                _figure(m, table.mean(method, m.name), best)
                for m, best in zip(measures, winners, strict=True)
            )
        else:
            means = f'<td class="none" colspan="{len(measures)}">no mean:{_why(table, method)}</td>'
        rows.append(
            f'<tr><th scope="row"><span class="name">{escaped(method)}</span></th>{means}{_times(table, method)}'
            f'<td data-value="{done}">{done} of {total}</td></tr>'
        )
    return _scrolling("Means of all images", [*_headings(measures), "images"], rows)


def image_table(table: Table, image: str) -> str:
    """One row per method on one image; where there is no result, why not."""
    measures = measures_of(table)
    cells = {method: table.cell(image, method) for method in table.methods}
    winners = [
        m.best(cell.metrics.get(m.name) for cell in cells.values() if cell is not None) for m in measures
    ]
    rows = []
    for method, cell in cells.items():
        head = f'<tr><th scope="row"><span class="name">{escaped(method)}</span></th>'
        if cell is None or not is_done(cell):
            rows.append(f"{head}{_no_result(cell, len(measures) + 2)}</tr>")
            continue
        figures = [
            _figure(m, cell.metrics.get(m.name), best) for m, best in zip(measures, winners, strict=True)
        ]
        rows.append(f"{head}{''.join(figures)}{_seconds(cell.seconds)}{_memory(cell.memory_mib)}</tr>")
    return _scrolling(f"Figures of {image}", _headings(measures), rows)


def notes_of(table: Table, image: str) -> str:
    """What the methods noted about their runs on an image, and why a figure is missing; folded away."""
    lines = []
    for method in table.methods:
        cell = table.cell(image, method)
        if cell is not None and cell.notes:
            words = "; ".join(
                f"{str(name).replace('_', ' ')}: {_noted(value)}" for name, value in cell.notes.items()
            )
            lines.append(f"<li><b>{escaped(method)}</b> – {escaped(words)}</li>")
    if not lines:
        return ""
    return (
        f"<details><summary>Notes of the methods</summary><ul class='notes'>{''.join(lines)}</ul></details>"
    )


def _noted(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _headings(measures: list[Measure]) -> list[str]:
    return ["method", *(m.directed for m in measures), "seconds", "memory (MiB)"]


def _scrolling(caption: str, headings: list[str], rows: list[str]) -> str:
    """A table that scrolls within itself where the page is narrow, by keys too."""
    heads = "".join(f'<th scope="col">{escaped(heading)}</th>' for heading in headings)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(caption)}">'
        f'<table class="sortable"><caption class="unseen">{escaped(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _figure(measure: Measure, value: float | None, best: str | None) -> str:
    text = measure.text(value)
    if value is None:
        return _absent()
    if text != best:
        return f'<td data-value="{value!r}">{text}</td>'
    return (
        f'<td data-value="{value!r}" class="best"><strong>{text}</strong>'
        '<span class="mark" aria-hidden="true">★</span><span class="unseen"> best</span></td>'
    )


def _times(table: Table, method: str) -> str:
    return _seconds(mean_seconds(table, method)) + _memory(peak_memory(table, method))


def _seconds(value: float | None) -> str:
    return _absent() if value is None else f'<td data-value="{value!r}">{escaped(seconds_text(value))}</td>'


def _memory(value: float | None) -> str:
    return _absent() if value is None else f'<td data-value="{value!r}">{value:.0f}</td>'


def _absent() -> str:
    return '<td class="absent">–</td>'


def _no_result(cell: Cell | None, columns: int) -> str:
    words, status = status_words(cell), "missing" if cell is None else cell.status
    reason = (
        f' <span class="reason">{escaped(cell.reason)}</span>' if cell is not None and cell.reason else ""
    )
    return (
        f'<td class="none" colspan="{columns}"><span class="status {escaped(status)}">{escaped(words)}</span>'
        f"{reason}</td>"
    )


def _why(table: Table, method: str) -> str:
    """What became of the images without a result, in words."""
    counts: dict[str, tuple[int, str]] = {}
    for image in table.images:
        cell = table.cell(image, method)
        if not is_done(cell):
            words = status_words(cell)
            counts[words] = (
                counts.get(words, (0, ""))[0] + 1,
                "missing" if cell is None else cell.status,
            )
    return "".join(
        f' <span class="status {escaped(status)}">{escaped(words)}{f" ({n})" if n > 1 else ""}</span>'
        for words, (n, status) in counts.items()
    )
