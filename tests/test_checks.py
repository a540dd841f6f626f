"""Checks of settings: what passes, what does not, and what is said of it."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from zeroshot.checks import is_number, require_choice, require_number, require_positive, require_whole


@pytest.mark.parametrize("value", [1.0, True, "3", None, 0, 9, math.nan])
def test_what_is_no_whole_number_in_the_range_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^patch must be a whole number from 1 to 8, got {value!r}$"):
        require_whole(SimpleNamespace(patch=value), "patch", most=8)


@pytest.mark.parametrize("value", [-1, math.inf, math.nan, True, "much", None])
def test_what_is_no_number_of_at_least_zero_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^noise must be a number of at least 0, got {value!r}$"):
        require_number({"noise": value}, "noise")


@pytest.mark.parametrize(
    ("limits", "value", "words"),
    [
        ({"most": 1}, 1.5, "a number from 0 to 1, got 1.5"),
        ({"below": 1}, 1, "a number from 0 to below 1, got 1"),
        ({"least": 0.5}, 0.4, "a number of at least 0.5, got 0.4"),
    ],
)
def test_the_limits_are_named(limits: dict[str, float], value: float, words: str) -> None:
    with pytest.raises(ValueError, match=f"^share must be {words}$"):
        require_number({"share": value}, "share", **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan, False, None])
def test_what_is_not_positive_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^weight must be a positive number, got {value!r}$"):
        require_positive({"strength": 1, "weight": value}, "strength", "weight")


def test_the_choices_are_listed() -> None:
    with pytest.raises(ValueError, match=r"^colour must be 'red', 'green' or 'blue', got 'pink'$"):
        require_choice({"colour": "pink"}, "colour", ("red", "green", "blue"))
    with pytest.raises(ValueError, match=r"^colour must be 'red' or None, got \['red'\]$"):
        require_choice({"colour": ["red"]}, "colour", ("red",), none="allowed")


def test_what_is_right_passes() -> None:
    settings = {"patch": 8, "noise": 0, "share": 1.0, "weight": 1e-9, "colour": "red", "nothing": None}
    require_whole(settings, "patch", least=8, most=8)
    require_number(settings, "noise", "share", most=1)
    require_positive(settings, "weight", "nothing", none="allowed")
    require_whole(settings, "nothing", none="allowed")
    require_number(settings, "nothing", none="allowed")
    require_choice(settings, "colour", ["red"])
    require_choice(settings, "nothing", ["red"], none="allowed")


def test_a_bool_is_no_number() -> None:
    assert [is_number(value) for value in (0, 1.5, True, "1", math.inf, None)] == [True, True] + [False] * 4
