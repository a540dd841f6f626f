"""Properties of the wavelet transforms, of their thresholds, and of the prior from a problem to its estimate."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import pywt
import torch

from tests.doubles import run_to_end
from tests.pictures import SIGMA, damaged, decibels, read, seeded, uniform, with_noise
from zeroshot.data_terms import L1, DataTerm, Huber, Poisson
from zeroshot.noise import add_poisson, add_salt_and_pepper
from zeroshot.operators.blur import Blur
from zeroshot.operators.identity import Identity
from zeroshot.operators.operator import Operator
from zeroshot.priors.sparse.wavelet.shrinkage import Wavelet
from zeroshot.priors.sparse.wavelet.subbands import noisy_threshold, penalty_value, shrunk, window_mean
from zeroshot.priors.sparse.wavelet.transforms import (
    CycleSpunTransform,
    Filters,
    Frame,
    OrthogonalTransform,
    UndecimatedTransform,
    WaveletTransform,
)
from zeroshot.problem import Problem
from zeroshot.solvers.thresholds import soft

NAMES = ["haar", "db2", "sym4", "sym6", "coif1", "db5"]


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=seeded(), dtype=torch.float64)


def energy(transform: WaveletTransform, x: torch.Tensor) -> float:
    coefficients = transform.analysis(x)
    bands = [coefficients.approximation, *(band for level in coefficients.details for band in level)]
    return sum(band.square().sum().item() for band in bands)


# --- transforms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("levels", [1, 3])
def test_orthogonal_coefficients_are_those_of_pywavelets(name: str, levels: int) -> None:
    x = noise(1, 1, 96, 128)
    ours = OrthogonalTransform(Filters.named(name), levels).analysis(x)
    approximation, *details = pywt.wavedec2(x[0, 0].numpy(), name, mode="periodization", level=levels)
    np.testing.assert_allclose(ours.approximation[0, 0].numpy(), approximation, atol=1e-5)
    for mine, theirs in zip(ours.details, reversed(details), strict=True):
        for band, peer in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(band[0, 0].numpy(), peer, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("kind", "size"), [("orthogonal", (32, 48)), ("undecimated", (32, 48)), ("undecimated", (31, 45))]
)
def test_the_transforms_are_parseval_frames(name: str, kind: str, size: tuple[int, int]) -> None:
    x = noise(2, 3, *size)
    filters = Filters.named(name)
    transform = OrthogonalTransform(filters, 3) if kind == "orthogonal" else UndecimatedTransform(filters, 3)
    assert energy(transform, x) == pytest.approx(x.square().sum().item(), rel=1e-9)
    torch.testing.assert_close(transform.synthesis(transform.analysis(x)), x, atol=1e-9, rtol=0)
    unchanged = transform.shrink(x, lambda band, level, orientation: band)
    torch.testing.assert_close(unchanged, x, atol=1e-9, rtol=0)


@pytest.mark.parametrize("kind", [OrthogonalTransform, UndecimatedTransform])
def test_the_synthesis_is_the_adjoint(kind: type[WaveletTransform]) -> None:
    transform = kind(Filters.named("sym4"), 2)
    x, other = noise(1, 1, 24, 32), noise(1, 1, 24, 32).flip(-1)
    forth, back = transform.analysis(x), transform.analysis(other.square())
    inner = (forth.approximation * back.approximation).sum()
    for mine, theirs in zip(forth.details, back.details, strict=True):
        inner += sum((a * b).sum() for a, b in zip(mine, theirs, strict=True))
    assert inner.item() == pytest.approx((x * transform.synthesis(back)).sum().item(), rel=1e-9)


def test_every_second_undecimated_coefficient_is_an_orthogonal_one() -> None:
    x = noise(1, 1, 32, 32)
    full = UndecimatedTransform(Filters.named("sym4"), 2).analysis(x)
    sampled = OrthogonalTransform(Filters.named("sym4"), 2).analysis(x)
    for level, (many, few) in enumerate(zip(full.details, sampled.details, strict=True)):
        step = 2 ** (level + 1)
        for a, b in zip(many, few, strict=True):
            torch.testing.assert_close(step * a[..., ::step, ::step], b)


@pytest.mark.parametrize("kind", [OrthogonalTransform, UndecimatedTransform])
def test_the_gain_is_the_standard_deviation_of_white_noise(kind: type[WaveletTransform]) -> None:
    transform = kind(Filters.named("db2"), 3)
    for level, bands in enumerate(transform.analysis(noise(1, 1, 256, 256)).details):
        for band in bands:
            assert band.std().item() == pytest.approx(transform.gain(level), rel=0.1)


def test_the_undecimated_shrinkage_commutes_with_shifts() -> None:
    x = noise(1, 1, 40, 36)
    transform = UndecimatedTransform(Filters.named("coif1"), 3)

    def shrink(image: torch.Tensor) -> torch.Tensor:
        return transform.shrink(image, lambda band, level, _: soft(band, 0.8 * transform.gain(level)))

    moved = torch.roll(x, (3, 7), dims=(-2, -1))
    torch.testing.assert_close(shrink(moved), torch.roll(shrink(x), (3, 7), dims=(-2, -1)))
    assert (shrink(x) - x).abs().max() > 0.1


def test_spinning_through_all_shifts_is_the_undecimated_shrinkage() -> None:
    x = noise(1, 1, 32, 24)
    spun = CycleSpunTransform(Filters.named("db2"), 2, shifts=16)
    full = UndecimatedTransform(Filters.named("db2"), 2)
    assert len(set(spun.shifts)) == 16
    averaged = spun.shrink(x, lambda band, level, _: soft(band, 0.7))
    torch.testing.assert_close(
        averaged, full.shrink(x, lambda band, level, _: soft(band, 0.7 * full.gain(level)))
    )


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (17, 23)])
def test_a_frame_is_taken_off_again(size: tuple[int, int]) -> None:
    x = noise(1, 2, *size)
    frame = Frame.around(*size, margin=9, multiple=4)
    extended = frame.extended(x)
    assert extended.shape[-2] % 4 == extended.shape[-1] % 4 == 0
    assert torch.equal(frame.crop(extended, *size), x)
    other = torch.rand_like(extended)
    assert torch.allclose((frame.padded(x) * other).sum(), (x * frame.crop(other, *size)).sum())


# --- thresholds --------------------------------------------------------------------------------------------


def test_bayes_thresholds_are_noise_over_signal() -> None:
    band = 3.0 * noise(1, 2, 200, 200)
    threshold = noisy_threshold(band, 1.0, "bayes", 1)
    assert threshold.flatten().tolist() == pytest.approx([1 / math.sqrt(8)] * 2, rel=0.03)
    assert bool(
        (
            shrunk(noise(1, 1, 64, 64), noisy_threshold(noise(1, 1, 64, 64), 2.0, "bayes", 1), "soft") == 0
        ).all()
    )


def test_sure_minimises_the_true_risk() -> None:
    clean = torch.where(uniform(1, 1, 200, 200, seed=1) < 0.05, 6.0, 0.0).double()
    band = clean + noise(1, 1, 200, 200)
    grid = torch.linspace(0, 4, 81)
    risks = torch.tensor([(soft(band, t.item()) - clean).square().mean().item() for t in grid])
    chosen = noisy_threshold(band, 1.0, "sure", 1).item()
    assert (soft(band, chosen) - clean).square().mean().item() < 1.02 * risks.min().item()


def test_universal_thresholds_remove_pure_noise() -> None:
    band = noise(1, 1, 128, 128)
    threshold = noisy_threshold(band, 1.0, "universal", 1)
    assert threshold.item() == pytest.approx(math.sqrt(2 * math.log(128**2)))
    assert (shrunk(band, threshold, "soft") != 0).sum() <= 5


def test_local_means_are_those_of_a_literal_window() -> None:
    values = noise(1, 1, 7, 9)
    means = window_mean(values, 2)
    for row, column in ((0, 0), (3, 4), (6, 8), (1, 7)):
        window = values[..., max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
        assert means[0, 0, row, column].item() == pytest.approx(window.mean().item())


@pytest.mark.parametrize("step", [1.0, 0.3])
@pytest.mark.parametrize("penalty", ["soft", "hard", "firm"])
def test_the_shrinkage_minimises_its_penalty(penalty: str, step: float) -> None:
    band, threshold = 2 * noise(1, 1, 6, 6), torch.full((1, 1, 1, 1), 0.8, dtype=torch.float64)

    def objective(x: torch.Tensor) -> float:
        value = penalty_value(x, threshold, penalty)  # type: ignore[arg-type]
        return step * value + 0.5 * (x - band).square().sum().item()

    best = shrunk(band, threshold, penalty, step)  # type: ignore[arg-type]
    for size in (1e-3, 1e-2):
        for trial in range(20):
            assert objective(best) <= objective(best + size * noise(1, 1, 6, 6).roll(trial)) + 1e-9
    for trial in range(50):
        assert objective(best) <= objective(best + 0.1 * noise(1, 1, 6, 6).roll(trial)) + 1e-9
    assert objective(best) <= objective(band)


# --- denoising ---------------------------------------------------------------------------------------------


def test_an_orthogonal_basis_and_one_threshold_are_the_closed_form(photograph: torch.Tensor) -> None:
    prior = Wavelet("orthogonal", "haar", 2, choice="universal", refinement="none", strength=0.5)
    grey = with_noise(photograph[:, :1])
    _, frame = prior.frame_for(96, 96)
    framed = frame.extended(grey)[0, 0].double().numpy()
    approximation, *details = pywt.wavedec2(framed, "haar", mode="periodization", level=2)
    for level, bands in enumerate(details):
        threshold = 0.5 * SIGMA * math.sqrt(2 * math.log(bands[0].size))
        details[level] = tuple(pywt.threshold(band, threshold, "soft") for band in bands)
    expected = torch.from_numpy(pywt.waverec2([approximation, *details], "haar", mode="periodization"))
    torch.testing.assert_close(
        prior.denoise(grey, SIGMA)[0, 0].double(), frame.crop(expected, 96, 96), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("transform", ["orthogonal", "cycle_spun", "undecimated"])
@pytest.mark.parametrize("penalty", ["soft", "hard", "firm"])
@pytest.mark.parametrize("choice", ["local", "bayes", "sure", "universal"])
def test_every_combination_denoises(
    transform: str, penalty: str, choice: str, photograph: torch.Tensor
) -> None:
    y = with_noise(photograph)
    settings = {"transform": transform, "penalty": penalty, "choice": choice, "shifts": 4}
    estimate = Wavelet(**settings, refinement="none").denoise(y, SIGMA)  # type: ignore[arg-type]
    assert decibels(estimate, photograph) > decibels(y, photograph) + 3.5


def test_redundancy_adaptivity_and_the_second_pass_each_gain(photograph: torch.Tensor) -> None:
    y = with_noise(photograph)
    steps = [
        Wavelet("orthogonal", choice="bayes", refinement="none"),
        Wavelet(choice="bayes", refinement="none"),
        Wavelet(refinement="none"),
        Wavelet(),
    ]
    reached = [decibels(prior.denoise(y, SIGMA), photograph) for prior in steps]
    assert reached == sorted(reached)


def test_better_than_scikit_image_with_cycle_spinning(photograph: torch.Tensor) -> None:
    from skimage.restoration import denoise_wavelet

    y = with_noise(photograph)
    array = y[0].permute(1, 2, 0).numpy()
    total = np.zeros_like(array)
    for shift in np.ndindex(4, 4):
        moved = np.roll(array, shift, axis=(0, 1))
        clean = denoise_wavelet(moved, sigma=SIGMA, convert2ycbcr=True, channel_axis=-1, rescale_sigma=True)
        total += np.roll(clean, (-shift[0], -shift[1]), axis=(0, 1))
    theirs = torch.from_numpy(total / 16).permute(2, 0, 1)[None]
    assert decibels(Wavelet().denoise(y, SIGMA), photograph) > decibels(theirs, photograph) + 0.5


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 40), (33, 29)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_and_batch_is_denoised_as_its_images_alone(size: tuple[int, int], channels: int) -> None:
    y = uniform(2, channels, *size)
    for transform in ("orthogonal", "cycle_spun", "undecimated"):
        prior = Wavelet(transform=transform, shifts=2)  # type: ignore[arg-type]
        together = prior.denoise(y, 0.1)
        assert together.shape == y.shape
        assert bool(torch.isfinite(together).all())
        alone = torch.cat([prior.denoise(y[i : i + 1], 0.1) for i in range(2)])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_a_constant_image_and_no_noise_change_nothing() -> None:
    flat = torch.full((1, 3, 20, 20), 0.4)
    torch.testing.assert_close(Wavelet().denoise(flat, 0.1), flat, atol=1e-5, rtol=0)
    y = uniform(1, 1, 16, 16)
    assert torch.equal(Wavelet().denoise(y, 0.0), y)


# --- every other problem -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sigma", "gain"),
    [
        ("inpaint", 0.0, 0.4),
        ("inpaint", 15 / 255, 2.5),
        ("sr", 0.0, 0.4),
        ("deblur", 2 / 255, 2.0),
        ("demosaic", 0.0, 6.0),
        ("colorize", 0.0, -0.1),
    ],
)
def test_restores_better_than_the_first_estimate(
    name: str, sigma: float, gain: float, photograph: torch.Tensor
) -> None:
    problem = damaged(name, photograph[..., 16:80, 16:80], sigma)
    estimate = run_to_end(Wavelet.for_problem(problem, iterations=30), problem)
    truth = photograph[..., 16:80, 16:80]
    assert estimate.iteration == 30
    assert decibels(estimate.image, truth) > decibels(problem.initial(), truth) + gain
    if sigma == 0:
        assert problem.residual(estimate.image) < 2 / 255


@pytest.mark.parametrize("term", [L1(), Huber(0.05), Poisson(1 / 30)], ids=str)
def test_every_data_term_is_solved(term: DataTerm, photograph: torch.Tensor) -> None:
    truth = photograph[:, :, 16:64, 16:64]
    if isinstance(term, Poisson):
        operator: Operator = Blur.gaussian(1.0)
        y = add_poisson(operator(truth), 30, seeded())
    else:
        operator, y = Identity(), add_salt_and_pepper(truth, 0.1, seeded())
    problem = Problem(y, operator, term, task="deblur" if isinstance(term, Poisson) else "denoise")
    estimate = run_to_end(Wavelet.for_problem(problem), problem)
    gain = 1.0 if isinstance(term, Poisson) else 8.0
    assert decibels(estimate.image, truth) > decibels(problem.initial(), truth) + gain


def test_photon_noise_alone_is_denoised_at_once(photograph: torch.Tensor) -> None:
    y = add_poisson(photograph, 30, seeded())
    problem = Problem(y, Identity(), Poisson(1 / 30), task="denoise")
    estimate = run_to_end(Wavelet(), problem)
    assert estimate.iteration == 2
    assert decibels(estimate.image, photograph) > decibels(y, photograph) + 6


@pytest.mark.parametrize("transform", ["orthogonal", "undecimated"])
def test_the_objective_falls_once_the_thresholds_are_frozen(transform: str, photograph: torch.Tensor) -> None:
    problem = damaged("inpaint", photograph[:, :1, 16:64, 16:64])
    run = Wavelet(transform=transform, block=1).start(problem, seeded())  # type: ignore[arg-type]
    losses = [run.step().loss for _ in range(60)][47:]
    assert losses[-1] < losses[0]
    assert max(losses) <= losses[0] * 1.01


# --- settings ----------------------------------------------------------------------------------------------


def test_what_is_not_supported_is_said_in_one_line(photograph: torch.Tensor) -> None:
    class Square(Identity):
        linear = False

    class Cauchy(L1.__base__):  # type: ignore[misc, name-defined]
        penalty = prox = None

    assert "linear" in (Wavelet().supports(Problem(photograph, Square())) or "")
    assert "Cauchy" in (Wavelet().supports(Problem(photograph, Identity(), Cauchy())) or "")
    with pytest.raises(ValueError, match="no setting 'lambda_'; it has: transform, wavelet"):
        Wavelet.for_problem(damaged("sr", photograph), lambda_=1)


@pytest.mark.slow
def test_grey_photographs_are_denoised_as_well_as_measured(shared: Path) -> None:
    reached = []
    for name in ("house", "monarch", "starfish"):
        x = read(shared / "data/set12" / f"{name}.png")
        reached.append(decibels(Wavelet().denoise(with_noise(x), SIGMA).clamp(0, 1), x))
    assert sum(reached) / 3 > 28.7
