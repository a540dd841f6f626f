"""Stripes are subtracted, and the noise beside them is removed where there is any."""

from __future__ import annotations

import pytest
import torch

import zeroshot
from tests.pictures import as_image, decibels, sample, with_noise
from zeroshot.images import load
from zeroshot.tasks import make_problem
from zeroshot.tasks.degrade import degrade

TRUTH = as_image(sample("camera")[100:228, 100:228])


@pytest.mark.parametrize("direction", ["rows", "columns", "both"])
def test_stripes_are_subtracted_and_nothing_else(direction: str) -> None:
    made = degrade(TRUTH, "destripe", stripes=15 / 255, direction=direction)
    assert made.options == {"direction": direction, "sigma": 0.0}
    result = zeroshot.destripe(made.measurement, prior="bm3d", progress=False, **made.options)
    assert decibels(result.image, TRUTH) > decibels(made.measurement, TRUTH) + 6


def test_the_noise_beside_them_is_estimated_and_removed() -> None:
    striped = with_noise(degrade(TRUTH, "destripe", stripes=20 / 255).measurement, 10 / 255)
    subtracted = zeroshot.destripe(striped, prior="bm3d", sigma=0, progress=False)
    result = zeroshot.destripe(striped, prior="bm3d", progress=False)
    assert 255 * result.sigma == pytest.approx(10, rel=0.25)
    assert decibels(result.image, TRUTH) > decibels(subtracted.image, TRUTH) + 1


def test_what_stripes_have_clipped_is_filled_in() -> None:
    bright = (TRUTH + 0.25).clamp(0, 1)
    made = degrade(bright, "destripe", stripes=25 / 255, quantise="8-bit")
    result = zeroshot.destripe(made.measurement, prior="tv", sigma=0, progress=False)
    assert decibels(result.image, bright) > decibels(made.measurement, bright) + 6


def test_a_picture_without_stripes_stays_as_it_is() -> None:
    with pytest.warns(UserWarning, match="no stripes were found"):
        result = zeroshot.destripe(TRUTH, prior="tv", sigma=0, progress=False)
    assert torch.equal(result.image, TRUTH)


def test_another_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="direction must be 'auto', 'rows', 'columns' or 'both', got 'down'"):
        make_problem("destripe", load(TRUTH), {"direction": "down"})
    with pytest.raises(ValueError, match="direction must be 'rows', 'columns' or 'both', got 'auto'"):
        degrade(TRUTH, "destripe", stripes=0.1, direction="auto")
