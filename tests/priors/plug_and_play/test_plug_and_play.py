"""Splitting schemes reach known minima with known denoisers, and restore every kind of damage with any."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

import zeroshot
from tests.doubles import WithoutProx, run_to_end
from tests.pictures import (
    as_image,
    damaged,
    decibels,
    denoising,
    inpainting,
    measured_by,
    sample,
    seeded,
    uniform,
    with_noise,
)
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.deadline import Deadline, kept
from zeroshot.noise import add_gaussian, add_poisson, add_salt_and_pepper, random_mask
from zeroshot.operators import Blur, Grayscale, Identity, Mask, Mosaic, Operator, Stack
from zeroshot.prior import Prior
from zeroshot.priors import denoising as denoisers
from zeroshot.priors.plug_and_play import pnp
from zeroshot.priors.plug_and_play.pnp import PlugAndPlay, RegularisationByDenoising
from zeroshot.priors.self_similarity.bm3d import collaborative
from zeroshot.priors.sparse.dct import OverlappingDCT
from zeroshot.priors.sparse.gsr import GroupSparseRepresentation
from zeroshot.priors.warm_start import FirstImage, Look, first_image
from zeroshot.problem import Problem
from zeroshot.registry import prior_class
from zeroshot.solvers.data_step import DataStep
from zeroshot.solvers.plug_and_play import Denoise, splitting

NOISE = 0.1


DENOISER = OverlappingDCT(patch=4, refinement="none")


@pytest.fixture(scope="module")
def photograph(photograph: torch.Tensor) -> torch.Tensor:
    """The middle of it: splitting schemes denoise it many times."""
    return photograph[..., 16:80, 16:80].contiguous()


@pytest.mark.parametrize("family", [PlugAndPlay, RegularisationByDenoising])
def test_a_data_term_without_a_proximal_map_is_refused(family: type[PlugAndPlay]) -> None:
    problem = Problem(torch.zeros(1, 1, 8, 8), Blur.gaussian(1.0), WithoutProx(), task="deblur")
    reason = family(DENOISER).supports(problem)
    assert reason == "plug and play needs a data term with a proximal map, and WithoutProx has none"
    assert reason == DENOISER.supports(problem)


# --- minima that are known ---------------------------------------------------------------------------------


def least_squares() -> tuple[Operator, torch.Tensor, torch.Tensor]:
    """Some pixels of a small image, their measurement, and the mask as a matrix."""
    operator = Mask(uniform(6, 7, seed=2) < 0.7)
    y = add_gaussian(operator(uniform(1, 1, 6, 7)), NOISE, seeded(1)) * operator.mask
    return operator, y, torch.diag(operator.mask.flatten().double())


def smoother() -> tuple[torch.Tensor, Callable[[float], torch.Tensor]]:
    """A quadratic penalty ½ xᵀ L x, and the matrix of its proximal map at a noise level."""
    corners = torch.randn(42, 42, generator=seeded(5), dtype=torch.float64)
    penalty = corners @ corners.T / 42 * 20
    return penalty, lambda sigma: torch.linalg.inv(torch.eye(42, dtype=torch.float64) + sigma**2 * penalty)


def as_denoiser(matrix: Callable[[float], torch.Tensor]) -> Denoise:
    cached = functools.cache(lambda sigma: matrix(sigma).float())
    return lambda x, sigma: (cached(sigma) @ x.flatten()).view_as(x)


def iterated(scheme: str, denoise: Denoise, levels: list[float], weight: float) -> torch.Tensor:
    operator, y, _ = least_squares()
    step = DataStep(operator, y, Gaussian(NOISE))
    solver = splitting(scheme, step, denoise, y)
    for sigma in levels:
        solver.advance(sigma, weight / sigma**2)
    return solver.image.flatten().double()


def test_half_quadratic_splitting_minimises_the_coupled_objective() -> None:
    # min over x, z of |A x − y|² / 2σₙ² + (w/2s²) |x − z|² + (w/2) zᵀ L z
    weight, sigma = 0.7, 0.3
    _, y, matrix = least_squares()
    penalty, prox = smoother()
    z = iterated("hqs", as_denoiser(prox), [sigma] * 400, weight)
    normal, eye = matrix.T @ matrix / NOISE**2, torch.eye(42, dtype=torch.float64)
    coupling = weight / sigma**2 * eye
    system = torch.cat(
        [torch.cat([normal + coupling, -coupling], 1), torch.cat([-coupling, coupling + weight * penalty], 1)]
    )
    right = torch.cat([matrix.T @ y.flatten().double() / NOISE**2, torch.zeros(42, dtype=torch.float64)])
    torch.testing.assert_close(z, torch.linalg.solve(system, right)[42:], atol=2e-4, rtol=0)


@pytest.mark.parametrize(
    "levels", [[0.3] * 400, [1.0, 0.8, 0.6, 0.5, 0.4] + [0.3] * 400], ids=["fixed", "falling"]
)
def test_admm_minimises_the_whole_objective_whatever_the_levels_were(levels: list[float]) -> None:
    # min over x of |A x − y|² / 2σₙ² + (w/2) xᵀ L x
    weight = 0.7
    _, y, matrix = least_squares()
    penalty, prox = smoother()
    z = iterated("admm", as_denoiser(prox), levels, weight)
    system = matrix.T @ matrix / NOISE**2 + weight * penalty
    expected = torch.linalg.solve(system, matrix.T @ y.flatten().double() / NOISE**2)
    torch.testing.assert_close(z, expected, atol=2e-4, rtol=0)


def test_admm_with_soft_thresholding_satisfies_the_conditions_of_the_sparse_minimum() -> None:
    # min over x of |A x − y|² / 2σₙ² + w t |B x|₁ with B orthogonal
    weight, slope = 0.7, 5.0
    _, y, matrix = least_squares()
    basis = torch.linalg.qr(torch.randn(42, 42, generator=seeded(3), dtype=torch.float64))[0]
    single = basis.float()

    def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        coefficients = functional.softshrink(single @ x.flatten(), slope * sigma**2)
        return (single.T @ coefficients).view_as(x)

    z = iterated("admm", denoise, [0.3] * 3000, weight)
    coefficients = basis @ z
    gradient = basis @ (matrix.T @ (matrix @ z - y.flatten().double())) / NOISE**2
    used = coefficients.abs() > 1e-3
    assert 3 < int(used.sum()) < 40
    limit = weight * slope
    torch.testing.assert_close(gradient[used], -limit * coefficients[used].sign(), atol=0.02 * limit, rtol=0)
    assert gradient[~used].abs().max() < 1.02 * limit


def test_red_reaches_its_closed_form() -> None:
    # Aᵀ(A x − y)/σₙ² + (w/s²) (x − F x) = 0
    weight, sigma = 0.2, 0.4
    _, y, matrix = least_squares()
    _, prox = smoother()
    x = iterated("red", as_denoiser(prox), [sigma] * 1500, weight)
    eye = torch.eye(42, dtype=torch.float64)
    system = matrix.T @ matrix / NOISE**2 + weight / sigma**2 * (eye - prox(sigma))
    expected = torch.linalg.solve(system, matrix.T @ y.flatten().double() / NOISE**2)
    torch.testing.assert_close(x, expected, atol=1e-3, rtol=0)


def test_the_acceleration_of_red_is_one() -> None:
    _, prox = smoother()
    far = iterated("red", as_denoiser(prox), [0.1] * 3000, 0.02)
    accelerated, plain = (iterated(s, as_denoiser(prox), [0.1] * 25, 0.02) for s in ("red", "hqs"))
    # HQS returns the denoiser's output: one data step more makes it RED's plain iterate.
    operator, y, _ = least_squares()
    step = DataStep(operator, y, Gaussian(NOISE))
    plain = step(plain.float().view(1, 1, 6, 7), 0.02 / 0.1**2).flatten().double()
    assert (accelerated - far).norm() < 0.5 * (plain - far).norm()


# --- every kind of damage ----------------------------------------------------------------------------------


def problem_of(name: str, x: torch.Tensor) -> Problem:
    """The damage of a task, or one of three others."""
    if name == "noisy holes":
        return inpainting(x, sigma=15 / 255)
    if name == "valid blur":
        return measured_by(Blur.disk(2, "valid"), x, 2 / 255, "deblur")
    if name == "composition":
        return measured_by(Mosaic("RGGB") @ Blur.gaussian(1.0), x, 2 / 255)
    return damaged(name, x)


#: What a test of three schemes does with one of them, since the others meet the same in other problems.
WITH_ONE = {"deblur": "red", "valid blur": "admm", "composition": "hqs", "demosaic": "red"}


def with_schemes(*names: str) -> list[Any]:
    """Every problem with every scheme; by default some with one of them only."""
    return [
        pytest.param(name, scheme, marks=() if WITH_ONE.get(name, scheme) == scheme else pytest.mark.slow)
        for name in names
        for scheme in ("hqs", "admm", "red")
    ]


@pytest.mark.parametrize(
    ("name", "scheme"),
    with_schemes("inpaint", "noisy holes", "sr", "deblur", "valid blur", "demosaic", "composition"),
)
def test_gains_over_the_first_estimate(name: str, scheme: str, photograph: torch.Tensor) -> None:
    if name in ("inpaint", "noisy holes"):  # of which the middle has little to fill
        photograph = as_image(sample("astronaut")[60:156, 170:266])
    elif name == "composition":
        photograph = photograph[..., :48, :48].contiguous()
    problem = problem_of(name, photograph)
    family = RegularisationByDenoising if scheme == "red" else PlugAndPlay
    prior = family.for_problem(problem, denoiser=DENOISER, scheme=scheme, iterations=10)
    image = run_to_end(prior, problem).image
    assert image.shape == photograph.shape
    assert 0 <= image.min().item() <= image.max().item() <= 1
    gain = decibels(image, photograph) - decibels(problem.initial(), photograph)
    assert gain > {"noisy holes": 1.0, "demosaic": 1.0, "deblur": 0.8, "valid blur": 0.5}.get(name, 0.2)


@pytest.mark.parametrize(("name", "scheme"), with_schemes("inpaint", "demosaic"))
def test_what_is_known_without_noise_is_kept(name: str, scheme: str, photograph: torch.Tensor) -> None:
    problem = damaged(name, photograph)
    prior = PlugAndPlay.for_problem(problem, denoiser=DENOISER, scheme=scheme, iterations=3)
    image = run_to_end(prior, problem).image
    torch.testing.assert_close(problem.operator(image), problem.y, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("term", "spoil"),
    [
        (Poisson(1 / 40), lambda x: add_poisson(x, 40, seeded())),
        (L1(), lambda x: add_salt_and_pepper(x, 0.1, seeded())),
        (Huber(0.05), lambda x: add_salt_and_pepper(with_noise(x, 0.03), 0.05, seeded())),
    ],
    ids=["poisson", "l1", "huber"],
)
@pytest.mark.parametrize("operator", [Blur.gaussian(0.7), Mask(torch.eye(64) < 1)], ids=["blur", "mask"])
def test_other_kinds_of_noise(
    operator: Operator,
    term: DataTerm,
    spoil: Callable[[torch.Tensor], torch.Tensor],
    photograph: torch.Tensor,
) -> None:
    measured = operator.mask if isinstance(operator, Mask) else None
    y = spoil(operator(photograph).clamp(0, 1))
    y = y if measured is None else y * measured
    problem = Problem(y, operator, term, task="restore", measured=measured)
    prior = PlugAndPlay.for_problem(problem, denoiser=DENOISER, iterations=6)
    gain = decibels(run_to_end(prior, problem).image, photograph) - decibels(problem.initial(), photograph)
    assert gain > 1.5


def test_colour_hints_and_batches_and_odd_sizes(photograph: torch.Tensor) -> None:
    x = torch.cat([photograph[..., :41, :37], photograph[..., 23:, 27:]])
    hints = random_mask((2, 3, 41, 37), 0.8, seeded())
    operator = Stack([Grayscale(), Mask(hints)])
    measured = torch.cat([torch.ones(2, 1, 41, 37), hints.expand(-1, 3, -1, -1)], dim=1)
    problem = Problem(operator(x), operator, sigma=0.0, task="colorize", measured=measured)
    prior = PlugAndPlay.for_problem(problem, denoiser=DENOISER)
    together = run_to_end(prior, problem).image
    assert decibels(together, x) > decibels(problem.initial(), x) + 1
    second = Problem(
        problem.y[1:], operator.for_image(1, 2), sigma=0.0, task="colorize", measured=measured[1:]
    )
    torch.testing.assert_close(run_to_end(prior, second).image, together[1:], atol=2e-3, rtol=0)


# --- settings and the run ----------------------------------------------------------------------------------


def test_a_function_is_a_denoiser(photograph: torch.Tensor) -> None:
    problem = damaged("inpaint", photograph)
    levels: list[float] = []

    def halfway(noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        levels.append(sigma)
        return functional.avg_pool2d(functional.pad(noisy, (1, 1, 1, 1), mode="replicate"), 3, stride=1)

    prior = PlugAndPlay(denoiser=halfway, iterations=5, sigma_start=0.2, sigma_end=0.0125)
    run = prior.begin(problem, seeded())
    while not run.finished:
        run.step()
    assert levels == pytest.approx([0.2, 0.1, 0.05, 0.025, 0.0125])
    assert run.findings() == {
        "scheme": "hqs",
        "denoiser": halfway.__qualname__,
        "chroma": 1.0,
        "last_noise_level": pytest.approx(0.0125),
    }
    assert prior.settings()["denoiser"] == halfway.__qualname__


def test_the_last_level_is_that_of_the_noise() -> None:
    prior = PlugAndPlay(sigma_start=0.2, sigma_least=0.01, iterations=4, constant=0.5)
    assert prior.levels(0.05) == pytest.approx([0.2, 0.05, 0.05, 0.05])
    assert prior.levels(0.0)[-1] == pytest.approx(0.01)
    assert prior.levels(0.5) == pytest.approx([0.5] * 4)
    assert dataclasses.replace(prior, constant=1.0, sigma_end=0.03).levels(0.5) == pytest.approx([0.03] * 4)


def test_the_defaults_follow_the_problem(photograph: torch.Tensor) -> None:
    mosaic, mask = damaged("demosaic", photograph), damaged("inpaint", photograph)
    assert PlugAndPlay.for_problem(mosaic).chroma == 2
    assert PlugAndPlay.for_problem(mosaic).initial == "wavelet"
    noisy = PlugAndPlay.for_problem(dataclasses.replace(mosaic, sigma=20 / 255))
    assert noisy.initial is None is noisy.chroma
    fewer = dataclasses.replace(mosaic, task="restore")
    assert PlugAndPlay.for_problem(fewer).chroma == 2 > 1 == PlugAndPlay.for_problem(mask).chroma
    assert PlugAndPlay.for_problem(mosaic, chroma=1.0).chroma == 1
    assert PlugAndPlay.for_problem(mask).scheme == "admm"
    assert RegularisationByDenoising.for_problem(mask).scheme == "red"
    robust = PlugAndPlay.for_problem(dataclasses.replace(mask, data_term=L1()))
    assert robust.sigma_start < PlugAndPlay.for_problem(mask).sigma_start


def test_chroma_is_chosen_by_the_colours_of_the_image(photograph: torch.Tensor) -> None:
    grey = photograph.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    gaudy = (grey + 2 * (photograph.roll(40, -1) - grey)).clamp(0, 1)
    chosen = []
    for image in (grey, gaudy):
        problem = Problem(Mosaic("RGGB")(image), Mosaic("RGGB"), sigma=0.0, task="demosaic")
        prior = PlugAndPlay.for_problem(problem, denoiser=DENOISER, chroma=None, initial=None)
        runs = [prior.begin(problem, seeded()) for _ in range(2)]
        assert runs[0].findings()["chroma"] == runs[1].findings()["chroma"]
        chosen.append(runs[0].findings()["chroma"])
    assert chosen[0] > 1.5 * chosen[1] > 1.5


def test_a_chosen_chroma_demosaicks_better_than_none(photograph: torch.Tensor) -> None:
    problem = Problem(Mosaic("RGGB")(photograph), Mosaic("RGGB"), sigma=0.0, task="demosaic")
    settings = {"denoiser": DENOISER, "initial": None, "sigma_start": 10 / 255, "sigma_least": 3 / 255}
    chosen, none = (
        run_to_end(PlugAndPlay.for_problem(problem, chroma=chroma, **settings), problem).image
        for chroma in (None, 1.0)
    )
    assert decibels(chosen, photograph) > decibels(none, photograph) + 0.5


def test_plain_noise_is_left_to_the_denoiser(photograph: torch.Tensor) -> None:
    problem = denoising(photograph[..., :48, :48].contiguous())
    image = run_to_end(PlugAndPlay.for_problem(problem), problem).image
    assert torch.equal(image, run_to_end(prior_class("bm3d").for_problem(problem), problem).image)
    assert PlugAndPlay.for_problem(dataclasses.replace(problem, data_term=L1())).iterations > 1
    assert RegularisationByDenoising.for_problem(problem).iterations > 1


def test_demosaicking_goes_on_from_wavelets_and_gains_on_them(photograph: torch.Tensor) -> None:
    problem = Problem(Mosaic("RGGB")(photograph), Mosaic("RGGB"), sigma=0.0, task="demosaic")
    first = first_image("wavelet", problem, seeded()).image
    image = run_to_end(PlugAndPlay.for_problem(problem), problem).image
    assert decibels(first, photograph) > decibels(problem.initial(), photograph) + 2
    assert decibels(image, photograph) > decibels(first, photograph)


@pytest.mark.parametrize("kind", [PlugAndPlay, GroupSparseRepresentation])
def test_edges_go_on_through_a_wide_hole(kind: type[Prior]) -> None:
    # Stripes aslant, across which a smooth filling lays a bridge.
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    truth = (0.5 + 0.3 * torch.tanh(4 * torch.sin((rows + 0.5 * columns) / 5))).expand(1, 1, -1, -1)
    mask = torch.ones_like(truth)
    mask[..., 24:36, 24:36] = 0
    problem = Problem(truth * mask, Mask(mask), sigma=0.0, task="inpaint", measured=mask)
    assert kind.for_problem(problem).initial == "wavelet"
    images = [
        run_to_end(kind.for_problem(problem, **more), problem).image for more in ({}, {"initial": None})
    ]
    assert decibels(images[0], truth) > decibels(images[1], truth) + 0.5
    narrow = damaged("inpaint", truth)
    assert kind.for_problem(narrow).initial is None


def test_a_first_image_that_nobody_can_make_is_the_operators(photograph: torch.Tensor) -> None:
    problem = damaged("inpaint", photograph)
    for name in (None, "bilateral"):
        assert torch.equal(first_image(name, problem, seeded()).image, problem.initial())


def test_names_that_are_no_denoisers_are_refused_in_one_line(photograph: torch.Tensor) -> None:
    problem = damaged("inpaint", photograph)
    for name, message in (("bm33d", "there is no prior 'bm33d'"), ("tv", "'tv' is not a denoiser")):
        reason = PlugAndPlay(denoiser=name).supports(problem)
        assert reason is not None
        assert message in reason
        assert "\n" not in reason
        with pytest.raises(ValueError, match=message):
            PlugAndPlay(denoiser=name).begin(problem, seeded())


def test_a_registered_name_takes_the_settings_for_repeated_use(
    photograph: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Quick(OverlappingDCT):
        def repeated(self) -> OverlappingDCT:
            return DENOISER

    monkeypatch.setattr(pnp, "prior_class", lambda name: {"quick": Quick}[name])
    problem = damaged("inpaint", photograph)
    named = run_to_end(PlugAndPlay(denoiser="quick", iterations=3), problem).image
    direct = run_to_end(PlugAndPlay(denoiser=DENOISER, iterations=3), problem).image
    assert torch.equal(named, direct)


def test_solve_reports_what_was_done(photograph: torch.Tensor) -> None:
    mask = random_mask(photograph.shape, 0.5, seeded())
    prior = PlugAndPlay(denoiser=DENOISER, iterations=4)
    restored = zeroshot.solve(photograph * mask, "inpaint", prior, mask=mask, device="cpu", progress=False)
    assert restored.iterations == 4
    assert restored.provenance["findings"]["denoiser"] == "dct"
    assert restored.provenance["settings"]["denoiser"]["patch"] == 4


# --- searches and looks --------------------------------------------------------------------------------------


def filling() -> Problem:
    """Half of the pixels of a striped picture."""
    rows = torch.arange(48.0)
    picture = (0.5 + 0.3 * torch.sin(rows[:, None] / 3 + rows / 5)).expand(1, 3, 48, 48).contiguous()
    mask = random_mask((1, 1, 48, 48), 0.5, seeded())
    return Problem(
        picture * mask, Mask(mask), Gaussian(), sigma=0.0, task="inpaint", reference_shape=picture.shape
    )


def test_similar_patches_are_sought_now_and_then_and_in_the_last_iteration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    prior = PlugAndPlay.for_problem(filling(), iterations=8)
    run = prior.begin(filling(), seeded())
    searched = collaborative.match_blocks

    def counted(*given: object, **named: object) -> object:
        calls.append(run.index)
        return searched(*given, **named)

    monkeypatch.setattr(collaborative, "match_blocks", counted)
    while not run.finished:
        run.step()
    # In the second the noise falls below the level up to which larger patches are compared.
    assert sorted(set(calls)) == [0, 1, 3, 6, 7]


def test_a_run_goes_on_with_the_groups_that_it_had() -> None:
    prior = PlugAndPlay.for_problem(filling(), iterations=6)
    run = prior.begin(filling(), seeded())
    for _ in range(5):
        run.step()
    state = run.state_dict()
    expected = run.step().image.clone()
    other = prior.begin(filling(), seeded())
    other.load_state_dict(state)
    assert torch.equal(other.step().image, expected)


@pytest.mark.parametrize("prior", ["bm3d", "pnp", "wnnm"])
def test_without_time_for_more_a_noisy_picture_is_looked_at_quickly(prior: str) -> None:
    picture = torch.full((1, 3, 48, 48), 0.5)
    noisy = with_noise(picture, 0.1)
    problem = Problem(noisy, Identity(), Gaussian(), sigma=0.1, task="denoise")
    with kept(Deadline(1000.0)):
        image, called = (
            prior_class(prior).for_problem(problem).suited(problem).begin(problem, seeded()).beginning()
        )
    assert called == "a quick look with the DCT"
    assert decibels(image, picture) > decibels(noisy, picture) + 8
    run = prior_class(prior).for_problem(problem).suited(problem).begin(problem, seeded())
    assert run.beginning() is None, "where time does not matter there is nothing to look at first"


def test_a_denoiser_hurries_where_it_would_not_come_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(uniform(1, 1, 32, 32), Identity(), Gaussian(), sigma=0.1, task="denoise")
    for needed, remark in ((1.0, ""), (2000.0, "with profile fast for want of time")):
        monkeypatch.setattr(
            denoisers, "quick_look", lambda _, needed=needed: Look(FirstImage(problem.y), needed)
        )
        with kept(Deadline(1000.0)):
            run = prior_class("bm3d").for_problem(problem).begin(problem, seeded())
        assert run.remark() == remark


@pytest.mark.parametrize("name", ["bm3d", "wnnm"])
def test_a_run_that_hurried_is_continued_as_it_was_whatever_time_there_is(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = Problem(uniform(1, 1, 24, 24), Identity(), Gaussian(), sigma=0.1, task="denoise")
    monkeypatch.setattr(denoisers, "quick_look", lambda _: Look(FirstImage(problem.y), 2000.0))
    prior = prior_class(name).for_problem(problem)
    with kept(Deadline(1000.0)):
        hurried = prior.begin(problem, seeded())
    hurried.step()
    saved = hurried.state_dict()
    while not hurried.finished:
        hurried.step()
    monkeypatch.setattr(denoisers, "quick_look", lambda _: Look(FirstImage(problem.y)))
    continued = prior.begin(problem, seeded())
    assert continued.remark() == ""
    continued.load_state_dict(saved)
    assert continued.remark() == hurried.remark() != ""
    while not continued.finished:
        continued.step()
    assert torch.equal(continued.step().image, hurried.step().image)
