"""Properties of total variation restoration, from a problem to its estimate."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import pytest
import torch
from skimage.restoration import inpaint_biharmonic

import zeroshot
from tests.pictures import SIGMA, damaged, decibels, denoising, seeded, with_noise
from tests.priors.total_variation.solutions import solution
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.estimate import Estimate
from zeroshot.images import load
from zeroshot.noise import QUANTISATION, add_poisson, add_salt_and_pepper, random_mask
from zeroshot.operators.downsample import Downsample
from zeroshot.operators.grayscale import Grayscale
from zeroshot.operators.identity import Identity
from zeroshot.priors.total_variation.convex import PenaltyPrior, PenaltyRun
from zeroshot.priors.total_variation.tgv import TotalGeneralizedVariation
from zeroshot.priors.total_variation.tv import GradientPrior, HuberTotalVariation, TotalVariation
from zeroshot.problem import Problem
from zeroshot.solvers.finite_differences import total_variation
from zeroshot.tasks import make_problem

#: Holes without noise are filled well already by the first estimate.
NOISE = {"inpaint": 15 / 255}


@pytest.fixture(scope="module")
def photograph(photograph: torch.Tensor) -> torch.Tensor:
    """A corner of it, which is enough for what iterates until its gap is closed."""
    return photograph[..., :64, :64].contiguous()


@pytest.fixture(scope="module")
def solved(photograph: torch.Tensor) -> Callable[[str], tuple[Problem, Estimate]]:
    """The problem of a kind of damage with what total variation makes of it, for all that is asked of it."""

    @functools.cache
    def by_default(name: str) -> tuple[Problem, Estimate]:
        problem = damaged(name, photograph, NOISE.get(name))
        return problem, solution(TotalVariation.for_problem(problem), problem)[0]

    return by_default


# --- settings ----------------------------------------------------------------------------------------------


def test_settings_go_over_the_defaults_of_the_task(photograph: torch.Tensor) -> None:
    problem = damaged("demosaic", photograph)
    assert TotalVariation.for_problem(problem).chroma is None
    assert TotalVariation.for_problem(denoising(photograph)).chroma == 3.0
    assert TotalVariation.for_problem(problem, chroma=1.0).chroma == 1.0
    assert (
        TotalVariation.for_problem(damaged("inpaint", photograph), kind="anisotropic").kind == "anisotropic"
    )


def test_a_data_term_without_a_conjugate_is_refused(photograph: torch.Tensor) -> None:
    class Cauchy(DataTerm):
        def penalty(self, prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return (1 + (prediction - y).square()).log()

        def prox(self, point: torch.Tensor, y: torch.Tensor, step: float) -> torch.Tensor:
            raise NotImplementedError

    assert "Cauchy" in (TotalVariation().supports(Problem(photograph, Identity(), Cauchy())) or "")


# --- solutions ---------------------------------------------------------------------------------------------


def test_denoising_gains_and_is_certified(
    solved: Callable[[str], tuple[Problem, Estimate]], photograph: torch.Tensor
) -> None:
    problem, estimate = solved("denoise")
    assert estimate.gap is not None
    assert estimate.gap <= 1e-3
    assert decibels(estimate.image, photograph) > decibels(problem.initial(), photograph) + 5


@pytest.mark.parametrize("name", ["inpaint", "sr", "deblur", "demosaic"])
def test_restores_better_than_the_first_estimate(
    name: str, solved: Callable[[str], tuple[Problem, Estimate]], photograph: torch.Tensor
) -> None:
    problem, estimate = solved(name)
    gain = decibels(estimate.image, photograph) - decibels(problem.initial(), photograph)
    assert gain > {"inpaint": 1.0, "sr": 0.3, "deblur": 1.0, "demosaic": 3.0}[name]


def test_a_grey_measurement_is_met_and_gets_no_false_colours(
    solved: Callable[[str], tuple[Problem, Estimate]], photograph: torch.Tensor
) -> None:
    problem, estimate = solved("colorize")
    assert problem.residual(estimate.image) < 1.02 * QUANTISATION
    assert decibels(estimate.image, photograph) > decibels(problem.initial(), photograph) - 0.3


@pytest.mark.parametrize(
    "kind", [TotalVariation, pytest.param(TotalGeneralizedVariation, marks=pytest.mark.slow)]
)
def test_colours_go_on_from_hints_within_the_edges_of_brightness(
    kind: type[PenaltyPrior], photograph: torch.Tensor
) -> None:
    photograph = photograph[..., :64, :64].contiguous()
    given = random_mask(tuple(photograph.shape), 0.98, seeded())
    hints = torch.cat([photograph * given, given], dim=1)
    posed, _, _ = make_problem("colorize", load(Grayscale()(photograph)), {"hints": hints})
    steered, plain = (
        solution(kind.for_problem(posed, **settings), posed)[0].image
        for settings in ({}, {"across": 1.0, **({"curvature": 0.0} if kind is TotalVariation else {})})
    )
    assert decibels(steered, photograph) > decibels(plain, photograph) + 0.5
    # Which is hints that were spread like heat, and hard to beat on a picture of few colours.
    assert decibels(steered, photograph) > decibels(posed.initial(), photograph) - 0.3


@pytest.mark.parametrize(
    ("term", "weight"),
    [(Gaussian(), 0.1), (Gaussian(SIGMA), 10.0), (Poisson(0.03), 8.0), (L1(), None), (Huber(), None)],
    ids=str,
)
def test_every_data_term_reduces_its_objective(
    term: DataTerm, weight: float | None, photograph: torch.Tensor
) -> None:
    y = add_salt_and_pepper(photograph, 0.1, seeded()) if isinstance(term, L1 | Huber) else None
    y = with_noise(photograph).clamp(0, 1) if y is None else y
    problem = Problem(y, Identity(), term)
    prior = TotalVariation(weight=weight)
    estimate, run = solution(prior, problem)

    def objective(x: torch.Tensor) -> float:
        return term.penalty(x, y).sum().item() + run.weight * total_variation(x)

    assert estimate.loss == pytest.approx(objective(estimate.image), rel=0.01)
    assert objective(estimate.image) < 0.8 * objective(problem.initial())
    assert estimate.gap is not None
    assert estimate.gap <= prior.tolerance
    assert decibels(estimate.image, photograph) > decibels(y, photograph) + 3


def test_vectorial_and_channels_are_the_same_for_grey_images(photograph: torch.Tensor) -> None:
    problem = denoising(photograph.mean(dim=1, keepdim=True))
    images = [
        solution(TotalVariation(weight=0.1, coupling=coupling), problem)[0].image
        for coupling in ("vectorial", "channels")
    ]
    assert torch.equal(*images)


def test_channels_on_their_own_are_denoised_as_grey_images(photograph: torch.Tensor) -> None:
    problem = denoising(photograph)
    prior = TotalVariation(weight=0.1, coupling="channels", tolerance=1e-5)
    together, _ = solution(prior, problem)
    red, _ = solution(prior, dataclasses.replace(problem, y=problem.y[:, :1], reference_shape=(1, 1, 64, 64)))
    torch.testing.assert_close(together.image[:, :1], red.image, atol=5e-3, rtol=0)


def test_a_constant_image_comes_back(photograph: torch.Tensor) -> None:
    y = torch.full((1, 3, 40, 30), 0.6)
    for prior in (TotalVariation(iterations=200), TotalVariation(weight=0.1, iterations=200)):
        estimate, _ = solution(prior, Problem(y, Identity(), sigma=0.0, task="denoise"))
        torch.testing.assert_close(estimate.image, y, atol=1e-5, rtol=0)


@pytest.mark.parametrize("prior", [TotalVariation, HuberTotalVariation])
def test_holes_are_filled_better_than_by_a_biharmonic_surface(
    prior: type[GradientPrior], photograph: torch.Tensor
) -> None:
    problem = damaged("inpaint", photograph)
    known = problem.known_pixels()
    assert known is not None
    peer = inpaint_biharmonic(problem.y[0].numpy(), known[0, 0].numpy() < 0.5, channel_axis=0)
    ours, _ = solution(prior.for_problem(problem), problem)
    assert decibels(ours.image, photograph) > decibels(torch.from_numpy(peer)[None].clamp(0, 1), photograph)
    assert ours.gap is not None
    assert ours.gap <= TotalVariation().tolerance


@pytest.mark.parametrize("sigma", [None, 15 / 255])
def test_edges_and_curvature_fill_holes_better_than_plain_total_variation(
    sigma: float | None, photograph: torch.Tensor
) -> None:
    problem = damaged("inpaint", photograph, sigma)
    plain = TotalVariation.for_problem(problem, across=1.0, curvature=0.0)
    better, worse = (solution(p, problem)[0].image for p in (TotalVariation.for_problem(problem), plain))
    assert decibels(better, photograph) > decibels(worse, photograph) + (0.4 if sigma is None else 0)


def test_a_steered_run_goes_on_where_it_was(photograph: torch.Tensor) -> None:
    problem = damaged("inpaint", photograph[..., :40, :40].contiguous())
    prior = TotalVariation.for_problem(problem)
    first, second = (prior.begin(problem, seeded()) for _ in range(2))
    for _ in range(12):
        first.step()
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.step().image, second.step().image)


# --- the choice of λ ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["denoise", "inpaint", "sr", "deblur", "demosaic"])
def test_the_chosen_weight_satisfies_the_discrepancy_principle(
    name: str, solved: Callable[[str], tuple[Problem, Estimate]]
) -> None:
    problem, estimate = solved(name)
    prior = TotalVariation.for_problem(problem)
    wanted = prior.discrepancy * max(problem.sigma or 0.0, QUANTISATION)
    assert problem.residual(estimate.image) == pytest.approx(wanted, rel=0.02)
    assert estimate.gap is not None


def test_behind_a_blur_the_weight_is_found_in_fewer_iterations_by_pulling_at_the_residual(
    solved: Callable[[str], tuple[Problem, Estimate]], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, pulled = solved("deblur")
    monkeypatch.setattr(PenaltyRun, "first_pull", 0.0)
    left_alone = solution(TotalVariation.for_problem(problem), problem)[0]
    assert pulled.iteration < 0.8 * left_alone.iteration
    assert problem.residual(pulled.image) == pytest.approx(problem.residual(left_alone.image), rel=0.005)


def test_super_resolution_by_four_converges(photograph: torch.Tensor) -> None:
    operator = Downsample(4)
    problem = Problem(operator(photograph), operator, sigma=0.0, task="sr")
    prior = TotalVariation.for_problem(problem)
    estimate, _ = solution(prior, problem)
    assert estimate.gap is not None
    assert estimate.gap <= prior.tolerance
    assert problem.residual(estimate.image) == pytest.approx(prior.discrepancy * QUANTISATION, rel=0.02)


def test_an_unknown_noise_level_is_estimated(photograph: torch.Tensor) -> None:
    problem = dataclasses.replace(denoising(photograph), sigma=None)
    run = TotalVariation(discrepancy=1.0).begin(problem, seeded())
    assert run.residual_wanted == pytest.approx(SIGMA, rel=0.1)


def test_poisson_noise_leaves_the_residual_that_its_law_predicts(photograph: torch.Tensor) -> None:
    problem = Problem(add_poisson(photograph, 30, seeded()), Identity(), Poisson(1 / 30), task="denoise")
    prior = TotalVariation.for_problem(problem)
    estimate, _ = solution(prior, problem)
    law = (problem.y / 30).mean().sqrt().item()
    assert problem.residual(estimate.image) == pytest.approx(prior.discrepancy * law, rel=0.02)
    assert decibels(estimate.image, photograph) > decibels(problem.y.clamp(0, 1), photograph) + 4


def test_more_noise_asks_for_a_larger_weight(photograph: torch.Tensor) -> None:
    y = denoising(photograph).y
    weights = [solution(TotalVariation(), Problem(y, Identity(), sigma=s))[1].weight for s in (0.05, 0.1)]
    assert weights[0] < weights[1]


def test_the_weight_of_colour_is_chosen_by_held_out_measurements(photograph: torch.Tensor) -> None:
    """Of two images, one with its colours faded and one with its channels torn apart."""
    grey = photograph.mean(dim=1, keepdim=True)
    chosen = []
    for x in (
        grey + 0.1 * (photograph - grey),
        torch.stack([photograph[:, 0], photograph[:, 1].flip(-1), photograph[:, 2].flip(-2)], 1),
    ):
        problem = damaged("demosaic", x)
        run = TotalVariation.for_problem(problem).begin(problem, seeded())
        chosen.append(run.findings()["chroma"])
    assert chosen[0] > 3
    assert chosen[1] < 2


# --- the run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["denoise", "inpaint"])
def test_shorter_steps_still_converge(name: str, photograph: torch.Tensor) -> None:
    problem = damaged(name, photograph, NOISE.get(name))
    prior = TotalVariation(weight=0.05)
    reference, _ = solution(prior, problem)
    run = prior.begin(problem, seeded())
    run.shrink_step(0.5)
    for _ in range(60):
        estimate = run.step()
    assert estimate.loss == pytest.approx(reference.loss, rel=2e-3)


def test_default_stopping_stops_at_the_gap(photograph: torch.Tensor) -> None:
    problem = denoising(photograph)
    prior = TotalVariation(weight=0.1)
    rule = prior.default_stopping(problem)
    rule.start(problem)
    assert not rule.update(Estimate(photograph, 1.0, 10, gap=None))
    assert not rule.update(Estimate(photograph, 1.0, 20, gap=10 * prior.tolerance))
    assert rule.update(Estimate(photograph, 1.0, 30, gap=prior.tolerance))
    assert "gap" in rule.reason


# --- nothing to do, and nothing to find -----------------------------------------------------------------------


@pytest.mark.parametrize("prior", ["tv", "huber_tv", "tgv", "nltv"])
def test_an_image_without_noise_is_left_as_it_is(prior: str, photograph: torch.Tensor) -> None:
    result = zeroshot.solve(photograph, "denoise", prior, sigma=0.0, device="cpu", progress=False)
    assert torch.equal(result.image, photograph)
    assert result.iterations == 1


def test_a_weight_that_is_given_is_used_without_noise_too(photograph: torch.Tensor) -> None:
    problem = Problem(photograph, Identity(), sigma=0.0, task="denoise")
    assert not torch.equal(solution(TotalVariation(weight=0.1), problem)[0].image, photograph)


@pytest.mark.parametrize("prior", ["tv", "huber_tv", "tgv"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_constant_image_is_recognised_at_once(prior: str, channels: int) -> None:
    flat = torch.full((1, channels, 24, 20), 0.37)
    result = zeroshot.solve(flat, "denoise", prior, sigma=25 / 255, device="cpu", progress=False)
    assert result.iterations <= 100
    assert "gap" in result.stopped_by
    torch.testing.assert_close(result.image, flat, atol=1e-5, rtol=0)
