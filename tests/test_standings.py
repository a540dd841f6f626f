"""The table of what priors reach: kept and read back, and what is chosen by it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from zeroshot import standings
from zeroshot.registry import prior_names
from zeroshot.standings import AREA, Row, Standing, means, ranked, stored, write
from zeroshot.tasks import tasks

QUICK, SLOW, SLOWER = Standing(30.0, 0.9, 0.2), Standing(32.0, 0.95, 5.0), Standing(31.0, None, 9.0)


@pytest.fixture
def table(monkeypatch, tmp_path):
    """Two rows of one task, measured on crops of a quarter of the area that times are told for."""
    monkeypatch.setattr(standings, "FILE", tmp_path / "standings.json")
    stored.cache_clear()
    figures = {
        "tv": QUICK,
        "gsr": SLOW,
        "dip": SLOWER,
        "auto": Standing(40, 1, 1),
        "peer": Standing(50, 1, 1),
    }
    first = Row("holes", "set", 8, 128, figures, ("peer",), ())
    second = first._replace(what="text", figures={**figures, "tv": Standing(28, 0.8, 0.2)})
    write({"inpaint": {"holes": first, "text": second}})
    yield
    stored.cache_clear()


def test_what_is_written_is_read_back(table):
    rows = stored()["inpaint"]
    assert list(rows) == ["holes", "text"]
    assert rows["holes"].figures["gsr"] == SLOW
    assert rows["holes"].priors == ["tv", "gsr", "dip", "auto"]
    assert rows["holes"].peers == ("peer",)


def test_means_are_over_the_rows_and_times_are_for_the_area_told(table):
    found = means("inpaint")
    assert set(found) == {"tv", "gsr", "dip"}, "auto and peers are no candidates"
    assert found["tv"].psnr == pytest.approx(29)
    assert found["gsr"].seconds == pytest.approx(20)
    assert found["dip"].ssim is None


def test_fast_is_the_best_within_two_seconds_and_best_what_the_time_allows(table):
    assert ranked("fast", "inpaint")[0] == "tv"
    assert ranked("best", "inpaint") == ["gsr", "dip", "tv"]
    assert ranked("best", "inpaint", seconds=3)[0] == "tv"
    assert ranked("best", "inpaint", seconds=3, pixels=AREA // 16)[0] == "gsr"
    assert ranked("best", "inpaint", seconds=0.001)[0] == "tv", "the quickest, where none is quick enough"


def test_the_listing_names_the_best_first_and_what_is_chosen(table):
    heading, first, _ = standings.listing("inpaint", "gsr").split("\n\n")
    assert "gsr is --best" in heading
    assert "tv is --fast" in heading
    assert first.index("peer") < first.index("gsr") < first.index("dip ")
    assert "20.0" in first


def test_the_table_of_the_package_knows_its_tasks_and_priors():
    stored.cache_clear()
    assert set(stored()) == set(tasks())
    for task, rows in stored().items():
        for row in rows.values():
            assert set(row.priors) <= set(prior_names())
            assert tasks()[task].prior in row.figures
    json.loads(standings.FILE.read_text("utf-8"))


@pytest.mark.parametrize("task", sorted(tasks()))
def test_no_default_is_below_the_best_peer_that_was_not_trained(task):
    for row in stored()[task].values():
        # The package bm3d is 0.01 to 0.05 dB above ours on crops as small as these, in four times the time.
        peer = max(row.figures[name].psnr for name in row.peers)
        assert row.figures[tasks()[task].prior].psnr >= peer - 0.06, row.what


@pytest.mark.parametrize("task", sorted(tasks()))
def test_every_default_is_the_knee_of_quality_over_time(task):
    assert tasks()[task].prior == standings.knee(task)


#: The pixels of the crops of the table.
CROP = AREA // 4


def test_times_of_grey_pictures_are_told_for_colour_ones(table):
    rows = stored()["inpaint"]
    assert standings.expected_seconds("inpaint", "gsr", CROP, 1) == pytest.approx(5)
    assert standings.expected_seconds("inpaint", "gsr", CROP, 3) == pytest.approx(15)
    in_colour = rows["text"]._replace(channels=3, figures={"gsr": Standing(30, None, 10.0)})
    write({"inpaint": {**rows, "colour": in_colour}})
    assert standings.expected_seconds("inpaint", "gsr", CROP, 3) == pytest.approx(10)
    assert standings.expected_seconds("inpaint", "tv", CROP, 3) == pytest.approx(3 * 0.2)
    assert standings.expected_seconds("inpaint", "bm3d", CROP, 3) is None


def test_a_part_of_the_time_does_not_grow_with_the_picture(table, monkeypatch):
    shares = {("inpaint", "gsr"): 0.2, ("denoise", "tv"): 0.6, ("denoise", "nlm"): 0.9}
    monkeypatch.setattr(standings, "CONSTANT_SHARES", shares)
    assert standings.expected_seconds("inpaint", "gsr", 4 * CROP, 1) == pytest.approx(5 * (0.2 + 0.8 * 4))
    assert standings.expected_seconds("inpaint", "gsr", CROP // 4, 1) == pytest.approx(5 * (0.2 + 0.8 / 4))
    assert standings.constant_share("inpaint", "tv") == 0.6, "that of the same prior"
    assert standings.constant_share("sr", "dip") == 0.6, "the median"


def test_shares_are_fitted_to_times(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1])
    fitted = importlib.import_module("benchmarks.sizes").fitted
    sides = (32, 64, 128, 256)
    assert fitted(sides, [3 + 7 * (side / 128) ** 2 for side in sides]) == pytest.approx(0.3)
    assert fitted(sides, [(side / 128) ** 2.2 for side in sides]) == 0


def test_the_shares_of_the_package_are_shares_of_what_was_measured():
    for (task, prior), share in standings.CONSTANT_SHARES.items():
        assert 0 <= share < 1
        assert any(prior in row.figures for row in stored()[task].values())


def test_who_is_below_a_simple_peer_has_its_reason_told():
    below = {
        (damage, prior)
        for task, rows in stored().items()
        if task != "denoise"  # the best peer there is bm3d itself
        for damage, row in rows.items()
        for prior in row.priors
        if row.figures[prior].psnr < max(row.figures[peer].psnr for peer in row.peers)
    }
    assert below == set(standings.BELOW_PEERS)
    assert "Menon's method first decides" in standings.listing("demosaic", "pnp")
    assert "Menon" not in standings.listing("sr", "pnp").replace("menon", "")
