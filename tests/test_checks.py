"""Checks of settings: what passes, what does not, and what is said of it."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.pictures import seeded
from zeroshot import stopping
from zeroshot.checks import is_number, require_choice, require_number, require_positive, require_whole
from zeroshot.data_terms import Gaussian, Huber, Poisson
from zeroshot.metrics import psnr
from zeroshot.noise import add_gaussian, add_poisson, add_salt_and_pepper, random_mask
from zeroshot.operators import Blur, Downsample, Grayscale, Identity
from zeroshot.priors.filters.bilateral import Bilateral
from zeroshot.problem import Problem
from zeroshot.registry import prior_class, prior_names
from zeroshot.tiling import Samples, Tiles
from zeroshot.tiling.planning import Tiling


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


# --- one rule everywhere -----------------------------------------------------------------------------------

_IMAGE = torch.full((1, 3, 16, 16), 0.5)
#: What takes a number by a function or a plain class: its name, a call with that number, and one that is right.
_CALLS: dict[str, tuple[Callable[[Any], Any], float]] = {
    "add_gaussian": (lambda value: add_gaussian(_IMAGE, value, seeded(0)), 0.5),
    "add_poisson": (lambda value: add_poisson(_IMAGE, value, seeded(0)), 30),
    "add_salt_and_pepper": (lambda value: add_salt_and_pepper(_IMAGE, value, seeded(0)), 0.5),
    "random_mask": (lambda value: random_mask((8, 8), value, seeded(0)), 0.5),
    "psnr, border": (lambda value: psnr(_IMAGE, _IMAGE, border=value), 2),
    "psnr, data_range": (lambda value: psnr(_IMAGE, _IMAGE, data_range=value), 1.0),
    "Downsample": (Downsample, 2),
    "Downsample, sigma": (lambda value: Downsample(2, "gaussian", sigma=value), 1.5),
    "Blur.gaussian": (Blur.gaussian, 1.5),
    "Blur.motion": (Blur.motion, 5.0),
    "Blur.motion, angle": (lambda value: Blur.motion(5, value), 30.0),
    "Blur.disk": (Blur.disk, 1.5),
    "Grayscale": (lambda value: Grayscale([value, 0.5, 0.5]), 0.5),
    "Problem, sigma": (lambda value: Problem(_IMAGE, Identity(), sigma=value), 0.5),
    "hold_out": (lambda value: Problem(_IMAGE, Identity()).hold_out(value, seeded(0)), 0.5),
    "Tiling, tile": (lambda value: Tiling(tile=value), 64),
    "Tiling, overlap": (lambda value: Tiling(overlap=value), 16),
}


#: Settings whose range the network of a prior says, once there is a problem.
_CHECKED_WITH_THE_NETWORK = ("label", "layer")


def _numeric_fields() -> Iterator[Any]:
    """Every field of a public dataclass that takes a number, with the value that it has by default."""
    objects: list[Any] = [Gaussian(), Poisson(), Huber(), Tiles(Bilateral()), Samples(Bilateral()), Tiling()]
    rules = (getattr(stopping, name) for name in stopping.__all__)
    needed = {stopping.MaxIterations: (5,), stopping.TimeBudget: (5.0,)}
    objects += [rule(*needed.get(rule, ())) for rule in rules if dataclasses.is_dataclass(rule)]
    objects += [prior_class(name)() for name in prior_names()]
    for holder in objects:
        for field in dataclasses.fields(holder):
            numbers = re.search(r"\b(int|float)\b", str(field.type)) and "tuple[" not in str(field.type)
            if field.name in _CHECKED_WITH_THE_NETWORK:
                continue
            if numbers or is_number(getattr(holder, field.name)):
                yield pytest.param(holder, field.name, id=f"{type(holder).__name__}.{field.name}")


@pytest.mark.parametrize(("holder", "name"), list(_numeric_fields()))
def test_a_setting_takes_numbers_of_numpy_and_no_bool(holder: Any, name: str) -> None:
    value = getattr(holder, name)
    if is_number(value):
        for given in (
            np.asarray(value)[()],
            np.float32(value) if isinstance(value, float) else np.int32(value),
        ):
            held = getattr(dataclasses.replace(holder, **{name: given}), name)
            # Checkpoints and provenances hold Python's own numbers only.
            assert type(held) in (int, float)
            assert held == given
    for refused in (True, np.True_):
        with pytest.raises(ValueError, match=name):
            dataclasses.replace(holder, **{name: refused})


@pytest.mark.parametrize("name", _CALLS)
def test_an_argument_takes_numbers_of_numpy_and_no_bool(name: str) -> None:
    call, value = _CALLS[name]
    for given in (
        value,
        np.asarray(value)[()],
        np.float32(value) if isinstance(value, float) else np.int32(value),
    ):
        call(given)
    for refused in (True, np.True_):
        with pytest.raises(ValueError, match=r"must (be|lie)"):
            call(refused)
