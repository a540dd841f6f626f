"""The bar: where it appears by itself, and what it counts to."""

from __future__ import annotations

import logging
import sys
import types
import warnings
from typing import Any

import numpy as np
import pytest

import zeroshot
from zeroshot import watch
from zeroshot.stopping import Finished, MaxIterations, Plateau, TimeBudget


class Bar:
    """A bar that writes down what it is told."""

    made: list[Bar]

    def __init__(self, total: float | None = None, disable: bool = False, **_shown: Any) -> None:
        self.total, self.disable, self.n, self.positions = total, disable, 0.0, []
        self.bar_format: str | None = None
        Bar.made.append(self)

    def reset(self, total: float) -> None:
        self.total, self.n = total, 0.0

    def update(self, by: float) -> None:
        self.n += by
        self.positions.append(self.n)

    def set_description_str(self, *_text: object, **_how: object) -> None:
        pass

    set_postfix_str = set_description_str

    def close(self) -> None:
        pass


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    Bar.made = []
    monkeypatch.setattr(watch, "tqdm", Bar)
    return Bar.made


@pytest.fixture
def noisy() -> np.ndarray:
    return np.random.default_rng(0).normal(0.5, 0.1, (40, 40)).astype(np.float32)


def test_a_rule_knows_after_how_many_iterations_it_stops_in_any_case() -> None:
    few, many, none = MaxIterations(5), MaxIterations(9), Plateau()
    assert (few.most_iterations, none.most_iterations, Finished().most_iterations) == (5, None, None)
    assert (few | many | none).most_iterations == 5
    assert (none | TimeBudget(1)).most_iterations is None
    assert (few & many).most_iterations == 9
    assert (few & none).most_iterations is None


def test_the_bar_counts_to_the_iterations_of_the_rule(bars: list[Bar], noisy: np.ndarray) -> None:
    options: dict[str, Any] = {"sigma": 0.1, "prior": "tv", "progress": True}
    zeroshot.denoise(noisy, stopping=MaxIterations(30) | Plateau(), **options)
    assert (bars[-1].total, bars[-1].n) == (30, 30)
    zeroshot.denoise(noisy, settings={"iterations": 20}, **options)
    assert (bars[-1].total, bars[-1].n) == (20, 20)
    zeroshot.denoise(noisy, stopping=Plateau(window=3), **options)
    assert bars[-1].total is None
    assert bars[-1].n > 0


def test_the_bar_counts_the_seconds_of_a_budget(bars: list[Bar], noisy: np.ndarray) -> None:
    zeroshot.denoise(noisy, 0.1, prior="tv", progress=True, seconds=50)
    assert bars[-1].total == 50
    assert 0 < bars[-1].n <= 50


def test_the_bar_of_tiles_fills_as_they_are_done(bars: list[Bar], noisy: np.ndarray) -> None:
    zeroshot.denoise(noisy, 0.1, prior="tv", progress=True, tile=32, overlap=8)
    bar = bars[-1]
    assert bar.total == 1
    assert bar.n == pytest.approx(1)
    assert bar.positions == sorted(bar.positions)
    assert len(bar.positions) > 4


def test_the_bar_of_samples_counts_one_run(bars: list[Bar], noisy: np.ndarray) -> None:
    settings = {"iterations": 3, "channels": 4, "guide": "none"}
    zeroshot.denoise(noisy, 0.1, prior="dip", progress=True, samples=2, settings=settings)
    assert (bars[-1].total, bars[-1].n) == (3, 3)


def pretend_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))


def test_a_notebook_shows_the_bar_by_itself(
    bars: list[Bar], noisy: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeroshot.denoise(noisy, 0.1, prior="tv")
    assert bars[-1].disable
    pretend_notebook(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # also where ipywidgets is missing
        zeroshot.denoise(noisy, 0.1, prior="tv")
    assert not bars[-1].disable
    zeroshot.denoise(noisy, 0.1, prior="tv", progress=False)
    assert bars[-1].disable


def test_a_terminal_of_ipython_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not watch.in_notebook()
    for shell in (None, types.SimpleNamespace()):
        monkeypatch.setitem(
            sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda shell=shell: shell)
        )
        assert not watch.in_notebook()


def test_where_nobody_sees_a_bar_lines_are_logged_now_and_then(
    noisy: np.ndarray, monkeypatch: pytest.MonkeyPatch, logged: list[logging.LogRecord]
) -> None:
    monkeypatch.setattr(watch, "is_terminal", lambda stream: False)
    monkeypatch.setattr(watch, "SECONDS_BETWEEN_LINES", 0.0)
    options: dict[str, Any] = {"sigma": 0.1, "prior": "tv", "settings": {"iterations": 20}}
    zeroshot.denoise(noisy, **options)
    lines = [record.getMessage() for record in logged if record.name == "zeroshot.watch"]
    assert len(lines) == 2
    assert lines[0].startswith("denoise: 50%, iteration 10, loss ")
    assert lines[1].startswith("denoise: 100%, iteration 20, loss ")
    logged.clear()
    zeroshot.denoise(noisy, progress=False, **options)
    monkeypatch.setattr(watch, "SECONDS_BETWEEN_LINES", 1e9)
    zeroshot.denoise(noisy, **options)
    assert not [record for record in logged if record.name == "zeroshot.watch"]
