"""Deep Image Prior gives back what it held out: all measurements at the end, and the network's share in large holes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.pictures import seeded, uniform
from zeroshot.loop import Loop
from zeroshot.operators import Identity, Mask
from zeroshot.priors.untrained.blending import Blend, HoleBlend, depth_in_holes
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.priors.untrained.deep_image_run import DeepImageRun
from zeroshot.priors.untrained.guide import guide_image
from zeroshot.problem import Problem
from zeroshot.stopping import HeldOut, HeldOutGain, MaxIterations

SMALL: dict[str, Any] = {"channels": 8, "scales": 3, "input_depth": 4, "guide": "tv"}


def noisy(photograph: torch.Tensor, size: int = 48) -> Problem:
    clean = photograph[..., :size, :size]
    y = clean + torch.randn(clean.shape, generator=seeded()) * 25 / 255
    return Problem(y, Identity(), sigma=25 / 255, task="denoise")


def begun(problem: Problem, **settings: Any) -> Loop:
    prior = DeepImagePrior.for_problem(problem, **{**SMALL, **settings})
    return Loop(problem, prior, generator=seeded())


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short runs of small networks are believed."""
    monkeypatch.setattr(Blend, "is_clearly_better", lambda *_: True)
    monkeypatch.setattr(Blend, "weight", lambda *_: 0.25)


@pytest.mark.usefixtures("trusting")
def test_the_run_ends_on_all_measurements_with_a_guide_of_all(photograph: torch.Tensor) -> None:
    problem = noisy(photograph)
    loop = begun(problem, iterations=24, refit=5)
    run = loop.run
    assert isinstance(run, DeepImageRun)
    for _ in range(18):
        loop.step()
        assert run.problem.held_out is not None
    loop.step()
    for _ in range(5):
        assert not loop.reason
        loop.step()
        assert run.problem is problem
    assert loop.reason == "reached the limit of 19 iterations"
    assert loop.iteration == 24
    whole = guide_image("tv", problem)
    assert run.guide is not None
    assert torch.equal(run.guide, whole)
    assert run.average is not None
    expected = torch.lerp(whole, run.average, run.share)
    assert torch.allclose(loop.result(), expected, atol=1e-6)


def test_the_guide_of_all_pixels_is_worth_it(photograph: torch.Tensor) -> None:
    problem = noisy(photograph)
    clean = photograph[..., :48, :48]
    errors = {
        refit: float((begun(problem, iterations=40, refit=refit).complete().result() - clean).square().mean())
        for refit in (0, 5)
    }
    assert errors[5] < errors[0]


def test_a_run_under_a_budget_gives_back_while_there_is_time(photograph: torch.Tensor) -> None:
    problem = noisy(photograph, 32)
    prior = DeepImagePrior.for_problem(problem, **SMALL, refit=4)
    loop = Loop(problem, prior, generator=seeded(), seconds=1e6)
    run = loop.run
    assert isinstance(run, DeepImageRun)
    for _ in range(6):
        loop.step()
    run._guide_seconds = 600.0
    loop._deadline.spend(1e6 - 900)  # type: ignore[union-attr]
    loop.complete()
    assert run.problem is problem
    assert loop.reason.startswith("used up its time budget of 1e+06 s at iteration 7")
    assert torch.equal(run.guide, guide_image("tv", problem))  # type: ignore[arg-type]


def test_a_rule_of_the_callers_means_what_it_says(photograph: torch.Tensor) -> None:
    problem = noisy(photograph, 32)
    prior = DeepImagePrior.for_problem(problem, **SMALL, refit=5)
    loop = Loop(problem, prior, HeldOut() | MaxIterations(6), generator=seeded()).complete()
    assert loop.iteration == 6


def test_no_time_is_spent_on_a_network_that_has_no_part_in_the_image(
    photograph: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Blend, "weight", lambda *_: 0.0)
    problem = noisy(photograph, 32)
    loop = begun(problem, iterations=12, refit=3).complete()
    assert loop.iteration == 9 + 1
    assert torch.equal(loop.result(), guide_image("tv", problem))


def test_published_recipes_hold_nothing_out() -> None:
    problem = Problem(uniform(1, 3, 32, 32), Identity(), sigma=0.1, task="denoise")
    prior = DeepImagePrior.for_problem(problem, recipe="reference")
    assert prior.refit == 0
    assert repr(prior.default_stopping(problem)) == repr(MaxIterations(3000))


def test_the_default_rule_waits_for_a_clear_gain() -> None:
    problem = Problem(uniform(1, 3, 32, 32), Identity(), sigma=0.1, task="denoise")
    rule = DeepImagePrior.for_problem(problem).default_stopping(problem)
    assert any(isinstance(one, HeldOutGain) for one in rule.rules)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("interruption", [8, 21])
