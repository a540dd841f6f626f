"""The plots of a comparison: quality over time, and quality against how natural the images look.

They can be read without colour: line styles and markers differ, and every method is named beside its line.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from zeroshot.compare.records import Table
from zeroshot.compare.report.measures import Measure, is_done, main_psnr, perceptual_measures
from zeroshot.compare.report.measures import measure as measure_named
from zeroshot.compare.report.plot_labels import beside_points, in_margin
from zeroshot.files import write_atomically
from zeroshot.spelling import visible

#: Dark enough for white paper, and apart for those who see few colours (after Okabe and Ito).
_COLOURS = ("#000000", "#0062a3", "#b34a00", "#00755a", "#9b3f7b", "#5b5b00", "#555555", "#7a1f1f")
_LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: The variant of PSNR that curves record; a single point drawn among them must be the same.
_OF_CURVES = "psnr"
_SHORTEST = 1e-3  # seconds: a logarithmic axis has no zero
_POINTS = 400  # of a curve; more cannot be told apart


@dataclass(frozen=True)
class Plot:
    """A plot in the page.

    Attributes
    ----------
    name : str
        Of its file in ``plots/``.
    svg : bytes
        The picture for the page.
    title, description : str
        Its caption, and what a reader who cannot see it is told.
    """

    name: str
    svg: bytes
    title: str
    description: str


@dataclass(frozen=True)
class _Curve:
    method: str
    style: int
    seconds: np.ndarray
    values: np.ndarray


def require_matplotlib() -> None:
    """Raise an ImportError that names the extra where matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "zeroshot-restore[plot]"') from error


def image_plot(table: Table, image: str, folder: Path) -> Plot | None:
    """PSNR over time on one image, written to ``plots/``; None where nothing was measured."""
    curves = _curves_of(table, image)
    if not curves:
        return None
    number = table.images.index(image) + 1
    name = f"psnr-over-time-{number:02d}-{file_stem(image)}.png"
    return _over_time(curves, folder / name, f"PSNR over time: {visible(image)}")


def summary_plots(table: Table, folder: Path) -> list[Plot]:
    """Mean PSNR over time, and the perception–distortion plane of each perceptual measure, written to ``plots/``."""
    plots = []
    curves = _mean_curves(table)
    if curves and len(table.images) > 1:
        plots.append(
            _over_time(curves, folder / "mean-psnr-over-time.png", "PSNR over time, mean of all images")
        )
    distortion = main_psnr(table)
    for perceptual in perceptual_measures(table):
        if distortion is None:
            break
        plot = _plane(table, distortion, perceptual, folder / f"perception-distortion-{perceptual.name}.png")
        if plot is not None:
            plots.append(plot)
    return plots


