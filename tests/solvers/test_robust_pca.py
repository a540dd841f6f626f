"""Properties of robust principal component analysis and of the separation of frames."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tests.pictures import read, seeded, uniform
from zeroshot.solvers import robust_pca
from zeroshot.solvers.robust_pca import (
    PrincipalComponentPursuit,
    moving,
    noise_in_time,
    principal_component_pursuit,
    separate_background,
    singular_value_thresholding,
    spectral_norm,
)


def synthetic(m: int, n: int, rank: int, fraction: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A low-rank and a sparse matrix of comparable size."""
    generator = seeded()
    options = {"generator": generator, "dtype": torch.float64}
    low_rank = torch.randn(m, rank, **options) @ torch.randn(rank, n, **options)  # type: ignore[arg-type]
    where = torch.rand(m, n, **options) < fraction  # type: ignore[arg-type]
    return low_rank, where * torch.randn(m, n, **options) * 5  # type: ignore[arg-type]


def relative(found: torch.Tensor, true: torch.Tensor) -> float:
    return ((found.double() - true).norm() / true.norm()).item()


# --- singular values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(30, 8), (8, 30), (12, 12), (1, 5)])
def test_shrinking_agrees_with_the_singular_value_decomposition(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=seeded(), dtype=torch.float64)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    threshold = s.median().item() * 1.01
    found, rank = singular_value_thresholding(matrix, threshold)
    torch.testing.assert_close(found, u @ torch.diag((s - threshold).clamp(min=0)) @ v, atol=1e-9, rtol=0)
    assert rank == int((s > threshold).sum())
    assert spectral_norm(matrix) == pytest.approx(s[0].item())


def test_a_zero_matrix_has_rank_zero() -> None:
    found, rank = singular_value_thresholding(torch.zeros(5, 3, dtype=torch.float64), 0.0)
    assert rank == 0
    assert not found.any()


# --- pursuit -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(300, 60), (60, 300), (90, 90)])
def test_exact_recovery(shape: tuple[int, int]) -> None:
    low_rank, sparse = synthetic(*shape, rank=4, fraction=0.06)
    parts = principal_component_pursuit(low_rank + sparse)
    assert parts.rank == 4
    assert relative(parts.low_rank, low_rank) < 1e-5
    assert relative(parts.sparse, sparse) < 1e-5
    assert parts.residual <= 1e-7
    assert parts.iterations < 60


def test_single_precision_input_is_recovered_to_its_own_precision() -> None:
    low_rank, sparse = synthetic(200, 50, rank=3, fraction=0.05)
    parts = principal_component_pursuit((low_rank + sparse).float())
    assert parts.low_rank.dtype == torch.float64
    assert relative(parts.low_rank, low_rank) < 1e-5


def test_the_solution_cannot_be_improved() -> None:
    low_rank, sparse = synthetic(40, 25, rank=6, fraction=0.2)
    matrix = low_rank + sparse + 0.1 * torch.randn(40, 25, generator=seeded(), dtype=torch.float64)
    parts = principal_component_pursuit(matrix, 0.15, tolerance=1e-9)

    def objective(left: torch.Tensor) -> float:
        return (torch.linalg.svdvals(left).sum() + 0.15 * (matrix - left).abs().sum()).item()

    best = objective(parts.low_rank)
    generator = seeded()
    for size in (1e-3, 1e-2, 0.1):
        for _ in range(10):
            direction = torch.randn(40, 25, generator=generator, dtype=torch.float64)
            assert objective(parts.low_rank + size * direction) >= best * (1 - 1e-4)


def test_dense_noise_does_not_raise_the_rank() -> None:
    low_rank, sparse = synthetic(200, 60, rank=3, fraction=0.05)
    noisy = low_rank + sparse + 0.1 * torch.randn(200, 60, generator=seeded(), dtype=torch.float64)
    stable = principal_component_pursuit(noisy, noise=0.1, tolerance=1e-5)
    assert stable.rank == 3
    assert relative(stable.low_rank, low_rank) < 0.05
    assert principal_component_pursuit(noisy).rank > 10


def test_a_larger_weight_leaves_more_in_the_low_rank_part() -> None:
    low_rank, sparse = synthetic(80, 40, rank=5, fraction=0.2)
    shares = []
    for factor in (0.5, 1.0, 2.0, 4.0):
        parts = principal_component_pursuit(low_rank + sparse, factor / math.sqrt(80))
        shares.append((parts.sparse.abs() > 1e-6).double().mean().item())
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_saved_state_continues_exactly(noise: float) -> None:
    low_rank, sparse = synthetic(50, 20, rank=2, fraction=0.05)
    straight = PrincipalComponentPursuit(low_rank + sparse, noise=noise)
    for _ in range(5):
        straight.step()
    resumed = PrincipalComponentPursuit(low_rank + sparse, noise=noise)
    resumed.load_state_dict(straight.state_dict())
    for _ in range(5):
        assert straight.step() == resumed.step()
    assert torch.equal(straight.result().low_rank, resumed.result().low_rank)
    assert straight.result().iterations == resumed.result().iterations == 10


