"""The report of a comparison: what is in the page, and that nothing can break it."""

from __future__ import annotations

import base64
import io
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zeroshot.compare.records import Cell, Table, option_text
from zeroshot.compare.report import pictures, remarks, write_report
from zeroshot.compare.report.page import Contents, page
from zeroshot.compare.report.plots import file_stem
from zeroshot.compare.report.terminal import text_table

VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """The elements of a page, with their attributes; fails where they do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def written(comparison: tuple[Table, Path]) -> tuple[Table, Path, Page]:
    table, folder = comparison
    path = write_report(table, folder)
    return table, folder, Page(path.read_text(encoding="utf-8"))


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2]))))


def test_the_page_asks_nobody_for_anything(written: tuple[Table, Path, Page]) -> None:
    _, folder, page = written
    addresses = [value for _, a in page.elements for name, value in a.items() if name in ("src", "href")]
    assert addresses
    assert all(not re.match(r"(?!data:)(\w+:|//)", address) for address in addresses)
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "@import" not in text
    assert "url(" not in text


def test_every_file_that_the_page_links_to_is_there(written: tuple[Table, Path, Page]) -> None:
    from urllib.parse import unquote

    _, folder, page = written
    linked = [a["href"] for a in page.all("a") if not a["href"].startswith("#")]
    assert len(linked) > 20
    assert all((folder / unquote(address)).is_file() for address in linked)
    targets = {a["id"] for _, a in page.elements if "id" in a}
    assert all(a["href"][1:] in targets for a in page.all("a") if a["href"].startswith("#"))


def test_every_name_is_shown_as_it_is(written: tuple[Table, Path, Page]) -> None:
    table, _, page = written
    for name in (*table.images, *table.methods):
        assert name in page.text
    assert "the process ended with signal 11 <SIGSEGV>" in page.text


def test_each_cell_without_a_result_says_why_in_words(written: tuple[Table, Path, Page]) -> None:
    page = written[2]
    for words in (
        "out of memory",
        "crashed",
        "failed",
        "not supported",
        "not run yet",
        "needed more than 4 GiB",
    ):
        assert words in page.text
    assert "1 of 21 runs are still to come" in page.text


def test_the_terminal_says_why_figures_are_missing(comparison: tuple[Table, Path]) -> None:
    table = comparison[0]
    lines = remarks(table)
    for missing in (cell for cell in table.cells if cell.status != "done"):
        assert any(missing.method in line and missing.reason in line for line in lines)
    without = replace(table.cells[0], metrics={}, notes={"no niqe": "the image is too small"})
    one = {"images": (without.image,), "methods": (without.method,), "cells": (without,)}
    table = replace(table, metrics=("niqe",), **one)
    assert remarks(table) == ["NIQE is missing for 1 of 1 results: the image is too small"]
    assert "NIQE is missing for 1 of 1 results: the image is too small." in page(table, Contents())


def test_the_terminal_says_how_many_runs_are_still_to_come(comparison: tuple[Table, Path]) -> None:
    table = replace(comparison[0], methods=("tv", "later"), cells=comparison[0].cells[:0])
    assert remarks(table) == ["6 of 6 runs are still to come: name all images and methods to make them"]


def test_a_method_that_only_returns_the_result_of_another_is_pointed_out() -> None:
    figures = {"a": {"psnr": 30.125}, "b": {"psnr": 31.5}}
    cells = [Cell(i, m, "done", metrics=figures[i]) for m in ("tv", "dip") for i in figures]
    table = Table("", "sr", {}, ("a", "b"), ("tv", "dip"), ("psnr",), tuple(cells), {}, {}, None, 0, {})
    assert remarks(table) == ["dip and tv have the same results, see the notes of the methods"]
    assert "dip and tv have the same results" in page(table, Contents())
    other = (*cells[:3], replace(cells[3], metrics={"psnr": 31.6}))
    assert remarks(replace(table, cells=other)) == []


def test_a_method_that_has_the_results_of_another_is_not_marked_as_the_best_and_names_it() -> None:
    guide = {"guide": "bm3d", "network_share": 0.0}
    cells = (
        Cell("a", "dip", "done", metrics={"psnr": 31.5}, notes=guide),
        Cell("a", "tv", "done", metrics={"psnr": 30.0}),
        Cell("a", "bm3d", "done", metrics={"psnr": 31.5}),
    )
    methods = ("dip", "tv", "bm3d")
    table = Table("", "denoise", {}, ("a",), methods, ("psnr",), cells, {}, {}, None, 0, {})
    dip, tv, bm3d = text_table(table).splitlines()[2:]
    assert "dip (as bm3d)" in dip
    assert "*" not in dip + tv
    assert "31.50*" in bm3d
    assert "dip (as bm3d)" in page(table, Contents())
    assert "dip: 0 % of the network, 100 % of its guide (bm3d); guide=none is the network alone" in remarks(
        table
    )


def test_the_share_of_a_guide_is_told() -> None:
    notes = {"guide": "bm3d", "network_share": 0.25}
    cells = (
        Cell("a", "dip", "done", metrics={"psnr": 31.5}, notes=notes),
        Cell("a", "plain", "done", metrics={"psnr": 29.0}, notes={"guide": "none", "network_share": 1.0}),
    )
    table = Table("", "denoise", {}, ("a",), ("dip", "plain"), ("psnr",), cells, {}, {}, None, 0, {})
    expected = "dip: 25 % of the network, 75 % of its guide (bm3d); guide=none is the network alone"
    assert remarks(table) == [expected]
    assert expected in page(table, Contents())


def test_noise_is_told_in_grey_levels_and_files_without_checksums() -> None:
    told = option_text({"sigma": 25 / 255, "kernel": "blur.npy sha256 0123abc"})
    assert told == "sigma 25/255, kernel blur.npy"


def test_the_best_mean_is_marked_by_more_than_colour(written: tuple[Table, Path, Page]) -> None:
    table, _, page = written
    means = {method: table.mean(method, "psnr") for method in table.methods}
    best = max(value for value in means.values() if value is not None)
    assert f"{best:.2f}★ best" in page.text


def test_every_picture_has_a_text_in_its_place(written: tuple[Table, Path, Page]) -> None:
    page = written[2]
    pictures_in_page = [a for a in page.all("img") if "src" in a]
    assert len(pictures_in_page) > 60
    assert all(a["alt"] for a in pictures_in_page)
    assert page.all("html")[0]["lang"] == "en"


def test_details_are_the_pixels_of_the_files(written: tuple[Table, Path, Page]) -> None:
    table, folder, page = written
    first = next(a for a in page.all("img") if a.get("data-view") == "0" and a["alt"].startswith("truth"))
    place = re.search(r"(\d+) × \d+ pixels at column (\d+), row (\d+)", page.text)
    assert place is not None
    size, left, top = map(int, place.groups())
    truth = np.asarray(Image.open(folder / table.truths[table.images[0]]))
    assert np.array_equal(decoded(first["src"]), truth[top : top + size, left : left + size])


def test_a_small_damaged_image_is_cut_at_the_same_place(tmp_path: Path) -> None:
    truth = np.random.default_rng(0).integers(0, 256, (96, 120, 3), dtype=np.uint8)
    small = truth[::4, ::4]
    for name, pixels in {"truth.png": truth, "small.png": small, "flat.png": 0 * truth}.items():
        Image.fromarray(pixels).save(tmp_path / name)
    table = small_table(damaged={"a": "small.png"}, truths={"a": "truth.png"}, file="flat.png")
    row = pictures.pictures_of(table, tmp_path, "a", 1_000_000)
    region = row.regions[0]
    assert (region.top % 4, region.left % 4, region.size % 4) == (0, 0, 0)
    shown = {one.role: one for one in row.shown}
    whole, part = decoded(shown["truth"].details[0]), decoded(shown["damaged"].details[0])
    assert np.array_equal(whole[::4, ::4], part)


def test_many_large_images_stay_within_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "BUDGET", 300_000)
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    table = small_table(damaged={"a": "noise.png"}, truths={"a": "noise.png"}, file="noise.png")
    row = pictures.pictures_of(table, tmp_path, "a", 60_000)
    stored = [uri for one in row.shown for uri in (one.whole, *one.details) if uri]
    assert sum(len(uri) for uri in stored) * 3 / 4 < 60_000
    assert "shrunk" in row.storage
    assert len({decoded(one.whole).shape for one in row.shown if one.whole}) == 1
    many = replace(table, images=tuple(f"{number}" for number in range(200)))
    assert 1 <= pictures.illustrated(many) < 200


def test_an_unfinished_comparison_has_a_report_too(tmp_path: Path) -> None:
    table = replace(small_table({}, {}, None), cells=(), metrics=("psnr", "lpips"))
    page = Page(write_report(table, tmp_path).read_text(encoding="utf-8"))
    assert "not run yet" in page.text
    assert "There are no pictures of this image to show" in page.text


def test_pictures_that_are_gone_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    table = small_table(damaged={"a": "gone.png"}, truths={"a": "broken.png"}, file="gone.png")
    page = Page(write_report(table, tmp_path).read_text(encoding="utf-8"))
    assert "30.00" in page.text
    assert not [a for a in page.all("img") if a.get("data-view") == "whole"]


def test_without_matplotlib_the_page_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    page = Page(write_report(small_table({}, {}, None), tmp_path).read_text(encoding="utf-8"))
    assert 'pip install "zeroshot-restore[plot]"' in page.text
    assert "30.00" in page.text
    assert not (tmp_path / "plots").exists()


def test_names_cannot_leave_their_place_in_the_page(tmp_path: Path) -> None:
    hostile = "</script><img src=x onerror=alert(1)>\" '\x1b\udcff\n"
    table = replace(
        small_table({}, {}, None),
        title=hostile,
        images=(hostile,),
        methods=(hostile,),
        options={hostile: hostile},
        provenance={hostile: [hostile]},
        cells=(Cell(hostile, hostile, "failed", reason=hostile),),
    )
    page = Page(write_report(table, tmp_path).read_text(encoding="utf-8"))
    assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
    assert "</script><img src=x" in page.text
    assert "\x1b" not in page.text


def test_the_folder_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="there is none"):
        write_report(small_table({}, {}, None), tmp_path / "missing")


def test_writing_twice_gives_the_same_page(tmp_path: Path) -> None:
    table = small_table({}, {}, None)
    once = write_report(table, tmp_path).read_bytes()
    assert write_report(table, tmp_path).read_bytes() == once
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b/ç <x>.png", "猫", "...", "x" * 300])
def test_stems_of_plots_are_plain(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,40}", file_stem(name))


def small_table(damaged: dict[str, str], truths: dict[str, str], file: str | None) -> Table:
    return Table(
        title="one image",
        task="sr",
        options={"scale": 4},
        images=("a",),
        methods=("flat",),
        metrics=("psnr",),
        cells=(Cell("a", "flat", "done", seconds=1.0, metrics={"psnr": 30.0}, file=file),),
        truths=truths,
        damaged=damaged,
        seconds=None,
        seed=0,
        provenance={},
    )
