"""The page of a comparison as HTML: one document that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from zeroshot.compare.records import Table
from zeroshot.compare.report.measures import alike, measures_of, not_run, unmeasured, without_result
from zeroshot.compare.report.names import escaped, link
from zeroshot.compare.report.pictures import Row, data_uri
from zeroshot.compare.report.plots import Plot
from zeroshot.compare.report.tables import image_table, notes_of, summary_table
from zeroshot.compare.report.text import option_text
from zeroshot.compare.report.viewer import details, viewer, wholes

#: Nothing is fetched from anywhere, whatever a name or a browser would have it do.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


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
    body = "\n".join((
        _header(table, contents),
        _summary(table, contents),
        _plots(contents),
        _images(table, contents),
        _measuring(table),
        _provenance(table),
    ))  # fmt: skip
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escaped(table.title)} – comparison</title>
<link rel="icon" href="data:,">
<style>
{_asset("page.css")}</style>
</head>
<body>
<a class="skip" href="#summary">Skip to the results</a>
{body}
<script>
{_asset("page.js")}</script>
</body>
</html>
"""


def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _header(table: Table, contents: Contents) -> str:
    facts = {
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
    listed = "".join(
        f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd></div>"
        for name, value in facts.items()
        if value
    )
    remarks = "".join(f'<p class="remark">{escaped(remark)}</p>' for remark in contents.remarks)
    unfinished = _unfinished(table)
    return f"""<header>
<p class="kind">Comparison of image restoration methods</p>
<h1>{escaped(table.title)}</h1>
<dl class="facts">{listed}</dl>
{f'<p class="remark">{unfinished}</p>' if unfinished else ""}{remarks}
</header>
<main>"""


def _unfinished(table: Table) -> str:
    missing, total = not_run(table)
    return f"Not finished yet: {missing} of {total} runs are still to come." if missing else ""


def _machine(provenance: dict[str, Any]) -> str:
    words = [str(provenance["processor"])] if provenance.get("processor") else []
    for key, unit in (("cores", "core"), ("threads", "thread")):
        if provenance.get(key):
            words.append(f"{provenance[key]} {unit}{'' if provenance[key] == 1 else 's'}")
    return ", ".join(words)


def _summary(table: Table, contents: Contents) -> str:
    return f"""<section id="summary" aria-labelledby="summary-title">
<h2 id="summary-title">Means of all images</h2>
{summary_table(table)}
<p class="note"><span class="mark" aria-hidden="true">★</span> marks the best of a column (several where the
printed figures are equal); ↑ higher is better, ↓ lower is better. A method that lacks a result for an image has no
mean, since it would be over other images than those of its neighbours.<span class="scripted"> Click a heading to
sort.</span></p>
{_without_result(table)}{_caveats(table)}
</section>"""


def _without_result(table: Table) -> str:
    found = without_result(table)
    if not found:
        return ""
    lines = [
        f"<li><b>{escaped(missing.method)}</b> on {escaped(missing.where(table))} – "
        f'<span class="status {escaped(missing.status)}">{escaped(missing.words)}</span>'
        f"{': ' if missing.reason else ''}{escaped(missing.reason)}</li>"
        for missing in found
    ]
    total = sum(len(missing.images) for missing in found)
    opened = " open" if len(lines) <= 12 else ""
    return (
        f"<details{opened}><summary>Runs without a result: {total}</summary>"
        f'<ul class="failures">{"".join(lines)}</ul></details>'
    )


def _caveats(table: Table) -> str:
    return "".join(f'<p class="note">{escaped(line)}.</p>' for line in (*unmeasured(table), *alike(table)))


def _plots(contents: Contents) -> str:
    if not contents.summary:
        return ""
    figures = "".join(figure(plot) for plot in contents.summary)
    subjects = {"naturalness" if plot.name.startswith("perception") else "time" for plot in contents.summary}
    heading = f"Quality against {' and '.join(sorted(subjects, reverse=True))}"
    return f"""<section id="plots" aria-labelledby="plots-title">
<h2 id="plots-title">{heading}</h2>
<div class="plots">{figures}</div>
</section>"""


def figure(plot: Plot) -> str:
    """A plot with its caption."""
    return (
        f'<figure class="plot"><img src="{data_uri(plot.svg)}" '
        f'alt="{escaped(plot.description)}">'
        f"<figcaption>{escaped(plot.title)} "
        f'<a href="plots/{link(plot.name)}">PNG</a></figcaption></figure>'
    )


def _images(table: Table, contents: Contents) -> str:
    many = len(table.images) > 1
    entries = "".join(
        f'<li><a href="#image-{index}">{escaped(image)}</a></li>'
        for index, image in enumerate(table.images, 1)
    )
    navigation = f'<nav aria-label="Images"><ul>{entries}</ul></nav>' if many else ""
    sections = "\n".join(
        _image(table, image, index, contents) for index, image in enumerate(table.images, start=1)
    )
    return f"""<section id="images" aria-labelledby="images-title">
<h2 id="images-title">Image by image</h2>
{navigation}
{sections}
</section>"""


def _image(table: Table, image: str, index: int, contents: Contents) -> str:
    row = contents.rows.get(image)
    size = f' <span class="size">{row.width} wide, {row.height} high</span>' if row and row.width else ""
    has_pictures = row is not None and any(shown.whole for shown in row.shown)
    curve = contents.curves.get(image)
    if row is None:
        pictures = '<p class="note">The pictures of this image are in the folder of the comparison only.</p>'
    elif not has_pictures:
        pictures = '<p class="note">There are no pictures of this image to show.</p>'
    else:
        pictures = _beside(viewer(table, image, index, row), curve) + details(row, image) + wholes(row, image)
        curve = None
    if curve is not None:
        pictures = _beside("", curve) + pictures
    return f"""<article id="image-{index}" aria-labelledby="image-{index}-title">
<h3 id="image-{index}-title">{escaped(image)}{size}</h3>
{image_table(table, image)}
{notes_of(table, image)}
{pictures}
</article>"""


def _beside(slider: str, curve: Plot | None) -> str:
    return f'<div class="beside">{slider}{figure(curve) if curve else ""}</div>'


def _measuring(table: Table) -> str:
    items = "".join(
        f"<dt>{escaped(m.directed)}</dt>"
        f"<dd>{escaped(m.explanation or 'as the package’s measure of that name computes it')}.</dd>"
        for m in measures_of(table)
    )
    return f"""<section id="measuring" aria-labelledby="measuring-title">
<h2 id="measuring-title">How it was measured</h2>
<dl class="explained">{items}
<dt>Seconds</dt><dd>wall-clock time of the restoration itself, without loading weights, starting a process or
measuring intermediate images. There is no warm-up: what a library sets up at its first use counts for the
first image.</dd>
<dt>Memory (MiB)</dt><dd>peak resident memory of the method’s process, which includes its libraries.</dd>
<dt>Details</dt><dd>cut out where the results differ most (interquartile range of their brightness), pixel by pixel
and without loss. What they show is chosen for contrast between methods; it is not typical of the image.</dd>
<dt>Whole pictures</dt><dd>stored in this page as their headings say, for looking at them only; all measures are
taken at full size, and the captions link to the files.</dd></dl>
</section>"""


def _provenance(table: Table) -> str:
    items = "".join(
        f"<dt>{escaped(str(name).replace('_', ' '))}</dt><dd>{escaped(_plain(value))}</dd>"
        for name, value in table.provenance.items()
    )
    return f"""<section id="provenance" aria-labelledby="provenance-title">
<h2 id="provenance-title">How to repeat it</h2>
<dl class="explained provenance">{items or "<dt>provenance</dt><dd>not recorded</dd>"}</dl>
<p class="note">All figures with all their digits: <a href="results.csv">results.csv</a> and
<a href="means.csv">means.csv</a> beside this page.</p>
</section>
</main>"""


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(_plain, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
