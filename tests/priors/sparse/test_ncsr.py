"""Properties of nonlocally centralised sparse representation, from its bases to restored images."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.doubles import run_to_end
from tests.pictures import SIGMA, damaged, decibels, denoising, grey, read, seeded, uniform
from zeroshot.data_terms import L1, Poisson
from zeroshot.estimate import Estimate
from zeroshot.noise import add_poisson, random_mask
from zeroshot.operators.blur import Blur
from zeroshot.operators.downsample import Downsample
from zeroshot.operators.grayscale import Grayscale
from zeroshot.operators.identity import Identity
from zeroshot.operators.mosaic import Mosaic
from zeroshot.operators.operator import Operator
from zeroshot.priors.sparse.ncsr import overlapping_strips
from zeroshot.priors.sparse.ncsr.centralisation import Centralisation, Similar, find_similar
from zeroshot.priors.sparse.ncsr.data_step import towards_measurement
from zeroshot.priors.sparse.ncsr.denoising import level_of
from zeroshot.priors.sparse.ncsr.dictionaries import Dictionaries, k_means, learn, principal_components
from zeroshot.priors.sparse.ncsr.ncsr import NonlocallyCentralizedSparse, treats_channels_alike
from zeroshot.priors.sparse.ncsr.overlapping_strips import strips
from zeroshot.priors.warm_start import first_image
from zeroshot.problem import Problem


def solve(problem: Problem, **settings: Any) -> Estimate:
    return run_to_end(NonlocallyCentralizedSparse.for_problem(problem, **settings), problem)


def one_basis(dimension: int, channels: int = 1) -> Dictionaries:
    basis, _ = torch.linalg.qr(torch.randn(dimension, dimension, generator=seeded()))
    return Dictionaries(torch.empty(0, dimension), basis.expand(1, channels, -1, -1), 1.0)


# --- bases -------------------------------------------------------------------------------------------------


def test_bases_are_orthonormal_for_colour_and_grey(photograph: torch.Tensor) -> None:
    for image in (photograph[0], grey(photograph)[0]):
        bases = learn(image, 5, 20, 100, 1.6, 0.02, seeded()).bases
        assert len(bases) > 3
        identity = torch.eye(bases.shape[-1]).expand_as(bases)
        torch.testing.assert_close(bases @ bases.mT, identity, atol=1e-5, rtol=0)


def test_principal_components_are_ordered_by_variance() -> None:
    samples = torch.randn(500, 6, generator=seeded()) * torch.tensor([1.0, 5.0, 0.1, 3.0, 0.5, 2.0]) + 7
    basis = principal_components([samples[:, None]])[0, 0]
    variances = (samples @ basis.T).var(0)
    assert torch.equal(variances, variances.sort(descending=True).values)
    torch.testing.assert_close(variances, torch.linalg.eigvalsh(samples.T.cov()).flip(0), rtol=1e-3, atol=0)


def test_k_means_finds_clusters_that_lie_apart_and_dissolves_small_ones() -> None:
    truth = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    samples = truth.repeat_interleave(100, 0) + 0.1 * torch.randn(300, 2, generator=seeded())
    centres = k_means(samples, 12, 20, seeded())
    assert torch.cdist(truth, centres).amin(1).max() < 0.5
    nearest = torch.cdist(samples, centres).argmin(1)
    assert torch.bincount(nearest).min() >= 20
    assert k_means(samples[:0], 12, 20, seeded()).shape == (0, 2)


def test_smooth_patches_have_their_own_basis() -> None:
    dictionaries = Dictionaries(
        torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), torch.eye(2).expand(3, 1, 2, 2), 0.2
    )
    features = torch.tensor([[0.1, -0.1], [2.0, -1.0], [-0.5, 0.5]])
    assert dictionaries.assign(features).tolist() == [0, 1, 2]


def test_the_same_seed_learns_the_same_bases(photograph: torch.Tensor) -> None:
    first, again = (learn(photograph[0], 5, 20, 100, 1.6, 0.02, seeded(3)).bases for _ in range(2))
    assert torch.equal(first, again)


# --- centralised shrinkage ---------------------------------------------------------------------------------


def test_the_shrinkage_minimises_its_objective() -> None:
    """One 3 × 3 patch: α* of ½(α − α₀)² + τ|α − β| is looked for on a grid."""
    image = uniform(1, 3, 3)
    dictionaries = one_basis(9)
    similar = Similar(torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1))
    model = Centralisation(image, dictionaries, similar, 3, 1, 1.0)
    means = uniform(1, 9, seed=1)
    threshold = 0.1
    shrunk = dictionaries.bases[0, 0] @ model.shrink(image, threshold, means).flatten()
    alpha, beta = dictionaries.bases[0, 0] @ image.flatten(), dictionaries.bases[0, 0] @ means[0]
    grid = torch.linspace(-4, 4, 80001)[:, None]
    objective = (grid - alpha).square() / 2 + threshold * (grid - beta).abs()
    torch.testing.assert_close(shrunk, grid[objective.argmin(0), 0], atol=2e-4, rtol=0)


def test_without_centralisation_it_is_plain_iterative_shrinkage() -> None:
    """β = 0, one basis, every patch: compared with loops over the patches."""
    image, size, threshold = uniform(1, 9, 8), 4, 0.15
    dictionaries = one_basis(size * size)
    count = 6 * 5
    similar = Similar(torch.arange(count)[:, None], torch.ones(count, 1))
    model = Centralisation(image, dictionaries, similar, size, 1, 1.0)
    basis, current, expected = dictionaries.bases[0, 0], image, image[0]
    for _ in range(3):
        current = model.shrink(current, threshold, torch.zeros(count, size * size))
        total, cover = torch.zeros(9, 8), torch.zeros(9, 8)
        for row in range(6):
            for column in range(5):
                place = (slice(row, row + size), slice(column, column + size))
                code = basis @ expected[place].flatten()
                code = code.sign() * (code.abs() - threshold).clamp(min=0)
                total[place] += (basis.T @ code).view(size, size)
                cover[place] += 1
        expected = total / cover
    torch.testing.assert_close(current[0], expected, atol=1e-5, rtol=0)


def test_means_and_variances_agree_with_loops(photograph: torch.Tensor) -> None:
    image, size, stride = photograph[0, :, :20, :23], 3, 2
    dictionaries = learn(image, size, 4, 20, 1.0, 0.0, seeded())
    similar = find_similar(image[:1], size, 5, stride, 4, 0.01)
    model = Centralisation(image, dictionaries, similar, size, stride, 1.0)
    rows = torch.nn.functional.unfold(image[None], size)[0].T.contiguous()
    means, variances = model.means(rows), model.variances(image)
    start = 0
    for count, bases in zip(model._counts, dictionaries.bases, strict=True):
        basis = torch.block_diag(*bases)
        for place in range(start, start + count):
            patch = int(model._order[place])
            members = rows[similar.corners[patch]]
            expected = (similar.weights[patch][:, None] * members).sum(0)
            torch.testing.assert_close(means[patch], expected, atol=1e-5, rtol=0)
            spread = ((members - expected) @ basis.T).square().mean(0)
            torch.testing.assert_close(variances[place], spread, atol=1e-6, rtol=1e-3)
        start += count
    assert start == len(similar.corners)


def test_an_infinite_threshold_leaves_the_means_and_none_changes_nothing(photograph: torch.Tensor) -> None:
    image = photograph[0]
    similar = find_similar(image[:1], 5, 8, 2, 8, 0.01)
    model = Centralisation(image, one_basis(25, channels=3), similar, 5, 2, 1.6)
    torch.testing.assert_close(model.shrink(image, 0.0), image, atol=1e-4, rtol=0)
    assert decibels(model.shrink(image, 1e9), image) < 45


def test_similar_patches_are_weighted_by_their_distance(photograph: torch.Tensor) -> None:
    similar = find_similar(grey(photograph)[0], 5, 6, 3, 8, 1e-3)
    torch.testing.assert_close(similar.weights.sum(1), torch.ones(len(similar.weights)))
    assert torch.equal(similar.weights[:, 0], similar.weights[:, 1])
    assert (similar.weights.diff(dim=1) <= 1e-7).all()


def test_place_decides_between_equal_patches_alone() -> None:
    """A slope of a quarter of a grey level a row beside what gives the image its contrast."""
    image = torch.full((1, 32, 96), 0.9)
    image[..., :64] = 0.2 + 1e-3 * torch.arange(32)[:, None]
    similar = find_similar(image, 6, 20, 1, 20, 1e-3)
    columns = 96 - 6 + 1
    corners = similar.corners[13 * columns + 30]
    assert (corners // columns == 13).all()
    assert (corners % columns - 30).abs().max() <= 12


# --- strips, colours, data step ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (97, 33), (500, 40), (4000, 3000)])
def test_strips_cover_every_row_once_and_overlap(shape: tuple[int, int]) -> None:
    height, width = shape
    rows = torch.zeros(height)
    for strip in strips(height, width, 20, 3 * 49):
        rows[strip.own] += 1
        assert strip.begin == max(0, strip.first - 20)
        assert strip.end == min(height, strip.last + 20)
        assert torch.equal(torch.arange(height)[strip.cut][strip.kept], torch.arange(height)[strip.own])
    assert (rows == 1).all()


def test_strips_are_thinner_the_more_numbers_a_patch_holds() -> None:
    for numbers in (49, 2 * 49, 3 * 49):
        parts = list(strips(4000, 3000, 40, numbers))
        largest = max(part.last - part.first for part in parts) * 3000 * numbers
        assert 0.5 * overlapping_strips.NUMBERS < largest < 1.1 * overlapping_strips.NUMBERS


def test_strips_change_the_image_little(photograph: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    x = grey(photograph)
    whole = solve(denoising(x), rounds=1, radius=8).image
    monkeypatch.setattr(overlapping_strips, "NUMBERS", 96 * 48 * 49)
    parts = solve(denoising(x), rounds=1, radius=8).image
    assert not torch.equal(whole, parts)
    assert decibels(parts, x) > decibels(whole, x) - 0.3


@pytest.mark.parametrize(
    ("operator", "alike"),
    [(Downsample(2), True), (Blur.gaussian(1.0), True), (Mosaic("RGGB"), False), (Grayscale(), False)],
    ids=["downsample", "blur", "mosaic", "grayscale"],
)
def test_operators_that_mix_channels_are_told_apart(operator: Operator, alike: bool) -> None:
    assert treats_channels_alike(operator, (2, 3, 16, 18)) is alike


def test_the_data_step_solves_its_normal_equations() -> None:
    x, y = (torch.rand(2, 1, 12, 14, generator=seeded(i)) for i in range(2))
    operator, weight = Blur.gaussian(1.0), random_mask(x.shape, 0.3, seeded())
    z = towards_measurement(x, y, operator, weight, 0.1, 200)
    gradient = operator.adjoint(weight * (operator(z) - y)) + 0.1 * (z - x)
    assert gradient.abs().max() < 1e-5
    met = operator(x)
    torch.testing.assert_close(towards_measurement(x, met, operator, None, 0.1, 5), x)


# --- whole runs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [15, 50])
def test_denoising_gains(level: int, photograph: torch.Tensor) -> None:
    x = grey(photograph)
    problem = denoising(x, level / 255)
    assert decibels(solve(problem).image, x) > decibels(problem.y, x) + {15: 6, 50: 9}[level]


def test_colour_is_denoised_better_together_than_channel_by_channel(photograph: torch.Tensor) -> None:
    crop = photograph[..., :64, :64]
    problem = denoising(crop)
    together = solve(problem).image
    channels = [dataclasses.replace(problem, y=problem.y[:, i : i + 1], reference_shape=()) for i in range(3)]
    apart = torch.cat([solve(channel).image for channel in channels], dim=1)
    assert decibels(together, crop) > decibels(apart, crop) + 0.5


@pytest.mark.parametrize(("name", "gain"), [("sr", 1.0), ("deblur", 3.0), ("inpaint", 0.6)])
def test_restores_better_than_the_first_estimate(name: str, gain: float, photograph: torch.Tensor) -> None:
    x = grey(photograph)[..., :64, :64]
    problem = damaged(name, x, 2**0.5 / 255 if name == "deblur" else None)
    estimate = solve(problem, rounds=3, inner=10)
    assert decibels(estimate.image, x) > decibels(problem.initial(), x) + gain
    assert estimate.iteration == 30


def test_demosaics_all_channels(photograph: torch.Tensor) -> None:
    x = photograph[..., :48, :48]
    problem = damaged("demosaic", x)
    estimate = solve(problem, rounds=2, inner=10)
    assert decibels(estimate.image, x) > decibels(problem.initial(), x) + 2


def test_demosaicking_goes_on_from_wavelets_and_loses_nothing(photograph: torch.Tensor) -> None:
    x = photograph[..., :48, :48].contiguous()
    problem = damaged("demosaic", x)
    prior = NonlocallyCentralizedSparse.for_problem(problem)
    assert prior.initial == "wavelet"
    first = first_image("wavelet", problem, seeded()).image
    run = prior.begin(problem, seeded())
    while not run.finished:
        image = run.step().image
    assert decibels(image, x) > decibels(first, x) - 0.1


def test_super_resolution_leaves_the_chroma_of_the_first_estimate(photograph: torch.Tensor) -> None:
    x = photograph[..., :48, :48]
    problem = damaged("sr", x)
    prior = NonlocallyCentralizedSparse(rounds=2, inner=5)
    run = prior.start(problem, seeded())
    while not run.finished:
        image = run.step().image
    change = image - problem.initial()
    inside = ((image > 0) & (image < 1)).all(1, keepdim=True).expand_as(image)
    assert run.findings()["channels"] == "luminance"
    assert change.abs().max() > 0.01
    assert (change - change.mean(1, keepdim=True))[inside].abs().max() < 1e-5
    everything = dataclasses.replace(prior, colour="all").start(problem, seeded())
    everything.step()
    assert everything.findings()["channels"] == "all"


@pytest.mark.parametrize("name", ["denoise", "sr", "deblur", "inpaint"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_constant_image_stays(name: str, channels: int) -> None:
    x = torch.full((1, channels, 24, 24), 0.4)
    problem = damaged(name, x, 5 / 255 if name == "denoise" else None)
    problem = dataclasses.replace(problem, y=problem.operator(x))
    torch.testing.assert_close(solve(problem, rounds=2, inner=3).image, x, atol=1e-4, rtol=0)


def test_no_noise_nothing_to_denoise(photograph: torch.Tensor) -> None:
    x = photograph[..., :20, :20]
    torch.testing.assert_close(solve(Problem(x, Identity(), sigma=0.0, task="denoise")).image, x)


def test_poisson_noise_is_stabilised(photograph: torch.Tensor) -> None:
    x = grey(photograph)
    y = add_poisson(x, 30, seeded())
    problem = Problem(y, Identity(), Poisson(1 / 30), task="denoise")
    assert decibels(solve(problem).image, x) > decibels(y, x) + 6


def test_an_unknown_noise_level_is_estimated(photograph: torch.Tensor) -> None:
    problem = dataclasses.replace(denoising(grey(photograph)), sigma=None)
    run = NonlocallyCentralizedSparse(rounds=1).start(problem, seeded())
    run.step()
    assert run.findings()["sigma"] == pytest.approx(SIGMA, rel=0.1)


@pytest.mark.parametrize("name", ["denoise", "deblur"])
@pytest.mark.parametrize(
    "shape", [(1, 1, 33, 21), (2, 3, 17, 26), (1, 1, 4, 9), (1, 1, 1, 12), (1, 2, 20, 20)]
)
def test_odd_and_tiny_sizes_batches_and_channels(name: str, shape: tuple[int, ...]) -> None:
    y = uniform(*shape)
    operator = Identity() if name == "denoise" else Blur(torch.ones(1, 3), "replicate")
    estimate = solve(Problem(y, operator, sigma=SIGMA, task=name), rounds=2, inner=2)
    assert estimate.image.shape == y.shape
    assert estimate.image.isfinite().all()


# --- settings ----------------------------------------------------------------------------------------------


WRONG = dict.fromkeys(("clusters", "radius", "inner", "gradients", "block", "strength", "assumed_noise"), 0)
WRONG |= {"patch": 33, "similar": 1, "stride": 1.5, "rounds": True, "colour": "luma"}


def test_strong_noise_and_mosaics_take_fewer_rounds_unless_the_caller_says(photograph: torch.Tensor) -> None:
    problem = dataclasses.replace(damaged("deblur", photograph), sigma=8 / 255)
    assert NonlocallyCentralizedSparse.for_problem(problem).iterations == 80
    assert NonlocallyCentralizedSparse.for_problem(problem, rounds=6).iterations == 120
    assert NonlocallyCentralizedSparse.for_problem(damaged("demosaic", photograph)).iterations == 40
    assert NonlocallyCentralizedSparse.for_problem(denoising(photograph)).rounds is None


def test_unsuitable_problems_are_refused(photograph: torch.Tensor) -> None:
    class Square(Identity):
        linear = False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * x

    prior = NonlocallyCentralizedSparse()
    assert "linear" in (prior.supports(Problem(photograph, Square())) or "")
    assert "L1" in (prior.supports(Problem(photograph, Identity(), L1())) or "")
    assert "only denoise" in (prior.supports(Problem(photograph, Blur.gaussian(1.0), Poisson(0.1))) or "")
    with pytest.raises(ValueError, match="needs a linear operator"):
        prior.begin(Problem(photograph, Square()), seeded())


@pytest.mark.parametrize(("level", "patch"), [(5, 6), (10, 6), (15, 6), (25, 7), (30, 7), (50, 9), (75, 8)])
def test_the_level_is_that_of_the_whole_grey_levels_of_the_literature(level: int, patch: int) -> None:
    assert level_of(level / 255).patch == patch
    assert level_of(level / 255).up_to >= level / 255 - 1e-6


# --- published quality -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_house_is_denoised_as_well_as_published(shared: Path) -> None:
    x = read(shared / "data" / "set12" / "house.png")
    # BM3D reaches 32.85 dB at sigma = 25.
    assert decibels(solve(denoising(x)).image, x) > 32.7
