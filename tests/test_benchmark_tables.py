"""Rows of the published tables: measured once, and never taken for those of another key."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def rows_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Opens the rows that lie in the test's folder, as a new run does."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1])
    module = importlib.import_module("benchmarks.tables.finished_rows")
    return lambda keys=("image",), figures=("psnr",): module.FinishedRows("table", keys, figures, tmp_path)


def test_a_row_is_measured_once_and_by_its_own_key(rows_in: Any) -> None:
    assert rows_in().measure({"image": "a"}, lambda: {"psnr": 30.0})["psnr"] == 30
    assert rows_in().measure({"image": "a"}, lambda: pytest.fail("it is on file"))["psnr"] == 30
    assert rows_in().measure({"image": "b"}, lambda: {"psnr": 31.0})["psnr"] == 31
    assert rows_in().measure({"image": "a"}, lambda: {"psnr": 32.0}, again=True)["psnr"] == 32
    assert rows_in().measure({"image": "a"}, lambda: pytest.fail("it is on file"))["psnr"] == 32


def test_another_number_of_threads_is_another_row(rows_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_in().measure({"image": "a"}, lambda: {"psnr": 30.0})
    monkeypatch.setattr("torch.get_num_threads", lambda: 999)
    assert rows_in().measure({"image": "a"}, lambda: {"psnr": 29.0})["psnr"] == 29


def test_half_a_line_costs_its_row_only(rows_in: Any) -> None:
    rows = rows_in()
    for image in "ab":
        rows.measure({"image": image}, lambda: {"psnr": 30.0})
    whole = rows.path.read_bytes()
    rows.path.write_bytes(whole[:-12])
    assert rows_in().measure({"image": "b"}, lambda: {"psnr": 31.0})["psnr"] == 31
    assert rows_in().measure({"image": "b"}, lambda: pytest.fail("it is on file"))["psnr"] == 31
    assert rows_in().measure({"image": "a"}, lambda: pytest.fail("it is on file"))["psnr"] == 30


def test_rows_are_not_written_among_other_columns(rows_in: Any) -> None:
    rows_in().measure({"image": "a"}, lambda: {"psnr": 30.0})
    with pytest.raises(ValueError, match="has other columns than this table"):
        rows_in(figures=("psnr", "ssim"))
