"""Properties of group-based sparse representation, from a problem to its estimate."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.doubles import WithoutProx, run_to_end
from tests.pictures import decibels, inpainting, measured_by, read, seeded
from zeroshot.data_terms import Huber
from zeroshot.estimate import Estimate
from zeroshot.loop import Loop
from zeroshot.noise import add_salt_and_pepper
from zeroshot.operators.blur import Blur
from zeroshot.operators.downsample import Downsample
from zeroshot.operators.identity import Identity
from zeroshot.operators.mask import Mask
from zeroshot.operators.operator import Operator
from zeroshot.priors.sparse.gsr import GroupSparseRepresentation
from zeroshot.problem import Problem

#: Small windows and few iterations, for speed.
QUICK = {"iterations": 8, "radius": 10}


@pytest.fixture
def grey(grey: torch.Tensor) -> torch.Tensor:
    return grey[..., :64, :64].contiguous()


# --- settings ----------------------------------------------------------------------------------------------


def test_what_cannot_be_solved_is_refused_with_a_reason(grey: torch.Tensor) -> None:
    class Square(Identity):
        linear = False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * x

    prior = GroupSparseRepresentation()
    assert "linear" in (prior.supports(Problem(grey, Square())) or "")
    assert "needs a data term with a proximal map" in (
        prior.supports(Problem(grey, Identity(), WithoutProx())) or ""
    )


@pytest.mark.parametrize("height", [1, 2, 7])
def test_images_smaller_than_a_patch_are_one_patch_high(height: int, grey: torch.Tensor) -> None:
    problem = inpainting(grey[..., :height, :])
    estimate = run_to_end(GroupSparseRepresentation(**QUICK), problem)
    assert estimate.image.shape == (1, 1, height, 64)
    assert estimate.image.isfinite().all()


# --- holes -------------------------------------------------------------------------------------------------


def test_known_pixels_stay_exactly_and_holes_are_filled_well(grey: torch.Tensor) -> None:
    problem = inpainting(grey)
    estimate = run_to_end(GroupSparseRepresentation.for_problem(problem, **QUICK), problem)
    known = problem.measured.expand_as(grey) > 0  # type: ignore[union-attr]
    assert torch.equal(estimate.image[known], grey[known])
    assert decibels(estimate.image, grey) > decibels(problem.initial(), grey) + 1.0


def test_a_periodic_texture_is_recovered_from_one_pixel_in_two() -> None:
    """Every 8 × 8 patch of it occurs many times, so that its groups have a low rank."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    texture = 0.5 + 0.2 * torch.sin(rows * 0.9 + columns * 0.4) + 0.15 * torch.sin(columns * 1.1)
    texture = texture[None, None]
    problem = inpainting(texture)
    prior = GroupSparseRepresentation.for_problem(problem, radius=10, iterations=12, sigma_least=1 / 255)
    estimate = run_to_end(prior, problem)
    assert decibels(estimate.image, texture) > decibels(problem.initial(), texture) + 15


@pytest.mark.parametrize("shrinkage", ["hard", "weighted", "soft"])
def test_every_shrinkage_fills_holes(shrinkage: str, grey: torch.Tensor) -> None:
    problem = inpainting(grey)
    prior = GroupSparseRepresentation.for_problem(problem, **QUICK, shrinkage=shrinkage)
    estimate = run_to_end(prior, problem)
    assert decibels(estimate.image, grey) > decibels(problem.initial(), grey) + 0.5


def test_holes_in_a_noisy_image(grey: torch.Tensor) -> None:
    problem = inpainting(grey, sigma=20 / 255)
    estimate = run_to_end(GroupSparseRepresentation.for_problem(problem, **QUICK), problem)
    assert decibels(estimate.image, grey) > decibels(problem.initial(), grey) + 2
    # Noise is not fitted, and structure not lost.
    assert 0.8 * 20 / 255 < problem.residual(estimate.image) < 1.2 * 20 / 255


