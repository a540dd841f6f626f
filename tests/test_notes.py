"""Tests of notes to the user: they point to the line that called the package."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import zeroshot
from zeroshot.files import Tolerance
from zeroshot.notes import note


def _image(height: int = 24) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, 24), dtype=np.uint8)


def _mask() -> np.ndarray:
    return np.ones((24, 24), bool)


CALLS = {
    "solve": lambda: zeroshot.solve(_image(), "inpaint", prior="tv", mask=_mask(), seconds=5),
    "a function of a task": lambda: zeroshot.inpaint(_image(), _mask(), prior="tv", seconds=5),
    "a batch": lambda: zeroshot.inpaint(
        zeroshot.images.load(_image()).colours.repeat(2, 1, 1, 1), _mask(), prior="tv", seconds=5
    ),
    "a range that is found": lambda: zeroshot.denoise(_image() * 7.0, sigma=30.0, prior="tv", seconds=5),
}


@pytest.mark.parametrize("name", ["solve", "a function of a task", "a batch", "a range that is found"])
def test_a_note_is_that_of_the_line_that_calls(name: str) -> None:
    with pytest.warns(UserWarning, match="no hole|values beyond") as told:
        CALLS[name]()
    assert {one.filename for one in told} == {__file__}


def test_a_note_of_a_context_manager_is_that_of_the_block() -> None:
    told_of = pytest.warns(UserWarning, match="the preview could not be written: full")
    with told_of as told, Tolerance("the preview")():
        raise OSError("full")
    assert told[0].filename == __file__


def test_each_line_is_told_once_and_another_one_again() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for _ in range(3):
            note("the same")
        note("the same")
    assert len(told) == 2
