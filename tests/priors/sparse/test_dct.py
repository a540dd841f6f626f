"""Properties of denoising by the sliding discrete cosine transform."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn

from tests.pictures import SIGMA, decibels, read, seeded, uniform, with_noise
from zeroshot.colour import from_opponent, to_opponent
from zeroshot.patches.cosine import cosine_matrix
from zeroshot.priors.sparse import dct
from zeroshot.priors.sparse.dct import OverlappingDCT


def literal(y: np.ndarray, pilot: np.ndarray | None, size: int, threshold: float, sigma: float) -> np.ndarray:
    """The formula of the class, a patch at a time."""
    margin = size - 1
    noisy = np.pad(y.astype(np.float64), margin, mode="symmetric")
    guide = None if pilot is None else np.pad(pilot.astype(np.float64), margin, mode="symmetric")
    total, weights = np.zeros_like(noisy), np.zeros_like(noisy)
    for i in range(noisy.shape[0] - margin):
        for j in range(noisy.shape[1] - margin):
            here = (slice(i, i + size), slice(j, j + size))
            coefficients = dctn(noisy[here], norm="ortho")
            if guide is None:
                factor = (np.abs(coefficients) > threshold * sigma).astype(float)
            else:
                square = dctn(guide[here], norm="ortho") ** 2
                factor = square / (square + sigma**2)
            factor[0, 0] = 1
            weight = 1 / np.square(factor).sum()
            total[here] += weight * idctn(factor * coefficients, norm="ortho")
            weights[here] += weight
    return (total / weights)[margin:-margin, margin:-margin]


@pytest.mark.parametrize("size", [2, 5, 8])
def test_both_passes_agree_with_a_literal_transcription(size: int, photograph: torch.Tensor) -> None:
    y = with_noise(photograph[:, :1, :14, :17])
    prior = OverlappingDCT(size, 2.7)
    first = prior.refine(y, y, SIGMA, 0)
    np.testing.assert_allclose(first[0, 0], literal(y[0, 0].numpy(), None, size, 2.7, SIGMA), atol=1e-5)
    second = prior.refine(y, first, SIGMA, 1)
    expected = literal(y[0, 0].numpy(), first[0, 0].numpy(), size, 2.7, SIGMA)
    np.testing.assert_allclose(second[0, 0], expected, atol=1e-5)


@pytest.mark.parametrize("size", [2, 8, 13])
def test_the_basis_is_orthonormal_and_the_transforms_adjoint(size: int) -> None:
    basis = cosine_matrix(size)
    torch.testing.assert_close(basis @ basis.T, torch.eye(size, dtype=torch.float64), atol=1e-12, rtol=0)
    strip = torch.randn(size + 3, size + 6, dtype=torch.float64, generator=seeded())
    coefficients = dct._analysis(strip, basis)
    other = torch.randn(coefficients.shape, dtype=torch.float64, generator=seeded())
    inner = (strip * dct._synthesis(other, basis)).sum()
    assert (coefficients * other).sum().item() == pytest.approx(inner.item())


def test_strips_do_not_show(photograph: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    y = with_noise(photograph[..., :50])
    whole = OverlappingDCT().denoise(y, SIGMA)
    monkeypatch.setattr(dct, "_CHUNK", 10_000)
    torch.testing.assert_close(OverlappingDCT().denoise(y, SIGMA), whole, atol=1e-6, rtol=0)


def test_the_second_pass_gains(photograph: torch.Tensor) -> None:
    y = with_noise(photograph)
    one = decibels(OverlappingDCT(refinement="none").denoise(y, SIGMA), photograph)
    two = decibels(OverlappingDCT().denoise(y, SIGMA), photograph)
    assert decibels(y, photograph) + 7 < one < two


def test_the_opponent_space_is_a_rotation_and_gains(photograph: torch.Tensor) -> None:
    y = with_noise(photograph)
    torch.testing.assert_close(from_opponent(to_opponent(y)), y, atol=1e-6, rtol=0)
    assert to_opponent(y).norm().item() == pytest.approx(y.norm().item(), rel=1e-5)
    grey = torch.full((1, 3, 2, 2), 0.5)
    torch.testing.assert_close(to_opponent(grey)[:, 1:], torch.zeros(1, 2, 2, 2), atol=1e-6, rtol=0)
    apart = torch.cat([OverlappingDCT().denoise(y[:, c : c + 1], SIGMA) for c in range(3)], dim=1)
    together = OverlappingDCT().denoise(y, SIGMA)
    assert decibels(together, photograph) > decibels(apart, photograph) + 0.3


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 30), (8, 8), (21, 33)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_and_batch_is_denoised_as_its_images_alone(size: tuple[int, int], channels: int) -> None:
    y = uniform(2, channels, *size)
    together = OverlappingDCT().denoise(y, 0.1)
    assert together.shape == y.shape
    assert bool(torch.isfinite(together).all())
    alone = torch.cat([OverlappingDCT().denoise(y[i : i + 1], 0.1) for i in range(2)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_constants_and_clean_images_are_kept() -> None:
    flat = torch.full((1, 3, 20, 24), 0.7)
    torch.testing.assert_close(OverlappingDCT().denoise(flat, 0.2), flat, atol=1e-5, rtol=0)
    y = uniform(1, 1, 16, 16)
    assert torch.equal(OverlappingDCT().denoise(y, 0.0), y)
    torch.testing.assert_close(OverlappingDCT().denoise(y, 1e-6), y, atol=1e-4, rtol=0)


def test_a_level_whose_square_is_nothing_keeps_empty_patches() -> None:
    image = torch.zeros(1, 1, 24, 24)
    image[..., 12, 12] = 1
    torch.testing.assert_close(OverlappingDCT().denoise(image, 1e-25), image, rtol=0, atol=1e-5)


def test_turning_the_image_turns_the_result(photograph: torch.Tensor) -> None:
    y = with_noise(photograph[..., :40, :48])
    turned = OverlappingDCT().denoise(y.transpose(-1, -2), SIGMA).transpose(-1, -2)
    torch.testing.assert_close(turned, OverlappingDCT().denoise(y, SIGMA), atol=1e-4, rtol=0)


@pytest.mark.slow
def test_grey_photographs_are_denoised_as_published(shared: Path) -> None:
    reached = []
    for name in ("house", "monarch", "starfish"):
        x = read(shared / "data/set12" / f"{name}.png")
        y = with_noise(x)
        reached.append(decibels(OverlappingDCT().denoise(y, SIGMA).clamp(0, 1), x))
    assert sum(reached) / 3 > 29.2