def test_an_unknown_noise_level_is_estimated(grey: torch.Tensor) -> None:
    problem = dataclasses.replace(inpainting(grey, sigma=20 / 255), sigma=None)
    prior = GroupSparseRepresentation.for_problem(problem, **{**QUICK, "iterations": 2})
    run = Loop(problem, prior, generator=seeded()).complete().run
    assert run.findings()["last_noise_level"] == pytest.approx(20 / 255, rel=0.3)


def test_colour_images_of_odd_size_in_a_batch(photograph: torch.Tensor) -> None:
    images = torch.cat([photograph[..., :37, :33], photograph[..., 55:92, :33]])
    problem = inpainting(images)
    prior = GroupSparseRepresentation.for_problem(problem, iterations=8, radius=8)
    estimate = run_to_end(prior, problem)
    assert estimate.image.shape == images.shape
    single = Problem(
        problem.y[:1],
        Mask(problem.operator.mask[:1]),  # type: ignore[union-attr]
        sigma=0.0,
        task="inpaint",
        measured=problem.measured[:1],  # type: ignore[index]
    )
    alone = run_to_end(prior, single)
    torch.testing.assert_close(estimate.image[:1], alone.image, atol=1e-4, rtol=0)
    for i in range(2):
        assert decibels(estimate.image[i], images[i]) > decibels(problem.initial()[i], images[i]) + 0.5


# --- other damage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "sigma", "task", "gain"),
    [
        (Identity(), 25 / 255, "denoise", 7.0),
        (Blur.gaussian(1.5), 2 / 255, "deblur", 1.5),
        (Blur.disk(3, boundary="circular"), 2 / 255, "deblur", 2.0),
        (Downsample(2), 0.0, "sr", 0.5),
    ],
    ids=["identity", "gaussian", "disk", "downsample"],
)
def test_other_damage_is_restored(
    operator: Operator, sigma: float, task: str, gain: float, grey: torch.Tensor
) -> None:
    problem = measured_by(operator, grey, sigma, task)
    estimate = run_to_end(GroupSparseRepresentation.for_problem(problem, **QUICK), problem)
    assert decibels(estimate.image, grey) > decibels(problem.initial(), grey) + gain


def test_outliers_are_left_out_with_a_robust_data_term(grey: torch.Tensor) -> None:
    y = add_salt_and_pepper(grey, 0.1, seeded())
    problem = Problem(y, Identity(), Huber(0.05), task="denoise")
    estimate = run_to_end(GroupSparseRepresentation.for_problem(problem, **QUICK), problem)
    assert decibels(estimate.image, grey) > decibels(y, grey) + 5


# --- the run -----------------------------------------------------------------------------------------------


def test_iterations_settle(grey: torch.Tensor) -> None:
    """At the end of the run, an iteration changes the image far less than in the beginning."""
    problem = inpainting(grey[..., :48, :48])
    run = GroupSparseRepresentation.for_problem(problem, radius=8, iterations=12).begin(problem, seeded())
    before, changes = problem.initial(), []
    while not run.finished:
        image = run.step().image
        changes.append((image - before).square().mean().sqrt().item())
        before = image.clone()
    assert changes[-1] < 0.25 * changes[0]


def test_default_stopping_stops_after_the_last_iteration(grey: torch.Tensor) -> None:
    prior = GroupSparseRepresentation(iterations=7)
    rule = prior.default_stopping(inpainting(grey))
    rule.start(inpainting(grey))
    assert not rule.update(Estimate(grey, 1.0, 6))
    assert rule.update(Estimate(grey, 1.0, 7))


@pytest.mark.slow
def test_a_whole_photograph_with_half_of_its_pixels(shared: Path) -> None:
    """Cameraman: 29.80 dB by a deep image prior, 27.90 by convolutional sparse coding, with other masks."""
    image = read(shared / "data" / "inpaint11" / "cameraman.png", "L")
    problem = inpainting(image)
    estimate = run_to_end(GroupSparseRepresentation.for_problem(problem), problem)
    assert decibels(estimate.image, image) > 30
