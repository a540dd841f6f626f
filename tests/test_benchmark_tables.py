"""Tables of the benchmarks: each cell measured once, and never taken for that of another key."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1])
    return importlib.import_module("benchmarks.table")


@pytest.fixture
def table_in(module: ModuleType, tmp_path: Path) -> Any:
    """Opens the table that lies in the test's folder, as a new run does."""

    def opened(again: bool = False, **terms: object) -> Any:
        return module.Table("table", terms, ["a", "b"], ["tv"], again=again, folder=tmp_path)

    return opened


def unwanted() -> dict[str, float]:
    return pytest.fail("it is on file")


def test_a_cell_is_measured_once_and_by_its_own_key(table_in: Any) -> None:
    assert table_in().measure("a", "tv", lambda: {"psnr": 30.0})["psnr"] == 30
    assert table_in().measure("a", "tv", unwanted)["psnr"] == 30
    assert table_in().measure("b", "tv", lambda: {"psnr": 31.0})["psnr"] == 31
    assert table_in().measure("a", "dip", lambda: {"psnr": 33.0})["psnr"] == 33
    assert table_in(again=True).measure("a", "tv", lambda: {"psnr": 32.0})["psnr"] == 32
    assert table_in().measure("a", "tv", unwanted)["psnr"] == 32


def test_other_terms_settings_and_threads_are_other_cells(
    table_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table_in(size=64).measure("a", "tv", lambda: {"psnr": 30.0})
    assert table_in(size=128).measure("a", "tv", lambda: {"psnr": 29.0})["psnr"] == 29
    assert table_in(size=64).measure("a", "tv", lambda: {"psnr": 28.0}, "other settings")["psnr"] == 28
    monkeypatch.setattr("torch.get_num_threads", lambda: 999)
    assert table_in(size=64).measure("a", "tv", lambda: {"psnr": 27.0})["psnr"] == 27


def test_half_a_file_costs_its_cell_only(table_in: Any, tmp_path: Path) -> None:
    for image in "ab":
        table_in().measure(image, "tv", lambda: {"psnr": 30.0})
    (file,) = tmp_path.rglob("b.json")
    file.write_bytes(file.read_bytes()[:-12])
    assert table_in().measure("b", "tv", lambda: {"psnr": 31.0})["psnr"] == 31
    assert table_in().measure("b", "tv", unwanted)["psnr"] == 31
    assert table_in().measure("a", "tv", unwanted)["psnr"] == 30


def test_the_seconds_are_those_of_the_work_unless_it_says(table_in: Any) -> None:
    assert table_in().measure("a", "tv", lambda: {"psnr": 30.0})["seconds"] < 60
    assert table_in().measure("b", "tv", lambda: {"psnr": 30.0, "seconds": 60.0})["seconds"] == 60
    assert table_in().measure("b", "tv", unwanted)["seconds"] == 60


def test_the_csv_has_every_cell_on_file(table_in: Any) -> None:
    table_in(size=64).measure("b", "tv", lambda: {"psnr": 31.0, "seconds": 2.0})
    table = table_in(size=64)
    table.measure("a", "tv", lambda: {"psnr": 30.0, "ssim": 0.9, "seconds": 1.0})
    head, *rows = table.write_csv().read_text().splitlines()
    assert head.split(",")[0] == "size"
    assert head.endswith(",method,image,psnr,ssim,seconds")
    assert [row.split(",tv,")[1] for row in rows] == ["a,30.0000,0.9000,1.0000", "b,31.0000,,2.0000"]


def test_published_means_stand_beside_ours(module: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    module.show_images(
        "title", ["a", "b"], {"tv": {"a": 30, "b": 31}, "dip": {"a": 32}}, {"tv": 29, "other": 33}
    )
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        [],
        ["title"],
        ["tv", "dip", "other"],
        ["a", "30.00", "32.00", "–"],
        ["b", "31.00", "–", "–"],
        ["mean", "30.50", "–", "–"],
        ["published", "29.00", "–", "33.00"],
    ]