def test_a_zero_matrix_is_finished_at_once() -> None:
    parts = principal_component_pursuit(torch.zeros(4, 3))
    assert (parts.rank, parts.iterations) == (0, 0)


@pytest.mark.parametrize(
    ("matrix", "settings", "message"),
    [
        (torch.zeros(3), {}, r"matrix must have two axes and entries, got the shape \(3,\)"),
        (torch.full((2, 2), math.nan), {}, "matrix must be finite"),
        (torch.ones(2, 2), {"weight": 0}, "weight must be a positive number, got 0"),
        (torch.ones(2, 2), {"noise": -1.0}, "noise must be a number of at least 0, got -1.0"),
    ],
)
def test_bad_input_is_refused(matrix: torch.Tensor, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PrincipalComponentPursuit(matrix, **settings)


# --- frames ------------------------------------------------------------------------------------------------


def film(channels: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A still scene under changing light, and a square that crosses it: frames, background, where it is."""
    generator = seeded()
    scene = 0.3 + 0.4 * torch.rand(1, channels, 24, 30, generator=generator)
    light = torch.linspace(0.8, 1.0, 30).view(-1, 1, 1, 1)
    background = scene * light
    where = torch.zeros(30, 1, 24, 30)
    for t in range(30):
        where[t, :, 8:13, max(0, t - 4) : t + 1] = 1
    return torch.where(where > 0, 1.0, background), background, where


@pytest.mark.parametrize("channels", [1, 3])
def test_a_synthetic_film_is_taken_apart_exactly(channels: int) -> None:
    frames, background, where = film(channels)
    found = separate_background(frames, tolerance=1e-8)
    assert found.rank == 1
    assert relative(found.background, background.double()) < 1e-5
    assert relative(found.foreground, (frames - background).double()) < 1e-5
    assert found.mask.shape == where.shape
    # Otsu's threshold may miss what hardly differs from the scene behind it.
    assert (found.mask != where).float().mean() < 0.01


def test_the_parts_add_up_to_the_frames() -> None:
    frames = film(1)[0] + 0.02 * torch.randn(30, 1, 24, 30, generator=seeded())
    found = separate_background(frames.clamp(0, 1))
    torch.testing.assert_close(found.background + found.foreground, frames.clamp(0, 1), atol=0.05, rtol=0)


def test_progress_is_told() -> None:
    told: list[tuple[int, float]] = []
    found = separate_background(film(1)[0], progress=lambda *values: told.append(values))
    assert [count for count, _ in told] == list(range(1, found.iterations + 1))
    assert told[-1][1] == found.residual


def test_nothing_moves_in_equal_frames() -> None:
    frames = film(3)[1][:1].repeat(5, 1, 1, 1)
    found = separate_background(frames)
    assert found.rank == 1
    assert found.foreground.abs().max() < 1e-4
    assert not moving(torch.zeros(2, 3, 4, 4)).any()


@pytest.mark.parametrize("sigma", [2 / 255, 10 / 255])
def test_noise_does_not_count_as_motion(sigma: float) -> None:
    scene = uniform(1, 1, 40, 48)
    noise = sigma * torch.randn(10, 1, 40, 48, generator=seeded())
    still = scene + noise
    assert noise_in_time(still) == pytest.approx(sigma, rel=0.05)
    assert separate_background(still).mask.mean() < 0.003
    film = still.clone()
    for t in range(10):
        film[t, :, 10:18, 4 * t : 4 * t + 8] += 1
    assert noise_in_time(film) == pytest.approx(sigma, rel=0.1)
    found = separate_background(film, noise=noise_in_time(film))
    assert found.rank == 1
    for t in range(10):
        assert found.mask[t, :, 10:18, 4 * t : 4 * t + 8].mean() > 0.9
    assert found.mask.sum() < 1.1 * 10 * 64


def test_too_few_frames_and_too_little_memory_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="T of at least 2"):
        separate_background(torch.zeros(1, 1, 4, 4))
    monkeypatch.setattr(robust_pca, "available_memory", lambda: 1000)
    with pytest.raises(ValueError, match=r"GiB of memory .* use fewer or smaller ones"):
        separate_background(torch.zeros(3, 1, 40, 40))


@pytest.mark.slow
def test_the_escalator_moves_and_the_hall_does_not(shared: Path) -> None:
    paths = sorted((shared / "data/video/escalator").glob("*.png"))[:60]
    frames = torch.cat([read(path) for path in paths])
    found = separate_background(frames, tolerance=1e-5)
    assert found.rank < 40
    assert 0.005 < found.mask.mean() < 0.2
    assert found.background.var(dim=0).mean() < 0.5 * frames.var(dim=0).mean()