def file_stem(name: str) -> str:
    """A name as the stem of a file that every system takes; not necessarily unique."""
    ascii_name = unicodedata.normalize("NFKD", PurePath(name).stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", ascii_name).strip("-").lower()[:40] or "image"


# --- what is drawn ---------------------------------------------------------------------------------------


def _curves_of(table: Table, image: str) -> list[_Curve]:
    """One curve per method; a single point where it showed nothing on the way."""
    curves = []
    for style, method in enumerate(table.methods):
        cell = table.cell(image, method)
        if cell is None or not is_done(cell):
            continue
        seconds = [point.seconds for point in cell.curve]
        values = [point.psnr for point in cell.curve]
        final = cell.metrics.get(_OF_CURVES)
        if not seconds and final is not None and cell.seconds is not None:
            seconds, values = [cell.seconds], [final]
        x, y = np.maximum(np.asarray(seconds, float), _SHORTEST), np.asarray(values, float)
        seen = np.isfinite(y)
        if seen.any():
            curves.append(_Curve(method, style, *_thinned(x[seen], y[seen])))
    return curves


def _mean_curves(table: Table) -> list[_Curve]:
    """The mean over all images of what each method had in hand, from when it had something for each of them."""
    per_image = [{c.method: c for c in _curves_of(table, image)} for image in table.images]
    means = []
    for style, method in enumerate(table.methods):
        found = [curves[method] for curves in per_image if method in curves]
        if len(found) < len(table.images):
            continue
        if any(len(curve.seconds) == 1 for curve in found):
            seconds = np.array([np.mean([curve.seconds[-1] for curve in found])])
            values = np.array([np.mean([curve.values[-1] for curve in found])])
        else:
            first = max(curve.seconds[0] for curve in found)
            last = max(curve.seconds[-1] for curve in found)
            seconds = np.geomspace(first, max(last, first), 60) if last > first else np.array([first])
            values = np.mean([np.interp(seconds, curve.seconds, curve.values) for curve in found], axis=0)
        means.append(_Curve(method, style, seconds, values))
    return means


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(x) <= _POINTS:
        return x, y
    kept = np.unique(np.geomspace(1, len(x), _POINTS).round().astype(int)) - 1
    return x[kept], y[kept]


# --- how it is drawn -------------------------------------------------------------------------------------


def _over_time(curves: Sequence[_Curve], path: Path, title: str) -> Plot:
    measure = measure_named(_OF_CURVES)
    with _drawing(5.5, 3.8, right=0.77) as (figure, axis):
        for curve in curves:
            single = len(curve.seconds) == 1
            axis.plot(
                curve.seconds,
                curve.values,
                color=_COLOURS[curve.style % len(_COLOURS)],
                linestyle="none" if single else _LINES[curve.style % len(_LINES)],
                marker=_MARKERS[curve.style % len(_MARKERS)],
                markevery=None if single else [len(curve.seconds) - 1],
                markersize=6,
                linewidth=1.6,
            )
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(lambda seconds, position: f"{seconds:g}")
        axis.set_xlabel("seconds (logarithmic)")
        axis.set_ylabel(measure.heading)
        _limit_values(axis, curves)
        in_margin(
            figure,
            axis,
            [(curve.seconds[-1], curve.values[-1]) for curve in curves],
            [_label(curve.method) for curve in curves],
            [_COLOURS[curve.style % len(_COLOURS)] for curve in curves],
        )
        ends = "; ".join(
            f"{visible(c.method)} {measure.text(c.values[-1])} {measure.unit} after {c.seconds[-1]:.3g} s"
            for c in curves
        )
        return Plot(path.name, _saved(figure, path), title, f"{title}. At the end: {ends}.")


def _limit_values(axis: Any, curves: Sequence[_Curve]) -> None:
    """Cut off the first iterations of a network where they would flatten everything else."""
    ends = [curve.values[-1] for curve in curves]
    lowest = min(float(np.min(curve.values)) for curve in curves)
    highest = max(float(np.max(curve.values)) for curve in curves)
    room = max(highest - min(ends), 1.0)
    bottom = max(lowest, min(ends) - 1.5 * room)
    margin = 0.06 * max(highest - bottom, 0.5)
    axis.set_ylim(bottom - margin, highest + margin)


def _plane(table: Table, distortion: Measure, perception: Measure, path: Path) -> Plot | None:
    points = []
    for style, method in enumerate(table.methods):
        x, y = table.mean(method, distortion.name), table.mean(method, perception.name)
        if x is not None and y is not None and np.isfinite((x, y)).all():
            points.append((method, style, x, y))
    if not points:
        return None
    title = f"Perception–distortion plane: {perception.label} against {distortion.label}"
    with _drawing(5.5, 3.8, right=0.97) as (figure, axis):
        for _, style, x, y in points:
            colour = _COLOURS[style % len(_COLOURS)]
            filled = colour if style // len(_MARKERS) % 2 == 0 else "white"
            axis.plot(
                x,
                y,
                color=colour,
                markerfacecolor=filled,
                marker=_MARKERS[style % len(_MARKERS)],
                linestyle="none",
                markersize=8,
            )
        axis.margins(0.12)
        axis.set_xlabel(f"{distortion.heading} → better")
        toward = "better ↓" if perception.better == "lower" else "better ↑"
        axis.set_ylabel(f"{perception.heading}   ({toward})")
        beside_points(figure, axis, [(x, y) for *_, x, y in points], [_label(m) for m, *_ in points])
        listed = "; ".join(
            f"{visible(method)} at {distortion.text(x)} {distortion.unit} and {perception.text(y)}"
            for method, _, x, y in points
        )
        return Plot(path.name, _saved(figure, path), title, f"{title}, means of all images: {listed}.")


def _label(method: str) -> str:
    name = visible(method)
    return name if len(name) <= 28 else name[:27] + "…"


@contextmanager
def _drawing(width: float, height: float, right: float) -> Iterator[tuple[Any, Any]]:
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {
        "font.size": 10,
        "font.family": "sans-serif",
        "svg.fonttype": "none",  # text stays text: smaller, and in any script
        "svg.hashsalt": "zeroshot",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "text.parse_math": False,  # a $ in the name of a file is a $
        "axes.grid": True,
        "grid.color": "#dddddd",
        "grid.linewidth": 0.6,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")  # a name in a script that the font lacks
        figure = Figure(figsize=(width, height))
        axis = figure.add_subplot()
        figure.subplots_adjust(left=0.12, right=right, bottom=0.13, top=0.97)
        axis.set_axisbelow(True)
        yield figure, axis


def _saved(figure: Any, path: Path) -> bytes:
    """Write the plot as PNG; the same as SVG for the page."""
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(
        png, format="png", dpi=160, bbox_inches="tight", pad_inches=0.08, metadata={"Software": None}
    )
    figure.savefig(svg, format="svg", bbox_inches="tight", pad_inches=0.08, metadata={"Date": None})
    write_atomically(path, png.getvalue())
    return svg.getvalue()
