"""K-SVD: the dictionary, how it is learned, and the images it restores."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.doubles import run_to_end
from tests.pictures import SIGMA, decibels, denoising, inpainting, read, seeded, uniform
from zeroshot.data_terms import Poisson
from zeroshot.loop import Loop
from zeroshot.noise import add_poisson, random_mask
from zeroshot.operators.blur import Blur
from zeroshot.operators.identity import Identity
from zeroshot.operators.mask import Mask
from zeroshot.priors.sparse.dictionary.averaging import Coder, code_image
from zeroshot.priors.sparse.dictionary.ksvd import cosine_dictionary, replace_atoms, update_atoms
from zeroshot.priors.sparse.dictionary.learned_dictionary import LearnedDictionary
from zeroshot.priors.sparse.dictionary.matching_pursuit import (
    SparseCodes,
    matching_pursuit,
    weighted_matching_pursuit,
)
from zeroshot.problem import Problem

#: Enough for the properties, and fast.
QUICK: dict[str, Any] = {"sweeps": 3, "training": 1500, "atoms": 96, "patch": 6}


def planted(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A random dictionary, and signals that are sums of three of its atoms."""
    truth = functional.normalize(torch.randn(50, 20, dtype=torch.float64, generator=generator), dim=1)
    atoms = torch.stack([torch.randperm(50, generator=generator)[:3] for _ in range(1500)])
    values = torch.randn(1500, 3, dtype=torch.float64, generator=generator)
    return truth, torch.zeros(1500, 50, dtype=torch.float64).scatter_(1, atoms, values) @ truth


# --- the dictionary ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "channels", "atoms"), [(8, 1, 255), (8, 3, 253), (5, 1, 24), (3, 2, 9)])
def test_cosine_atoms_have_length_one_and_no_mean(size: int, channels: int, atoms: int) -> None:
    dictionary = cosine_dictionary(size, channels, atoms)
    assert dictionary.shape == (atoms, channels * size**2)
    torch.testing.assert_close(dictionary.norm(dim=1), torch.ones(atoms))
    means = dictionary.unflatten(1, (channels, -1)).mean(-1)
    assert means.abs().max() < 1e-6
    cosines = (dictionary @ dictionary.T).fill_diagonal_(0).abs()
    assert cosines.max() < 0.999


def test_complete_cosines_are_the_discrete_cosine_transform() -> None:
    dictionary = cosine_dictionary(8, 1, 63)
    torch.testing.assert_close(dictionary @ dictionary.T, torch.eye(63), atol=1e-5, rtol=0)


# --- learning ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", ["equal", "random", "holes"])
def test_fitting_the_atoms_never_increases_the_error(weighting: str, generator: torch.Generator) -> None:
    dictionary = cosine_dictionary(6, 1, 80).double()
    signals = torch.randn(400, 36, dtype=torch.float64, generator=generator).cumsum(1)
    draw = torch.rand(400, 36, dtype=torch.float64, generator=generator)
    weights = {"equal": None, "random": draw, "holes": (draw < 0.5).double()}[weighting]
    if weights is None:
        codes = matching_pursuit(dictionary, signals, 4)
    else:
        codes = weighted_matching_pursuit(dictionary, signals, weights, 4)
    residuals = signals - codes.decode(dictionary)
    scale = torch.ones_like(signals) if weights is None else weights
    errors = [(scale * residuals.square()).sum()]
    for _ in range(4):
        dictionary, codes, residuals = update_atoms(dictionary, codes, residuals, weights)
        torch.testing.assert_close(residuals, signals - codes.decode(dictionary))
        torch.testing.assert_close(dictionary.norm(dim=1), torch.ones(80, dtype=torch.float64))
        errors.append((scale * residuals.square()).sum())
    assert all(later <= earlier for earlier, later in itertools.pairwise(errors))
    assert errors[-1] < 0.9 * errors[0]


def test_an_atom_becomes_the_leading_singular_vector_where_it_stands_alone(
    generator: torch.Generator,
) -> None:
    signals = torch.randn(60, 10, dtype=torch.float64, generator=generator)
    dictionary = functional.normalize(torch.randn(1, 10, dtype=torch.float64, generator=generator), dim=1)
    ones = torch.ones(60, dtype=torch.int64)
    codes = SparseCodes(torch.zeros_like(ones), (signals @ dictionary.T)[:, 0], ones)
    residuals = signals - codes.decode(dictionary)
    for _ in range(300):
        dictionary, codes, residuals = update_atoms(dictionary, codes, residuals)
    leading = torch.linalg.svd(signals).Vh[0]
    assert abs(float(dictionary[0] @ leading)) == pytest.approx(1, abs=1e-6)


