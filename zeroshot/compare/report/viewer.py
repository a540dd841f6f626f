"""The pictures in the page: the slider that compares two of them, the details, and the whole pictures."""

from __future__ import annotations

from zeroshot.compare.records import Table
from zeroshot.compare.report.measures import main_psnr
from zeroshot.compare.report.names import escaped, link
from zeroshot.compare.report.pictures import Row, Shown


def viewer(table: Table, image: str, index: int, row: Row) -> str:
    """A slider between any two pictures; the script fills and shows it, since it is of no use without one."""
    choices = [(number, shown) for number, shown in enumerate(row.shown) if shown.whole]
    if len(choices) < 2:
        return ""
    left, right = _first_pair(table, image, row)
    views = '<option value="whole">whole image</option>' + "".join(
        f'<option value="{number}">detail {number + 1}, enlarged</option>'
        for number in range(len(row.regions))
    )
    boxes = "".join(
        f'<span class="box" style="left:{100 * r.left / row.width:.2f}%;top:{100 * r.top / row.height:.2f}%;'
        f'width:{100 * r.size / row.width:.2f}%;height:{100 * r.size / row.height:.2f}%">'
        f"<b>{number}</b></span>"
        for number, r in enumerate(row.regions, start=1)
    )
    name = escaped(image)
    return f"""<div class="viewer" hidden data-ratio="{row.width} / {row.height}" data-width="{row.width}"
data-detail="{row.regions[0].size if row.regions else 1}">
<div class="controls">
<label>Left <select class="left" aria-label="Left picture of {name}">{_options(choices, left)}</select></label>
<button type="button" class="swap" title="Swap left and right" aria-label="Swap left and right">⇄</button>
<label>Right <select class="right" aria-label="Right picture of {name}">{_options(choices, right)}</select></label>
<label>Show <select class="view" aria-label="Part of {name} that is shown">{views}</select></label>
</div>
<div class="stage"><img class="under" alt=""><img class="over" alt="">
<div class="boxes" aria-hidden="true">{boxes}</div>
<span class="tag left"></span><span class="tag right"></span><div class="divider" aria-hidden="true"></div></div>
<label class="slide"><span>Divide</span><input type="range" min="0" max="100" step="1" value="50"
aria-label="Where left and right picture of {name} meet, in percent of the width" id="slide-{index}"></label>
</div>"""


def details(row: Row, image: str) -> str:
    """The enlarged details, all pictures of one region side by side."""
    parts = []
    for number, region in enumerate(row.regions):
        figures = [
            _figure(order, number, part, f"{one.label}, detail {number + 1} of {image}", one, _caption(one))
            for order, one in enumerate(row.shown)
            if number < len(one.details) and (part := one.details[number]) is not None
        ]
        side = region.size * max(1, 200 // region.size)  # by a whole factor: every pixel has the same size
        parts.append(
            f'<h4>Detail {number + 1} <span class="size">{region.size} × {region.size} pixels at column '
            f"{region.left}, row {region.top}</span></h4>"
            f'<div class="details" style="--side:{side}px">{"".join(figures)}</div>'
        )
    return "".join(parts) + _without(row)


def wholes(row: Row, image: str) -> str:
    """All whole pictures; folded away where the slider shows them."""
    figures = "".join(
        _figure(order, "whole", one.whole, f"{one.label}, whole image {image}", one, _linked_caption(one))
        for order, one in enumerate(row.shown)
        if one.whole is not None
    )
    return (
        f'<details class="wholes" open><summary>Whole pictures <span class="size">{escaped(row.storage)}</span>'
        f'</summary><div class="details large">{figures}</div></details>'
    )


def _figure(order: int, view: int | str, source: str, alternative: str, one: Shown, caption: str) -> str:
    words = ", ".join(part for part in (alternative, one.figure) if part)
    return (
        f'<figure><img data-view="{view}" data-shown="{order}" src="{source}" alt="{escaped(words)}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _caption(one: Shown) -> str:
    return f"<b>{escaped(one.label)}</b>" + (f" <span>{escaped(one.figure)}</span>" if one.figure else "")


def _linked_caption(one: Shown) -> str:
    if one.file is None:
        return _caption(one)
    return f'{_caption(one)} <a href="{link(one.file)}">file, {one.width} wide, {one.height} high</a>'


def _without(row: Row) -> str:
    """Whose picture is missing, and why."""
    missing = [
        f"{escaped(one.label)} ({escaped(one.figure or 'no file')})" for one in row.shown if one.whole is None
    ]
    return f'<p class="note">No picture: {", ".join(missing)}.</p>' if missing else ""


def _options(choices: list[tuple[int, Shown]], selected: int) -> str:
    return "".join(
        f'<option value="{number}" data-label="{escaped(shown.label)}" data-figure="{escaped(shown.figure)}"'
        f"{' selected' if number == selected else ''}>{escaped(shown.label)}"
        f"{' – ' + escaped(shown.figure) if shown.figure else ''}</option>"
        for number, shown in choices
    )


def _first_pair(table: Table, image: str, row: Row) -> tuple[int, int]:
    """The damaged picture and the best result; where one is missing, the first two that there are."""
    there = [number for number, shown in enumerate(row.shown) if shown.whole]
    damaged = [number for number in there if row.shown[number].role == "damaged"]
    results = [number for number in there if row.shown[number].role == "method"]
    main = main_psnr(table)

    def quality(number: int) -> float:
        cell = table.cell(image, row.shown[number].label)
        return cell.metrics.get(main.name, float("-inf")) if cell is not None and main else 0.0

    left = damaged[0] if damaged else there[0]
    best = max(results, key=quality, default=there[-1])
    return left, best if best != left else next(number for number in there if number != left)
