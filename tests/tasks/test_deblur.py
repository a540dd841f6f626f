"""Deblurring of photographs: the margin that nobody saw, the file that says how it was blurred, clipped highlights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import zeroshot
from tests.pictures import as_image, decibels, grey, sample
from zeroshot import Estimate, HeldOut, Prior, Run
from zeroshot.images import load, save
from zeroshot.operators import Blur
from zeroshot.solve import solve_problem
from zeroshot.spelling import OptionWarning
from zeroshot.tasks import make_problem
from zeroshot.tasks.degrade import degrade

SHAKE = "motion=9, angle=30"
QUICK = {"iterations": 300}
RADIUS = Blur.motion(9, 30).radius


def photograph(size: int = 72) -> torch.Tensor:
    return grey(as_image(sample("astronaut")[60 : 60 + size, 170 : 170 + size]))


def taken(size: int = 72) -> tuple[torch.Tensor, torch.Tensor]:
    """A photograph of a scene that goes on beyond it, and the scene within the picture."""
    result = degrade(photograph(size), "deblur", kernel=SHAKE, boundary="unknown", sigma=2 / 255)
    assert result.measurement.shape == result.truth.shape
    return result.measurement, result.truth


def restored(y: torch.Tensor, prior: str = "tv", **options: Any) -> torch.Tensor:
    result = zeroshot.deblur(y, SHAKE, prior=prior, settings=QUICK, progress=False, **options)
    return result.picture.colours


def test_the_margin_is_restored_with_the_picture_and_cut_off() -> None:
    y, truth = taken()
    ours, mirrored = restored(y), restored(y, boundary="reflect")
    assert ours.shape == y.shape
    assert decibels(ours, truth) > decibels(mirrored, truth) + 1
    assert decibels(ours, truth) > decibels(y, truth) + 3


def test_what_is_kept_of_the_margin_is_the_middle_of_the_whole_restoration() -> None:
    y, _ = taken(48)
    whole, ours = restored(y, boundary="valid"), restored(y)
    down, right = RADIUS
    assert torch.equal(whole[..., down:-down, right:-right], ours)


def test_previews_and_callbacks_see_the_picture_without_its_margin(tmp_path) -> None:
    y, _ = taken(48)
    seen = []
    restored(
        y, callbacks=[lambda estimate, run: seen.append(estimate.image.shape)], preview=tmp_path / "now.png"
    )
    assert set(seen) == {y.shape}
    assert load(tmp_path / "now.png").colours.shape == y.shape


@dataclass(frozen=True)
class OneSize(Prior):
    """Images of one size, as those of a generator."""

    name: ClassVar[str] = "one_size"
    summary: ClassVar[str] = "grey of one size"
    size: tuple[int, int] = (8, 8)

    def supports(self, problem):
        return None if problem.reference_shape[-2:] == self.size else "it makes images of one size"

    def start(self, problem, generator):
        return GreyRun(problem)


class GreyRun(Run):
    def __init__(self, problem):
        self.problem, self.device = problem, problem.y.device

    def step(self):
        image = torch.full(self.problem.reference_shape, 0.5)
        return Estimate(image, self.problem.loss(image).item(), 1)

    @property
    def finished(self):
        return True


def test_a_prior_of_one_size_has_the_picture_end_at_its_edge() -> None:
    y, _ = taken(48)
    result = zeroshot.deblur(y, SHAKE, prior=OneSize(tuple(y.shape[-2:])), progress=False)
    assert result.picture.colours.shape == y.shape
    assert "boundary=replicate" in str(result.provenance["operator"])


@pytest.mark.parametrize("boundary", ["reflect", "circular", "unknown"])
def test_a_file_that_says_how_it_was_blurred_is_deblurred_so(tmp_path, boundary) -> None:
    result = degrade(photograph(48), "deblur", kernel=SHAKE, boundary=boundary, quantise="8-bit")
    path = tmp_path / "blurred.png"
    pixels = result.measurement[0, 0].mul(255).round().byte().numpy()
    save(load(pixels), path, provenance=result.provenance)
    with pytest.warns(
        OptionWarning, match=f"blurred.png says that it was blurred with boundary='{boundary}'"
    ):
        problem, _, _ = make_problem("deblur", load(path), {"kernel": SHAKE})
    assert problem.operator.boundary == ("valid" if boundary == "unknown" else boundary)
    assert problem.framed_shape == tuple(result.truth.shape)
    told, _, _ = make_problem("deblur", load(path), {"kernel": SHAKE, "boundary": "replicate"})
    assert told.operator.boundary == "replicate"


def test_the_level_reckons_with_a_kernel_that_is_not_right() -> None:
    y, _ = taken(120)
    right, wrong = (
        make_problem("deblur", load(y), {"kernel": kernel})[0] for kernel in (SHAKE, "motion=11, angle=45")
    )
    assert wrong.sigma > 1.5 * right.sigma
    assert wrong.white_level() >= wrong.noise_rms() == wrong.sigma
    told, _, _ = make_problem("deblur", load(y), {"kernel": "motion=11, angle=45", "sigma": 0.01})
    assert (told.sigma, told.white_level()) == (0.01, 0.01)


def night(size: int = 84) -> tuple[np.ndarray, torch.Tensor]:
    """A dim scene with lamps that no file can hold, as its blurred photograph and as it is."""
    scene = 0.4 * photograph(size)
    for down, right in ((20, 30), (50, 20), (40, 60)):
        scene[..., down : down + 2, right : right + 2] = 8.0
    y = Blur.motion(9, 30, "valid")(scene)
    down, right = RADIUS
    pixels = y.clamp(0, 1).mul(255).round().byte()[0, 0].numpy()
    return pixels, scene[..., down:-down, right:-right].clamp(0, 1)


def test_clipped_highlights_leave_the_data_term_and_may_be_brighter_than_white() -> None:
    pixels, truth = night()
    problem, _, _ = make_problem("deblur", load(pixels), {"kernel": SHAKE, "sigma": 0.5 / 255})
    assert problem.measured is not None
    assert problem.clipped is not None
    assert not (problem.measured * problem.clipped).any()
    ceiling = problem.ceiling()
    assert ceiling is not None
    assert ceiling.shape == problem.reference_shape
    assert float(ceiling.max()) > 8
    held = replace(problem, measured=None, clipped=None)
    ours, clipped_counts = (
        solve_problem(pixels, one, "tv", settings=QUICK, progress=False).picture.colours
        for one in (problem, held)
    )
    assert decibels(ours, truth) > decibels(clipped_counts, truth) + 3


@pytest.mark.parametrize("task", ["deblur", "sharpen"])
@pytest.mark.parametrize("prior", [None, "dip", "tv", "wiener", "unsupervised_wiener", "richardson_lucy"])
def test_a_picture_without_a_blur_stays_as_it_is_and_nothing_is_promised(task, prior, logged):
    sharp = sample("astronaut")[:96, 180:276]
    with pytest.warns(OptionWarning, match=r"no blur (was )?found"):
        result = zeroshot.solve(sharp, task, prior, progress=False)
    np.testing.assert_array_equal(result.image, sharp)
    assert result.provenance["kernel"]["kind"] == "none"
    assert result.iterations <= 1
    assert not logged


def test_of_a_picture_without_a_blur_nothing_is_held_out_and_there_are_no_tiles():
    sharp = sample("astronaut")[:96, 180:276]
    with pytest.warns(OptionWarning, match="no blur was found"):
        result = zeroshot.deblur(sharp, prior="tv", stopping=HeldOut(), tile=48, progress=False)
    np.testing.assert_array_equal(result.image, sharp)
