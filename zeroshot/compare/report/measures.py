"""How the report calls, prints and compares its measures, and what it says about how they are computed."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from zeroshot.compare.records import Cell, Table
from zeroshot.metrics import METRICS, Metric, metric

#: Measures of how natural an image looks, in the order in which the plane with PSNR prefers them.
PERCEPTUAL = ("lpips", "dists", "niqe", "pi")

_DECIMALS = {"niqe": 2, "pi": 2}
#: What the measures' own one-line meanings leave out.
_DETAILS = (
    (r"c?psnr.*", "10 log₁₀(1 / MSE), the peak value being 1"),
    (r"niqe|pi", "looks at the result alone: what looks natural need not be true"),
)
_CONSISTENCY = (
    "root mean square of A x − y over the measured values, in 8-bit grey levels: how far the result x, damaged "
    "again by the operator A, is from the measurement y. Far above the level of the noise, the result contradicts "
    "what was measured and cannot be the truth, however good it looks; only methods that know A can promise "
    "otherwise. Below that level lies a result that has kept the noise, for the truth itself is at the level of "
    "the noise: no value is marked as the best"
)


@dataclass(frozen=True)
class Measure:
    """A column of the report.

    Attributes
    ----------
    name, label, unit : str
        Its name in the table's cells, and how the report prints it.
    better : {"higher", "lower", "neither"}
        Which values are better. "neither": the report marks none.
    decimals : int
        Digits behind the point.
    explanation : str
        How it is computed, in one sentence; empty where that is not known here.
    """

    name: str
    label: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    decimals: int
    explanation: str

    @property
    def heading(self) -> str:
        """Label and unit: ``PSNR (dB)``."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def directed(self) -> str:
        """Label, unit and where better values lie: ``PSNR (dB) ↑``."""
        arrow = {"higher": " ↑", "lower": " ↓"}.get(self.better, "")
        return f"{self.label} ({self.unit}){arrow}" if self.unit else self.label + arrow

    def text(self, value: float | None) -> str:
        """The value as the tables show it; an en dash where there is none."""
        if self.name == "consistency" and value is not None and 0 < value < 0.5 * 10**-self.decimals:
            return f"<{10**-self.decimals:.{self.decimals}f}"  # errors of rounding, whatever their size
        return number(value, self.decimals)

    def best(self, values: Iterable[float | None]) -> str | None:
        """How the best of some values is printed; None where there is nothing to choose."""
        finite = [value for value in values if value is not None and not math.isnan(value)]
        if self.better == "neither" or len({self.text(value) for value in finite}) < 2:
            return None
        return self.text(max(finite) if self.better == "higher" else min(finite))


def number(value: float | None, decimals: int) -> str:
    """A number with a fixed number of decimals, in the signs that typography has for it."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value and abs(value) < 0.5 * 10**-decimals:
        return f"{value:.1e}"
    return f"{value:.{decimals}f}"


def measure(name: str) -> Measure:
    """The measure of that name, even if this version of the package does not know it."""
    if name == "consistency":
        return Measure(name, "Consistency", "", "neither", 2, _CONSISTENCY)
    known = _known(name)
    if known is None:
        return Measure(name, name, "", "higher", 4, "")
    decimals = _DECIMALS.get(name, 2 if known.unit == "dB" else 4)
    explanation = _explanation(name, known.meaning)
    return Measure(name, known.label, known.unit, known.better, decimals, explanation)


def seconds_text(value: float | None) -> str:
    """A time in seconds, to a tenth."""
    return "<0.1" if value is not None and value < 0.1 else number(value, 1)


def measures_of(table: Table) -> list[Measure]:
    """The columns of a table, in its order."""
    return [measure(name) for name in table.metrics]


def main_psnr(table: Table) -> Measure | None:
    """The table's first PSNR, by which curves and the perception–distortion plane go."""
    for name in table.metrics:
        if re.match("c?psnr", name):
            return measure(name)
    return None


def perceptual_measures(table: Table) -> list[Measure]:
    """Measures of the table that say how natural an image looks, the preferred one first."""
    return [measure(name) for name in PERCEPTUAL if name in table.metrics]


def is_done(cell: Cell | None) -> bool:
    """Whether there is a result."""
    return cell is not None and cell.status == "done"


def status_words(cell: Cell | None) -> str:
    """The status of a cell, in words."""
    if cell is None:
        return "not run yet"
    return {
        "done": "done",
        "unsupported": "not supported",
        "failed": "failed",
        "crashed": "crashed",
        "memory": "out of memory",
        "timeout": "ended: took too long",
    }.get(cell.status, cell.status)


def mean_seconds(table: Table, method: str) -> float | None:
    """Mean time over all images; None where one lacks it."""
    cells = [table.cell(image, method) for image in table.images]
    seconds = [
        cell.seconds for cell in cells if cell is not None and is_done(cell) and cell.seconds is not None
    ]
    return sum(seconds) / len(seconds) if seconds and len(seconds) == len(table.images) else None


def peak_memory(table: Table, method: str) -> float | None:
    """The most memory that the method took on any image, in MiB; None where it is not known."""
    cells = [table.cell(image, method) for image in table.images]
    return max((cell.memory_mib for cell in cells if cell and cell.memory_mib is not None), default=None)


