"""Model selection: nothing that judges is seen, the best predictor wins, and budgets and states hold."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
import torch

import zeroshot
from tests.doubles import DriftingPrior
from tests.pictures import SIGMA, seeded, with_noise
from zeroshot.estimate import Estimate
from zeroshot.metrics import psnr
from zeroshot.noise import add_gaussian, random_mask
from zeroshot.operators import Blur, Downsample, Grayscale, Identity, Mask, Mosaic, Stack
from zeroshot.prior import Prior, Run
from zeroshot.priors.auto.candidates import CANDIDATES
from zeroshot.priors.auto.selection import ModelSelection
from zeroshot.priors.total_variation.tv import TotalVariation
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.problem import Problem
from zeroshot.registry import prior_class
from zeroshot.validation_split import put_aside


def called(name, **settings):
    """Total variation under a name of its own, by which the findings tell it from others."""
    return type("Called", (TotalVariation,), {"name": name})(**settings)


GOOD, BLUNT, IDLE = called("good"), called("blunt", weight=3.0), called("idle", weight=1e-4)


@dataclasses.dataclass(frozen=True)
class Unsupporting(TotalVariation):
    """A prior that refuses everything."""

    def supports(self, problem: Problem) -> str | None:
        return "not today"


@dataclasses.dataclass(frozen=True)
class Failing(TotalVariation):
    """A prior that fails: when it begins, at its first step, or by an image that is not finite."""

    at: str = "start"

    def start(self, problem, generator):
        if self.at == "start":
            raise RuntimeError("out of luck\nand more")
        run = super().start(problem, generator)
        if self.at == "step":
            run.step = lambda: _raise(MemoryError())
        else:
            step = run.step
            run.step = lambda: _spoiled(step())
        return run


@dataclasses.dataclass(frozen=True)
class Slow(TotalVariation):
    """A prior whose start takes its time, and whose steps are endless."""

    seconds: float = 0.2
    iterations: int = 10**7
    tolerance: float = 1e-12

    def start(self, problem, generator):
        time.sleep(self.seconds)
        return super().start(problem, generator)


def _raise(error):
    raise error


def _spoiled(estimate):
    return Estimate(estimate.image * float("nan"), estimate.loss, estimate.iteration, gap=estimate.gap)


def drive(run, steps=10_000):
    for _ in range(steps):
        estimate = run.step()
        if run.finished:
            break
    return estimate


def noisy_problem(photograph, generator):
    return Problem(add_gaussian(photograph, SIGMA, generator), Identity(), sigma=SIGMA, task="denoise")


@pytest.mark.parametrize(
    "operator",
    [Identity(), Blur.gaussian(1.0), Downsample(2), Mosaic("RGGB"), Mask(np.tri(96, dtype=bool))],
    ids=lambda operator: type(operator).__name__,
)
def test_what_is_put_aside_leaves_no_trace(operator, photograph, generator):
    y = operator(photograph)
    measured = operator.mask if isinstance(operator, Mask) else None
    problem = Problem(y, operator, sigma=SIGMA, measured=measured)
    part, aside = put_aside(problem, 0.1, seeded(3))
    changed = dataclasses.replace(problem, y=torch.where(aside > 0, 0.987 - y, y))
    other, same_aside = put_aside(changed, 0.1, seeded(3))
    assert torch.equal(aside, same_aside)
    torch.testing.assert_close(part.y, other.y)
    torch.testing.assert_close(part.initial(), other.initial())
    if measured is not None:
        assert not ((aside > 0) & (measured == 0)).any()
    if part.measured is not None:
        assert not ((part.measured > 0) & (aside > 0)).any()


def test_plain_denoising_stays_plain_denoising(photograph, generator):
    part, aside = put_aside(noisy_problem(photograph, generator), 0.1, generator)
    assert part.measured is None
    assert part.held_out is None
    assert 0.09 < aside.mean() < 0.11


@pytest.mark.parametrize("order", [(GOOD, BLUNT, IDLE), (BLUNT, IDLE, GOOD)])
def test_the_best_predictor_wins_whatever_its_place(order, photograph, generator):
    problem = noisy_problem(photograph, generator)
    run = ModelSelection(order).begin(problem, generator)
    image = drive(run).image
    assert run.findings()["chosen"] == "good"
    alone = drive_to_gap(GOOD, problem)
    torch.testing.assert_close(image, alone)


def drive_to_gap(prior, problem):
    run, rule = prior.begin(problem, torch.Generator()), prior.default_stopping(problem)
    rule.start(problem)
    while not rule.update(estimate := run.step()):
        pass
    return estimate.image


def test_the_ranking_is_reported_with_the_best_first(photograph):
    noisy = with_noise(photograph, SIGMA, 1)
    result = zeroshot.solve(noisy, "denoise", ModelSelection((BLUNT, GOOD)), sigma=SIGMA)
    losses = [row["held_out_loss"] for row in result.findings["ranking"]]
    assert len(losses) == 2
    assert losses == sorted(losses)
    assert result.findings["chosen"] == "good"
    assert psnr(result.image, photograph) > psnr(noisy, photograph) + 5
    assert "finished" in result.stopped_by


@dataclasses.dataclass(frozen=True)
class Approaching(Prior):
    """What is known of the image and an error that falls (or rises) evenly in dB, from `first` to `last`."""

    name = "approaching"
    known: torch.Tensor | None = None
    first: float = 0.2
    last: float = 0.2
    iterations: int = 16

    def start(self, problem, generator):
        return ApproachingRun(self, problem)


class ApproachingRun(Run):
    state = ("iteration",)

    def __init__(self, prior, problem):
        self.prior, self.problem, self.device, self.iteration = prior, problem, problem.y.device, 0
        self.pattern = torch.randn(problem.y.shape, generator=seeded(9))

    def step(self):
        self.iteration += 1
        prior = self.prior
        done = (self.iteration - 1) / (prior.iterations - 1)
        image = prior.known + prior.first * (prior.last / prior.first) ** done * self.pattern
        return Estimate(image, self.problem.loss(image).item(), self.iteration)


def test_who_would_be_hopeless_in_the_end_is_given_up_half_way(photograph, generator):
    problem = noisy_problem(photograph, generator)
    leader, idle, late = (
        type("Called", (Approaching,), {"name": name})(known=photograph, first=first, last=last)
        for name, first, last in (("leader", 0.05, 0.04), ("idle", 0.2, 0.19), ("late", 0.2, 0.01))
    )
    run = ModelSelection((leader, idle, late)).begin(problem, generator)
    drive(run)
    made = {one.prior.name: one.iteration for one in run._contestants}
    assert made == {"leader": 16, "idle": 8, "late": 16}
    assert run.findings()["chosen"] == "late"
    assert [row["prior"] for row in run.findings()["ranking"]] == ["late", "leader", "idle"]


def test_equals_are_decided_by_their_place_in_the_list(photograph, generator):
    problem = noisy_problem(photograph, generator)
    same = called("same", iterations=1999)
    for pair in ((GOOD, same), (same, GOOD)):
        run = ModelSelection(pair).begin(problem, seeded(5))
        drive(run)
        assert run.findings()["chosen"] == pair[0].name


def test_the_held_out_loss_ranks_as_the_truth_does(photograph, generator):
    problem = noisy_problem(photograph, generator)
    priors = tuple(called(str(weight), weight=weight) for weight in (0.01, 0.05, 0.1, 0.3, 1.0))
    run = ModelSelection(priors).begin(problem, generator)
    drive(run)
    truth = {prior.name: psnr(drive_to_gap(prior, problem), photograph) for prior in priors}
    by_judgement = [row["prior"] for row in run.findings()["ranking"]]
    assert sorted(by_judgement) == sorted(truth)
    assert by_judgement[0] == max(truth, key=truth.get)
    assert by_judgement[-1] == min(truth, key=truth.get)


def test_inpainting_is_judged_in_the_known_pixels(photograph, generator):
    mask = random_mask(tuple(photograph.shape), 0.5, generator)
    problem = Problem(photograph * mask, Mask(mask), sigma=0.0, task="inpaint", measured=mask)
    flat = called("flat", weight=30.0)
    run = ModelSelection((flat, GOOD)).begin(problem, generator)
    image = drive(run).image
    assert run.findings()["chosen"] == "good"
    assert psnr(image, photograph) > psnr(problem.initial(), photograph) - 1


def test_candidates_that_refuse_are_passed_over(photograph, generator):
    problem = noisy_problem(photograph, generator)
    run = ModelSelection((Unsupporting(), GOOD)).begin(problem, generator)
    drive(run)
    assert len(run.findings()["ranking"]) == 1
    reason = ModelSelection((Unsupporting(),)).supports(problem)
    assert "not today" in reason
    assert "no candidate" in reason


def test_a_budget_cuts_slow_candidates_short_and_still_ends(photograph, generator, clock):
    problem = noisy_problem(photograph, generator)
    endless = TotalVariation(tolerance=1e-12, iterations=10**7)
    selection = ModelSelection((endless, GOOD)).within(0.6)
    assert selection.seconds == 0.6
    run = selection.begin(problem, generator)
    began = clock.now
    while run.choosing:
        run.step()
    assert clock.now - began <= 0.6
    assert len(run.findings()["ranking"]) == 2


@pytest.mark.parametrize("at", ["start", "step", "image"])
def test_a_candidate_that_fails_is_passed_over_and_listed_with_its_reason(at, photograph, generator):
    problem = noisy_problem(photograph, generator)
    for candidates in ((Failing(at=at), GOOD), (GOOD, Failing(at=at))):
        run = ModelSelection(candidates).begin(problem, generator)
        drive(run)
        assert run.findings()["chosen"] == "good"
        judged, failed = run.findings()["ranking"]
        assert "held_out_loss" in judged
        expected = {"start": "out of luck", "step": "MemoryError", "image": "its image is not finite"}
        assert failed == {"prior": "tv", "reason": expected[at]}


@pytest.mark.parametrize("way", ["alone", "tiles", "auto"])
def test_a_run_that_is_spoilt_once_recovers_wherever_it_is_made(way, photograph):
    runs = []

    class Recorded(DriftingPrior):
        def start(self, problem, generator):
            runs.append(super().start(problem, generator))
            return runs[-1]

    prior = Recorded(spoil_at=60, harmless_rate=0.005)
    result = zeroshot.solve(
        photograph[..., :48, :48],
        "denoise",
        ModelSelection(candidates=(prior,)) if way == "auto" else prior,
        tile=32 if way == "tiles" else None,
        sigma=SIGMA,
        device="cpu",
        progress=False,
    )
    assert len(runs) == {"alone": 1, "tiles": 4, "auto": 2}[way]
    assert [run.iteration for run in runs] == [prior.iterations] * len(runs)
    assert all(run.rate == pytest.approx(0.1 * prior.rate) for run in runs)
    assert torch.isfinite(torch.as_tensor(np.asarray(result))).all()


def test_where_all_candidates_fail_so_does_the_selection(photograph, generator):
    run = ModelSelection((Failing(), Failing(at="image"))).begin(
        noisy_problem(photograph, generator), generator
    )
    with pytest.raises(ValueError, match=r"to a result \(tv: out of luck; tv: its image is not"):
        drive(run)


def test_a_candidate_whose_start_takes_most_of_the_time_is_passed_over(photograph, generator):
    problem = noisy_problem(photograph, generator)
    run = ModelSelection((Slow(seconds=2.2), GOOD), seconds=3.2).begin(problem, generator)
    drive(run, 10**6)
    assert run.finished
    first, second = run.findings()["ranking"]
    assert first["prior"] == run.findings()["chosen"] == "good"
    assert second == {"prior": "tv", "reason": "its first step took too long"}


def test_without_time_for_any_candidate_the_result_is_the_input_and_says_so(photograph):
    noisy = with_noise(photograph)
    prior = ModelSelection((Slow(seconds=1.0), Slow(seconds=1.0)))
    with pytest.warns(UserWarning, match="before its first step was done"):
        result = zeroshot.solve(noisy, "denoise", prior, sigma=SIGMA, seconds=0.2, progress=False)
    assert result.iterations == 0
    # Whether the time is up before the selection has begun, or within its first candidate, is a matter of chance.
    if "a quick look" in result.stopped_by:
        assert psnr(result.image, photograph) > psnr(noisy, photograph) + 5
    else:
        assert "so that this is the input itself" in result.stopped_by
        assert torch.equal(result.image, noisy.clamp(0, 1))


def test_iterations_are_those_of_the_chosen_prior_and_the_remark_names_the_others(photograph):
    noisy = with_noise(photograph[..., :48, :48])
    result = zeroshot.solve(noisy, "denoise", ModelSelection((BLUNT, GOOD)), sigma=SIGMA, progress=False)
    alone = zeroshot.solve(noisy, "denoise", GOOD, sigma=SIGMA, progress=False)
    assert result.iterations == alone.iterations
    assert "chose good, of blunt, good the best at predicting what was put aside" in result.stopped_by


def test_a_final_run_cut_short_before_it_came_as_far_as_the_trial_is_not_shown(photograph, generator, clock):
    starts = []

    class SlowAgain(TotalVariation):
        def start(self, problem, generator):
            starts.append(problem)
            time.sleep(1.0 if len(starts) == 2 else 0.0)
            return super().start(problem, generator)

    problem = noisy_problem(photograph, generator)
    run = ModelSelection((SlowAgain(),), seconds=1.0).begin(problem, generator)
    while run.choosing:
        tried = run.step().image
    assert torch.equal(run.step().image, tried)
    assert run.finished


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 9, 9)])
def test_one_pixel_judges_nobody(shape):
    y = torch.full(shape, 0.5)
    known = torch.zeros(1, 1, *shape[-2:])
    known[..., :1, :1] = 1
    problem = Problem(y * known, Mask(known), sigma=0.1, task="inpaint", measured=known)
    run = ModelSelection((Unsupporting(), BLUNT, GOOD)).begin(problem, seeded())
    assert drive(run).image.isfinite().all()
    assert run.findings()["chosen"] == "blunt"
    assert "too few pixels" in run.findings()["ranking"][0]["reason"]


def test_only_known_pixels_are_put_aside_whoever_says_which_they_are(photograph):
    known = random_mask(tuple(photograph.shape), 0.5, seeded(1))
    by_mask = Problem(photograph * known, Mask(known), sigma=0.1, task="inpaint")
    by_weights = Problem(photograph * known, Identity(), sigma=0.1, task="denoise", measured=known)
    for problem in (by_mask, by_weights):
        part, aside = put_aside(problem, 0.1, seeded(3))
        assert not ((aside > 0) & (known == 0)).any()
        assert torch.equal(part.measured, known * (1 - aside))
        assert part.measured.device == problem.y.device


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_mask_of_what_is_left_is_where_the_measurement_is(photograph):
    known = random_mask(tuple(photograph.shape), 0.5, seeded(1))
    problem = Problem(photograph * known, Mask(known), sigma=0.1, task="inpaint").to("cuda")
    part, _ = put_aside(problem, 0.1, seeded(3))
    assert part.operator.mask.is_cuda
    assert part.loss(part.initial()).isfinite()


def test_colours_are_judged_by_hints_only(photograph):
    given = random_mask(tuple(photograph.shape), 0.9, seeded(1))
    y = torch.cat([Grayscale()(photograph), photograph * given], dim=1)
    measured = torch.cat([torch.ones_like(y[:, :1]), given.expand(-1, 3, -1, -1)], dim=1)
    problem = Problem(y, Stack([Grayscale(), Mask(given)]), sigma=0.0, task="colorize", measured=measured)
    part, aside = put_aside(problem, 0.2, seeded(3))
    assert not aside[:, :1].any()
    assert 0.15 < aside[:, 1:].sum() / measured[:, 1:].sum() < 0.25
    assert torch.equal(part.measured, measured * (1 - aside))


def test_a_clean_image_is_left_as_it_is(photograph):
    result = zeroshot.solve(photograph, "denoise", "auto", sigma=0.0)
    assert torch.equal(result.image, photograph)


def test_a_network_can_be_a_candidate(photograph):
    crop = photograph[..., :32, :32].contiguous()
    noisy = with_noise(crop, SIGMA, 1)
    network = DeepImagePrior(channels=8, scales=2, iterations=5, stopping="held_out", guide="tv")
    result = zeroshot.solve(noisy, "denoise", ModelSelection((GOOD, network)), sigma=SIGMA)
    assert {row["prior"] for row in result.findings["ranking"]} == {"good", "dip"}


def test_candidates_can_be_typed_as_text():
    assert ModelSelection(candidates="tv, dip").candidates == ("tv", "dip")


def test_every_task_has_candidates():
    assert set(CANDIDATES) == set(zeroshot.tasks())


@pytest.mark.parametrize("task", CANDIDATES)
def test_every_candidate_is_registered_and_needs_no_weights(task):
    names = CANDIDATES[task]
    assert set(names) <= set(zeroshot.prior_names()) - {"auto"}
    assert len(set(names)) == len(names)
    for name in names:
        assert "weights=" not in prior_class(name).summary
