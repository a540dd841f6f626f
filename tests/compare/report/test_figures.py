"""The figures of a comparison for the terminal and for other programs, and how they are compared and drawn."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zeroshot.compare.records import Cell, CurvePoint, Table
from zeroshot.compare.report import text_table, write_csv
from zeroshot.compare.report.measures import measure, number
from zeroshot.compare.report.plot_labels import spread_out
from zeroshot.compare.report.regions import Region, most_different


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_results_have_one_row_per_image_and_method(comparison: tuple[Table, Path], tmp_path: Path) -> None:
    table, _ = comparison
    results, means = write_csv(table, tmp_path)
    rows = rows_of(results)
    assert len(rows) == len(table.images) * len(table.methods)
    assert {row["status"] for row in rows} == {
        "done",
        "memory",
        "crashed",
        "failed",
        "unsupported",
        "not run",
    }
    assert [row["method"].lstrip("'") for row in rows_of(means)] == list(table.methods)


def test_numbers_keep_all_their_digits(comparison: tuple[Table, Path], tmp_path: Path) -> None:
    table, _ = comparison
    rows = rows_of(write_csv(table, tmp_path)[0])
    for row in rows:
        cell = table.cell(row["image"], row["method"].lstrip("'"))
        if cell is not None and cell.status == "done":
            assert float(row["psnr"]) == cell.metrics["psnr"]
            assert float(row["seconds"]) == cell.seconds
        else:
            assert row["psnr"] == ""


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_text_is_a_formula(table: Table, tmp_path: Path, name: str) -> None:
    named = replace(table, methods=(name,), cells=(Cell("a", name, "failed", reason=name),))
    row = rows_of(write_csv(named, tmp_path)[0])[0]
    assert row["method"] == row["reason"] == "'" + name


def test_negative_numbers_stay_numbers(table: Table, tmp_path: Path) -> None:
    cell = Cell("a", "one", "done", metrics={"psnr": np.float64(-3.5)})
    row = rows_of(write_csv(replace(table, cells=(cell,)), tmp_path)[0])[0]
    assert row["psnr"] == "-3.5"


def test_a_mean_needs_every_image(table: Table, tmp_path: Path) -> None:
    two = replace(table, images=("a", "b"))
    assert [row["psnr"] for row in rows_of(write_csv(two, tmp_path)[1])] == ["", ""]
    assert "1/2" in text_table(two)


def test_the_table_for_the_terminal_is_aligned(comparison: tuple[Table, Path]) -> None:
    lines = text_table(comparison[0]).splitlines()
    rule = lines[1]
    ends = [i for i, sign in enumerate(rule) if sign == "-" and rule[i + 1 : i + 2] != "-"]
    for line in (lines[0], *lines[2:]):
        assert all(line.ljust(len(rule))[end + 1 : end + 3].strip() == "" for end in ends)
    assert len(lines) == 2 + len(comparison[0].methods)


def test_wide_letters_take_two_columns(table: Table) -> None:
    lines = text_table(replace(table, methods=("猫猫", "abcd"), cells=())).splitlines()
    assert lines[2].index("–") + 2 == lines[3].index("–")


def test_the_best_is_marked_once_per_measure(table: Table) -> None:
    text = text_table(table)
    assert "31.00*" in text
    assert "0.2000*" in text  # the smaller distance
    assert text.count("*") == 2


def test_figures_that_print_alike_share_the_mark(table: Table) -> None:
    third = Cell("a", "three", "done", metrics={"psnr": 31.001, "lpips": 0.2})
    three = replace(table, methods=("one", "two", "three"), cells=(*table.cells, third))
    assert text_table(three).count("*") == 4
    assert measure("psnr").best([30.001, 30.002]) is None


def test_consistency_has_no_winner() -> None:
    # The image that kept all the noise is the most consistent one.
    assert measure("consistency").best([0.0, 0.1]) is None
    assert measure("psnr").best([30.0, 31.0]) == "31.00"
    assert measure("niqe").best([3.0, math.nan, None, 4.0]) == "3.00"


def test_measures_that_nobody_knows_are_shown_by_their_name() -> None:
    unknown = measure("beauty")
    assert (unknown.directed, unknown.text(0.5)) == ("beauty ↑", "0.5000")
    assert measure("psnr_y_border4").unit == "dB"
    assert measure("lpips").better == "lower"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (math.nan, "–"), (math.inf, "∞"), (-math.inf, "−∞"), (1e-9, "1.0e-09"), (2, "2.00")],
)
def test_numbers_as_printed(value: float | None, text: str) -> None:
    assert number(value, 2) == text


def test_errors_of_rounding_are_no_inconsistency() -> None:
    consistency = measure("consistency")
    assert [consistency.text(value) for value in (0.0, 1e-9, 0.006)] == ["0.00", "<0.01", "0.01"]


def test_details_lie_where_most_methods_differ() -> None:
    pictures = [np.zeros((60, 80, 3), np.uint8) for _ in range(6)]
    for order, picture in enumerate(pictures):
        picture[40:50, 60:70] = 40 * order
    pictures[0][:20, :20] = 255  # one that failed does not decide
    regions = most_different(pictures, 16, 2)
    assert regions[0].top in range(34, 41)
    assert regions[0].left in range(54, 61)
    assert abs(regions[0].top - regions[1].top) >= 16 or abs(regions[0].left - regions[1].left) >= 16


@pytest.mark.parametrize("shape", [(1, 1), (5, 90), (24, 24)])
def test_small_images_have_a_detail_inside(shape: tuple[int, int]) -> None:
    pictures = [np.zeros(shape, np.uint8), np.ones(shape, np.uint8)]
    for region in most_different(pictures, 24, 2):
        part = region.cut(pictures[0], shape)
        assert part is not None
        assert part.shape == (region.size, region.size)


def test_another_aspect_has_no_such_detail() -> None:
    assert Region(0, 0, 8).cut(np.zeros((40, 10)), (40, 40)) is None


def test_names_in_the_margin_are_apart_and_inside() -> None:
    placed = spread_out([0.0, 0.01, 0.5, 0.98, 0.99, 1.0], 0.1)
    assert np.diff(placed).min() >= 0.1 - 1e-9
    assert min(placed) >= -1e-9
    assert max(placed) <= 1 + 1e-9
    assert placed[2] == 0.5
    assert spread_out([0.2, 0.6], 0.1) == [0.2, 0.6]


def test_plots_tell_their_figures_in_words(comparison: tuple[Table, Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from zeroshot.compare.report.plots import image_plot, summary_plots

    table, _ = comparison
    curve = image_plot(table, "camera $x_1$", tmp_path)
    assert curve is not None
    assert "tv" in curve.description
    assert "$x_1$" in curve.title
    assert b"tv</text>" in curve.svg
    names = [plot.name for plot in summary_plots(table, tmp_path)]
    assert names == ["mean-psnr-over-time.png", "perception-distortion-niqe.png"]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in (*names, curve.name))


def test_a_plot_needs_something_to_draw(table: Table, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from zeroshot.compare.report.plots import image_plot

    endless = Cell(
        "a", "one", "done", seconds=0.0, metrics={"psnr": math.inf}, curve=(CurvePoint(0, math.nan),)
    )
    assert image_plot(replace(table, cells=(endless,)), "a", tmp_path) is None
    assert image_plot(replace(table, cells=()), "a", tmp_path) is None


@pytest.fixture
def table() -> Table:
    cells = (
        Cell("a", "one", "done", seconds=2.0, metrics={"psnr": 30.0, "lpips": 0.2}),
        Cell("a", "two", "done", seconds=0.01, metrics={"psnr": 31.0, "lpips": 0.3}),
    )
    return Table(
        "title", "denoise", {}, ("a",), ("one", "two"), ("psnr", "lpips"), cells, {}, {}, None, 0, {}
    )