def best_means(table: Table) -> dict[str, str | None]:
    """Measure → how the best of the methods' means is printed; None where there is nothing to choose."""
    return {
        m.name: m.best(table.mean(method, m.name) for method in table.methods) for m in measures_of(table)
    }


def best_results(table: Table, image: str) -> dict[str, str | None]:
    """The same on one image."""
    cells = [cell for method in table.methods if (cell := table.cell(image, method)) is not None]
    return {m.name: m.best(cell.metrics.get(m.name) for cell in cells) for m in measures_of(table)}


def images_done(table: Table, method: str) -> int:
    """On how many images the method has a result."""
    return sum(is_done(table.cell(image, method)) for image in table.images)


def lacking(table: Table, method: str) -> list[tuple[str, str, int]]:
    """Why a method lacks results: each status ("missing" before a run), the same in words, and of how many images."""
    cells = [table.cell(image, method) for image in table.images]
    counts = Counter(
        ("missing" if cell is None else cell.status, status_words(cell))
        for cell in cells
        if not is_done(cell)
    )
    return [(status, words, number) for (status, words), number in counts.items()]


@dataclass(frozen=True)
class WithoutResult:
    """Runs of one method that ended without a result for the same reason."""

    method: str
    images: tuple[str, ...]
    status: str
    words: str
    reason: str

    def where(self, table: Table) -> str:
        """The images, in words."""
        return "all images" if len(self.images) == len(table.images) > 1 else ", ".join(self.images)


def without_result(table: Table) -> list[WithoutResult]:
    """All runs without a result, those of one method and reason together."""
    affected: dict[tuple[str, str, str, str], list[str]] = {}
    for method in table.methods:
        for image in table.images:
            cell = table.cell(image, method)
            if cell is not None and not is_done(cell):
                key = (method, cell.status, status_words(cell), cell.reason)
                affected.setdefault(key, []).append(image)
    return [
        WithoutResult(method, tuple(images), status, words, reason)
        for (method, status, words, reason), images in affected.items()
    ]


def not_run(table: Table) -> tuple[int, int]:
    """How many runs are still to come, and how many there are in all."""
    missing = sum(table.cell(image, method) is None for image in table.images for method in table.methods)
    return missing, len(table.images) * len(table.methods)


def copies(table: Table) -> dict[str, str]:
    """Method → another whose figures it has to the last digit wherever both have some.

    Of two that are alike the copy is the one that began at another prior's image and changed nothing of it, else the
    one that comes later.
    """
    found: dict[str, str] = {}
    for index, method in enumerate(table.methods):
        for other in table.methods[:index]:
            if other in found or not _same_figures(table, method, other):
                continue
            copy, original = (other, method) if _is_its_guide(table, other) else (method, other)
            if copy not in found:
                found[copy] = original
                break
    return found


def _same_figures(table: Table, method: str, other: str) -> bool:
    pairs = [(table.cell(image, other), table.cell(image, method)) for image in table.images]
    figures = [(a.metrics, b.metrics) for a, b in pairs if a and b and a.metrics and b.metrics]
    return bool(figures) and all(a == b for a, b in figures)


def _is_its_guide(table: Table, method: str) -> bool:
    return all(cell.notes.get("network_share") == 0 for cell in _cells_of(table, method))


def _cells_of(table: Table, method: str) -> list[Cell]:
    cells = [table.cell(image, method) for image in table.images]
    return [cell for cell in cells if cell is not None and is_done(cell)]


def alike(table: Table) -> list[str]:
    """Methods whose figures agree to the last digit wherever both have some, one line for each pair."""
    return [
        f"{copy} and {original} have the same results, see the notes of the methods"
        for copy, original in copies(table).items()
    ]


def guided(table: Table) -> list[str]:
    """Methods whose results are in part those of another prior, one line each: of which, and how much of them."""
    lines = []
    for method in table.methods:
        cells = [cell for cell in _cells_of(table, method) if "network_share" in cell.notes]
        guides = sorted({str(cell.notes.get("guide")) for cell in cells} - {"none"})
        if guides:
            share = round(100 * sum(float(cell.notes["network_share"]) for cell in cells) / len(cells))
            lines.append(
                f"{method}: {share} % of the network, {100 - share} % of its guide ({', '.join(guides)}); "
                "guide=none is the network alone"
            )
    return lines


def unmeasured(table: Table) -> list[str]:
    """Per measure that some results lack, one line: of how many, and why in the words of the first of them."""
    lines = []
    for m in measures_of(table):
        lacking = [
            cell
            for cell in table.cells
            if cell.image in table.images and is_done(cell) and m.name not in cell.metrics
        ]
        done = sum(map(is_done, table.cells))
        if lacking:
            reason = next((c.notes[f"no {m.name}"] for c in lacking if f"no {m.name}" in c.notes), "")
            first = f": {reason}" if reason else ""
            lines.append(f"{m.label} is missing for {len(lacking)} of {done} results{first}")
    return lines


def _known(name: str) -> Metric | None:
    # Not by metrics.metric() first: a table that was measured elsewhere is shown without the extra, too.
    if name in METRICS:
        return METRICS[name]
    try:
        return metric(name)
    except (ValueError, ImportError):
        return None


def _explanation(name: str, meaning: str) -> str:
    details = [words for pattern, words in _DETAILS if re.fullmatch(pattern, name)]
    return "; ".join(filter(None, [meaning, *details]))