def test_a_planted_dictionary_is_recovered(generator: torch.Generator) -> None:
    truth, signals = planted(generator)
    dictionary = functional.normalize(signals[:50], dim=1)
    errors = []
    for sweep in range(40):
        codes = matching_pursuit(dictionary, signals, 3)
        residuals = signals - codes.decode(dictionary)
        errors.append(residuals.square().sum().item())
        dictionary, codes, residuals = update_atoms(dictionary, codes, residuals)
        if sweep < 30:
            dictionary, _ = replace_atoms(dictionary, codes, residuals, signals)
    found = (truth @ dictionary.T).abs().amax(1) > 0.99
    assert found.double().mean() > 0.85
    assert errors[-1] < 0.1 * errors[0]
    # The greedy coding may lose a little of what a sweep gained, but not the trend.
    assert all(later < 1.05 * earlier for earlier, later in itertools.pairwise(errors))


def test_with_holes_a_planted_dictionary_is_recovered_too(generator: torch.Generator) -> None:
    truth, signals = planted(generator)
    weights = (torch.rand(signals.shape, generator=generator) < 0.8).double()
    dictionary = functional.normalize(truth + 0.15 * torch.randn(truth.shape, generator=generator), dim=1)
    before = (truth @ dictionary.T).abs().amax(1) > 0.99
    for _ in range(25):
        codes = weighted_matching_pursuit(dictionary, signals, weights, 3)
        residuals = signals - codes.decode(dictionary)
        dictionary, codes, residuals = update_atoms(dictionary, codes, residuals, weights)
    found = (truth @ dictionary.T).abs().amax(1) > 0.99
    assert before.double().mean() < 0.1
    assert found.double().mean() > 0.9


def test_unused_and_doubled_atoms_become_the_worst_represented_signals(generator: torch.Generator) -> None:
    dictionary = torch.eye(6, dtype=torch.float64)
    dictionary[4] = -dictionary[3]
    atoms = torch.tensor([0, 1, 2, 3, 4]).repeat(10)
    codes = SparseCodes(atoms, torch.ones(50, dtype=torch.float64), torch.ones(50, dtype=torch.int64))
    residuals = torch.zeros(50, 6, dtype=torch.float64)
    residuals[7], residuals[9] = 2.0, 1.0
    signals = torch.randn(50, 6, dtype=torch.float64, generator=generator)
    changed, count = replace_atoms(dictionary, codes, residuals, signals)
    assert count == 2
    assert torch.equal(changed[:4], dictionary[:4])
    torch.testing.assert_close(changed[4:], functional.normalize(signals[[7, 9]], dim=1))


# --- coding an image ---------------------------------------------------------------------------------------


def test_the_error_allowed_is_that_of_the_paper_and_as_rare_for_other_sizes() -> None:
    from scipy.stats import chi2

    coder = Coder(sigma=1.0, gain=1.15, sparsity=8, channels=1)
    numbers = torch.tensor([16.0, 64.0, 192.0])
    limits = coder.limits(numbers)
    assert limits[1].item() == pytest.approx(64 * 1.15**2, rel=1e-4)
    chances = chi2.sf(limits.numpy(), numbers.numpy())
    assert chances == pytest.approx([chances[1]] * 3, rel=0.1)


