"""Which prior solves a problem where none is named."""

from __future__ import annotations

import numpy as np
import pytest

import zeroshot
from zeroshot.loop import Listener
from zeroshot.standings import ranked
from zeroshot.tasks import tasks


@pytest.fixture
def once():
    """Options of a run that ends after its first step: which prior it is, is known by then."""

    class Once(Listener):
        def stepped(self, loop, estimate):
            loop.end("seen enough")

    return {"callbacks": [Once()], "progress": False}


@pytest.fixture
def holes():
    image = np.tile(np.linspace(0.2, 0.8, 32, dtype=np.float32), (32, 1))
    mask = np.ones((32, 32), bool)
    mask[10:14, 10:14] = False
    return image, mask


def test_none_is_the_task_s_default_in_solve_as_in_the_function(holes):
    image, mask = holes
    settings = {"iterations": 2}
    by_solve = zeroshot.solve(image, "inpaint", mask=mask, settings=settings, progress=False)
    by_function = zeroshot.inpaint(image, mask=mask, settings=settings, progress=False)
    assert by_solve.provenance["prior"] == tasks()["inpaint"].prior
    np.testing.assert_array_equal(by_solve.image, by_function.image)


@pytest.mark.parametrize("role", ["fast", "best"])
def test_a_role_takes_what_was_measured(holes, role, once):
    image, mask = holes
    made = zeroshot.solve(image, "inpaint", role, mask=mask, **once)
    assert made.provenance["prior"] == ranked(role, "inpaint", kind="narrow holes")[0]


def test_a_wide_hole_is_judged_by_pictures_with_wide_holes(holes, once):
    image, mask = holes
    mask[8:20, 8:20] = False
    made = zeroshot.solve(image, "inpaint", "best", mask=mask, **once)
    assert made.provenance["prior"] == ranked("best", "inpaint", kind="wide holes")[0]


def test_best_keeps_to_the_time(holes):
    image, mask = holes
    made = zeroshot.solve(image, "inpaint", "best", mask=mask, seconds=0.5, progress=False)
    assert made.provenance["prior"] == ranked("best", "inpaint", 0.5, image.size, "narrow holes")[0]


def test_a_role_takes_no_settings(holes):
    image, mask = holes
    with pytest.raises(ValueError, match="settings go with one that is named"):
        zeroshot.solve(image, "inpaint", "best", mask=mask, settings={"iterations": 3})


def test_what_the_default_cannot_do_goes_to_the_next_that_can(once):
    image = np.full((32, 32), 0.5, np.float32)
    image[8:20, 8:20] = 0.75
    operator = "mosaic(RGGB)"
    made = zeroshot.solve(image, "restore", operator=operator, data_term="l1", seconds=5, **once)
    assert made.image.shape == (32, 32, 3)


def test_the_choice_is_logged_in_one_line_and_a_name_is_not(holes, logged, once):
    image, mask = holes
    zeroshot.solve(image, "inpaint", "tv", mask=mask, **once)
    assert not logged
    zeroshot.solve(image, "inpaint", mask=mask, **once)
    (record,) = logged
    assert record.getMessage().startswith(f"inpaint with {tasks()['inpaint'].prior} (the default")
    assert "zeroshot priors --task inpaint" in record.getMessage()