def test_a_continued_run_gives_back_as_if_never_interrupted(
    photograph: torch.Tensor, interruption: int
) -> None:
    problem = noisy(photograph, 32)
    settings = {"iterations": 24, "refit": 5, "precision": "float32"}
    unbroken = begun(problem, **settings).complete()
    first = begun(problem, **settings)
    for _ in range(interruption):
        first.step()
    second = begun(problem, **settings)
    second.load_state_dict(first.state_dict())
    second.complete()
    assert second.reason == unbroken.reason
    assert torch.equal(second.result(), unbroken.result())


def test_samples_give_back_too(photograph: torch.Tensor) -> None:
    from zeroshot.tiling import Samples

    problem = noisy(photograph, 32)
    prior = DeepImagePrior.for_problem(problem, **{**SMALL, "guide": "none"}, iterations=12, refit=3)
    loop = Loop(problem, Samples(prior, 2), generator=seeded()).complete()
    assert loop.iteration == 12
    assert loop.run.findings()["samples"] == 2


def test_a_mixture_that_is_better_by_chance_is_not_believed() -> None:
    truth = torch.full((1, 1, 64, 64), 0.5)
    y = truth + 0.1 * torch.randn(truth.shape, generator=seeded())
    problem = Problem(y, Identity(), sigma=0.1).hold_out(0.05, seeded())
    blend = Blend(truth + 0.1, problem, 1.0, (0, 0))
    assert blend.is_clearly_better(truth, 1.0)
    assert not blend.is_clearly_better(truth + 0.1005, 1.0)
    assert not blend.is_clearly_better(truth, 0.0)


# --- large holes -------------------------------------------------------------------------------------------


def holed(truth: torch.Tensor, side: int = 32) -> Problem:
    known = torch.ones(1, 1, *truth.shape[-2:])
    top = (truth.shape[-2] - side) // 2
    known[..., top : top + side, top : top + side] = 0
    return Problem(truth * known, Mask(known), sigma=0.0, task="inpaint", measured=known)


def with_rim(problem: Problem) -> Problem:
    return HeldOutGain(rim=8).hold_out(problem, seeded())


def test_depths_are_distances_from_what_is_known() -> None:
    depth = depth_in_holes(holed(uniform(1, 3, 64, 64)))[0, 0]
    assert float(depth[0, 0]) == 0
    assert float(depth[16, 32]) == 1
    assert float(depth[31, 31]) == 16


def test_a_network_that_is_right_about_the_rim_is_believed_deep_in_the_hole() -> None:
    truth = uniform(1, 1, 64, 64)
    problem = with_rim(holed(truth))
    guide = torch.full_like(truth, 0.5)
    blend = HoleBlend(guide, problem, 1.0)
    height, length = blend.weight(truth, 1)
    assert height == pytest.approx(1)
    assert length == 32
    assert blend.share((height, length)) > 0.6


def test_a_network_that_is_wrong_about_the_rim_is_left_out() -> None:
    truth = uniform(1, 1, 64, 64)
    problem = with_rim(holed(truth))
    blend = HoleBlend(torch.full_like(truth, 0.5), problem, 1.0)
    weight = blend.weight(1 - truth, 1)
    assert weight[0] == 0
    assert blend.share(weight) == 0
    assert torch.equal(blend.mixed(1 - truth, weight), blend.guide)


def test_a_network_that_is_right_only_beside_what_is_known_fades() -> None:
    truth = uniform(1, 1, 64, 64)
    problem = with_rim(holed(truth))
    guide = torch.full_like(truth, 0.5)
    depth = depth_in_holes(problem)
    image = torch.where(depth <= 2, truth, uniform(1, 1, 64, 64, seed=7))
    blend = HoleBlend(guide, problem, 1.0)
    near, far = (blend._weights(blend.weight(image, 1))[0, 0, 32, column] for column in (8, 32))
    assert float(near) > 0.4
    assert float(far) < 0.05


def test_a_hole_ends_as_a_smooth_filling_where_nothing_predicts_it() -> None:
    problem = holed(uniform(1, 1, 64, 64), 24)
    settings = {"channels": 8, "scales": 3, "input_depth": 4, "iterations": 16}
    prior = DeepImagePrior.for_problem(problem, **settings)
    assert (prior.guide, prior.stopping) == ("initial", "rim")
    image = Loop(problem, prior, generator=seeded()).complete().result()
    hole = problem.measured.expand_as(image) < 0.5  # type: ignore[union-attr]
    filling = problem.initial()
    assert float((image - filling)[hole].square().mean()) < 1e-2
    assert torch.equal(image[~hole], problem.y[~hole])