@pytest.mark.parametrize("stride", [1, 3])
def test_strips_do_not_change_the_image(
    stride: int, grey: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = grey[0, :, :41, :37].contiguous()
    arguments = (image, None, cosine_dictionary(6, 1, 80), Coder(SIGMA, 1.15, 10, 1), 6, stride)
    whole = code_image(*arguments)
    monkeypatch.setattr("zeroshot.priors.sparse.dictionary.averaging._STRIP_NUMBERS", 36 * 32 * 5)
    strips = code_image(*arguments)
    torch.testing.assert_close(whole.sums, strips.sums, atol=1e-4, rtol=1e-4)
    assert torch.equal(whole.weights, strips.weights)
    assert whole.weights.min() >= 1
    assert whole.atoms == pytest.approx(strips.atoms)


# --- denoising ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colours", ["grey", "colour"])
def test_denoising_gains_and_learning_gains_more_in_grey(colours: str, photograph: torch.Tensor) -> None:
    x = photograph if colours == "colour" else photograph.mean(dim=1, keepdim=True)
    problem = denoising(x)
    prior = LearnedDictionary.for_problem(problem, sweeps=5, training=3000)
    loop = Loop(problem, prior, generator=seeded())
    loop.step()
    first = decibels(loop.image, x)
    last = decibels(loop.complete().image, x)
    assert first > decibels(problem.initial(), x) + 6.5
    # Dictionaries for colour hold three times as many numbers, too many for the patches of so small a crop.
    assert last > first + {"grey": 0.1, "colour": -0.3}[colours]


@pytest.mark.parametrize("level", [10, 50])
def test_more_noise_takes_fewer_atoms_and_still_gains(level: int, grey: torch.Tensor) -> None:
    problem = denoising(grey, level / 255)
    loop = Loop(problem, LearnedDictionary(**QUICK), generator=seeded()).complete()
    assert decibels(loop.image, grey) > decibels(problem.initial(), grey) + {10: 3, 50: 8}[level]
    assert {10: 1.0, 50: 0.0}[level] < loop.run.findings()["atoms_per_patch"] < {10: 8.0, 50: 1.0}[level]


@pytest.mark.parametrize(
    "shape", [(1, 1, 27, 23), (1, 3, 15, 20), (2, 2, 9, 12), (1, 1, 4, 11), (1, 1, 1, 1)]
)
def test_odd_sizes_channels_and_images_smaller_than_a_patch(shape: tuple[int, ...]) -> None:
    x = uniform(*shape)
    for problem in (denoising(x), inpainting(x, 0.3)) if x.numel() > 1 else (denoising(x),):
        estimate = run_to_end(LearnedDictionary(**QUICK), problem)
        assert estimate.image.shape == shape
        assert bool(estimate.image.isfinite().all())


def test_every_pixel_is_covered_where_a_small_image_shrinks_the_patch_below_the_stride() -> None:
    x = torch.full((1, 1, 4, 11), 0.6)
    estimate = run_to_end(LearnedDictionary(sweeps=1, stride=8), inpainting(x, 0.2))
    torch.testing.assert_close(estimate.image, x, atol=0.02, rtol=0)


def test_images_of_a_batch_are_restored_as_if_alone(grey: torch.Tensor) -> None:
    x = torch.cat([grey[..., :40, :44], grey[..., 40:80, 30:74]])
    problem = denoising(x)
    together = run_to_end(LearnedDictionary(**QUICK), problem).image
    for index in range(2):
        single = dataclasses.replace(problem, y=problem.y[index : index + 1], reference_shape=(1, 1, 40, 44))
        alone = run_to_end(LearnedDictionary(**QUICK), single).image
        assert torch.equal(together[index : index + 1], alone)


def test_without_noise_the_measurement_comes_back(grey: torch.Tensor) -> None:
    run = LearnedDictionary(**QUICK).start(Problem(grey, Identity(), sigma=0.0, task="denoise"), seeded())
    assert torch.equal(run.step().image, grey)
    assert run.finished


def test_photon_noise_is_made_even_first(grey: torch.Tensor) -> None:
    problem = Problem(add_poisson(grey, 30, seeded()), Identity(), Poisson(1 / 30), task="denoise")
    estimate = run_to_end(LearnedDictionary(**QUICK), problem)
    assert decibels(estimate.image, grey) > decibels(problem.y.clamp(0, 1), grey) + 4


def test_the_bare_denoiser_leaves_its_input_alone_and_repeats_itself(grey: torch.Tensor) -> None:
    noisy = denoising(grey[..., :60, :60]).y
    kept, state = noisy.clone(), torch.get_rng_state()
    prior = LearnedDictionary(**QUICK, stride=2)
    images = [prior.denoise(noisy, SIGMA) for _ in range(2)]
    assert torch.equal(*images)
    assert torch.equal(noisy, kept)
    assert torch.equal(torch.get_rng_state(), state)
    assert decibels(images[0], grey[..., :60, :60]) > decibels(noisy, grey[..., :60, :60]) + 5
    assert torch.equal(prior.denoise(noisy, 0.0), noisy)


# --- inpainting --------------------------------------------------------------------------------------------


def test_scattered_pixels_are_filled_and_known_ones_kept(grey: torch.Tensor) -> None:
    problem = inpainting(grey)
    estimate = run_to_end(LearnedDictionary(sweeps=10, training=2500, stride=2), problem)
    assert decibels(estimate.image, grey) > decibels(problem.initial(), grey) + 0.6
    known = problem.measured > 0  # type: ignore[operator]
    assert torch.equal(estimate.image[known], grey[known])


def test_texture_comes_back_from_a_fifth_of_its_pixels(shared: Path) -> None:
    x = read(shared / "data" / "set12" / "barbara.png")[..., 208:304, 208:304]
    problem = inpainting(x, 0.8)
    estimate = run_to_end(LearnedDictionary(sweeps=10, training=2500, stride=2), problem)
    assert decibels(estimate.image, x) > decibels(problem.initial(), x) + 1.2


def test_a_channel_without_any_known_pixel_is_no_reason_to_fail(photograph: torch.Tensor) -> None:
    x = photograph[..., :24, :24].contiguous()
    known = random_mask(x.shape, 0.3, seeded()).expand_as(x).clone()
    known[:, 2] = 0
    problem = Problem(x * known, Mask(known), sigma=0.0, task="inpaint", measured=known)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimate = run_to_end(LearnedDictionary(sweeps=2, training=400), problem)
    assert bool(estimate.image.isfinite().all())
    assert torch.equal(estimate.image[known > 0], x[known > 0])


def test_repeated_use_takes_fewer_sweeps_and_patches() -> None:
    repeated = LearnedDictionary().repeated()
    assert (repeated.sweeps, repeated.stride, repeated.training) == (3, 2, 20_000)
    x = torch.zeros(1, 1, 16, 16)
    blurred = Problem(x, Blur.gaussian(1.0), sigma=SIGMA, task="deblur")
    assert LearnedDictionary.for_problem(blurred) == repeated
    assert LearnedDictionary.for_problem(blurred, sweeps=5).sweeps == 5


def test_scratches_in_colour_are_filled(photograph: torch.Tensor) -> None:
    x = photograph[..., 16:64, 16:64].contiguous()
    mask = torch.ones(48, 48)
    for offset in range(0, 48, 16):
        mask[:, offset : offset + 3] = 0
        mask[offset + 5 : offset + 7] = 0
    problem = Problem(x * mask, Mask(mask), sigma=0.0, task="inpaint", measured=mask[None, None])
    prior = LearnedDictionary(sweeps=6, training=600, finest=5 / 255, stride=2)
    estimate = run_to_end(prior, problem)
    assert decibels(estimate.image, x) > decibels(problem.initial(), x) + 0.15


def test_noise_is_removed_while_holes_are_filled(grey: torch.Tensor) -> None:
    problem = inpainting(grey, 0.3, 20 / 255)
    estimate = run_to_end(LearnedDictionary(sweeps=5, training=1500, stride=2), problem)
    assert decibels(estimate.image, grey) > decibels(problem.initial(), grey) + 3.5
    known = problem.measured > 0  # type: ignore[operator]
    assert decibels(estimate.image[known], grey[known]) > decibels(problem.y[known], grey[known]) + 4


def test_held_out_and_missing_pixels_are_not_looked_at(grey: torch.Tensor) -> None:
    problem = inpainting(grey[..., :48, :48].contiguous(), 0.2, SIGMA).hold_out(0.2, seeded())
    assert problem.held_out is not None
    unseen = (problem.held_out > 0) | (problem.measured == 0)
    spoiled = dataclasses.replace(problem, y=torch.where(unseen, 0.7, problem.y))
    images = [run_to_end(LearnedDictionary(**QUICK), p).image for p in (problem, spoiled)]
    assert torch.equal(*images)


def test_holes_larger_than_a_patch_are_announced(grey: torch.Tensor) -> None:
    mask = torch.ones(96, 96)
    mask[30:50, 30:50] = 0
    problem = Problem(grey * mask, Mask(mask), sigma=0.0, task="inpaint", measured=mask[None, None])
    with pytest.warns(UserWarning, match="hold no known pixel"):
        estimate = run_to_end(LearnedDictionary(**QUICK), problem)
    assert bool(estimate.image.isfinite().all())
    assert decibels(estimate.image, grey) > decibels(problem.initial(), grey) - 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LearnedDictionary(**QUICK).start(inpainting(grey), seeded())


# --- the run, the settings ---------------------------------------------------------------------------------


def test_the_default_rule_stops_after_the_last_sweep(grey: torch.Tensor) -> None:
    problem = denoising(grey[..., :30, :30])
    prior = LearnedDictionary(**QUICK)
    rule, run = prior.default_stopping(problem), prior.start(problem, seeded())
    rule.start(problem)
    steps = 1
    while not rule.update(run.step()):
        steps += 1
    assert steps == prior.sweeps + 1
    assert run.finished


def test_defaults_follow_the_problem_and_settings_go_over_them(photograph: torch.Tensor) -> None:
    grey = photograph[:, :1]
    assert LearnedDictionary.for_problem(denoising(grey)) == LearnedDictionary()
    assert LearnedDictionary.for_problem(denoising(photograph)).gain < LearnedDictionary().gain
    assert LearnedDictionary.for_problem(inpainting(grey)).sweeps > LearnedDictionary().sweeps
    blurred = Problem(grey, Blur.gaussian(1.0), sigma=0.01, task="deblur")
    assert LearnedDictionary.for_problem(blurred).stride == 2
    assert LearnedDictionary.for_problem(inpainting(grey), sweeps=2).sweeps == 2
    with pytest.raises(ValueError, match=r"no setting 'size' .*it has: patch, atoms"):
        LearnedDictionary.for_problem(denoising(grey), size=8)
