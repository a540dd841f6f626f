"""Scattered holes are filled by what their surroundings teach, better than smoothly."""

from __future__ import annotations

import pytest
import torch

from tests.pictures import as_image, decibels, sample, seeded, with_noise
from zeroshot.operators import fill_holes
from zeroshot.solvers.local_prediction import fill_by_prediction


@pytest.mark.parametrize(("share", "gain"), [(0.1, 1.5), (0.5, 0.7)])
def test_it_beats_a_smooth_filling(share: float, gain: float) -> None:
    truth = as_image(sample("camera")[100:228, 100:228])
    known = (torch.rand(truth.shape, generator=seeded()) >= share).float()
    filled = fill_by_prediction(truth * known, known)
    assert torch.equal(filled[known > 0], truth[known > 0])
    assert decibels(filled, truth) > decibels(fill_holes(truth * known, known), truth) + gain


def test_what_stands_in_the_holes_does_not_matter() -> None:
    truth = as_image(sample("camera")[100:164, 100:164])
    known = (torch.rand(truth.shape, generator=seeded()) >= 0.1).float()
    assert torch.equal(
        fill_by_prediction(truth * known, known), fill_by_prediction(truth * known + (1 - known), known)
    )


def test_channels_that_are_known_help() -> None:
    truth = as_image(sample("astronaut")[:96, 150:246])
    apart = (torch.rand(truth.shape, generator=seeded()) >= 0.3).float()
    together = apart[:, :1].expand_as(truth).contiguous()
    gained = decibels(fill_by_prediction(truth * apart, apart), truth)
    assert gained > decibels(fill_by_prediction(truth * together, together), truth) + 1


def test_planes_are_filled_exactly_and_noise_is_averaged() -> None:
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    plane = (0.2 + 0.01 * rows + 0.005 * columns)[None, None]
    known = (torch.rand(plane.shape, generator=seeded()) >= 0.1).float()
    inner = (..., slice(8, -8), slice(8, -8))
    assert torch.allclose(fill_by_prediction(plane * known, known)[inner], plane[inner], atol=2e-3)
    noisy = with_noise(torch.full((1, 1, 64, 64), 0.5), 0.05)
    known = (torch.rand(noisy.shape, generator=seeded()) >= 0.1).float()
    filled = fill_by_prediction(noisy * known, known)
    assert float((filled - 0.5)[known == 0].std()) < 0.04


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 9), (1, 1, 7, 130)])
def test_any_size_and_an_empty_channel(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape, generator=seeded())
    known = (torch.rand(shape, generator=seeded(1)) >= 0.3).float()
    assert fill_by_prediction(image * known, known).isfinite().all()
    assert not fill_by_prediction(image, torch.zeros(shape)).any()
