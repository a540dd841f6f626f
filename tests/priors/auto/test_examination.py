"""What candidates are examined by: windows that stand for a picture, holes like its own, a coarser version of it."""

from __future__ import annotations

import pytest
import torch

from tests.pictures import SIGMA, seeded
from zeroshot.noise import add_gaussian, random_mask
from zeroshot.operators import Downsample, Identity, Mask
from zeroshot.priors.auto.examination import coarser, held_out, windows
from zeroshot.problem import Problem


def test_windows_cover_the_share_and_stand_for_texture_and_flat_parts_alike() -> None:
    picture = torch.full((1, 1, 256, 512), 0.5)
    picture[..., 256:] += 0.2 * torch.randn(256, 256, generator=seeded())
    problem = Problem(picture, Identity(), sigma=0.01, task="denoise")
    chosen = windows(problem, 0.25)
    assert len(chosen) > 1
    pixels = [window.height * window.width for window in chosen]
    assert 0.15 < sum(pixels) / (256 * 512) <= 0.25
    spreads = [float(window.of(picture).std()) for window in chosen]
    assert spreads[0] > 0.1
    assert spreads[-1] < 0.05
    assert spreads == sorted(spreads, reverse=True)


def test_windows_of_an_enlargement_lie_on_its_grid(photograph: torch.Tensor) -> None:
    problem = Problem(Downsample(3)(photograph), Downsample(3), sigma=0.0, task="sr")
    for window in windows(problem, 0.3):
        assert not any(side % 3 for side in (window.top, window.left, window.height, window.width))


def test_what_cannot_be_cut_has_no_windows(photograph: torch.Tensor) -> None:
    class Flipped(Identity):
        def locality(self):
            raise ValueError("everything depends on everything")

    assert windows(Problem(photograph, Flipped(), sigma=0.1), 0.3) == []


def test_holes_with_a_shape_are_put_aside_elsewhere_and_single_pixels_at_random(
    photograph: torch.Tensor,
) -> None:
    blocks = torch.ones(1, 1, 96, 96)
    blocks[..., 10:22, 20:34] = blocks[..., 60:70, 70:82] = 0
    scattered = random_mask(tuple(photograph.shape), 0.9, seeded(1))
    for mask, is_shaped in ((blocks, True), (scattered, False)):
        problem = Problem(photograph * mask, Mask(mask), sigma=0.0, task="inpaint")
        examination = held_out(problem, None, 0.06, 3)
        gone = (mask - examination.problem.measured[:, :1])[0, 0]
        assert gone.min() == 0
        neighbours = gone[1:-1, 1:-1] * gone[:-2, 1:-1] * gone[2:, 1:-1] * gone[1:-1, :-2] * gone[1:-1, 2:]
        assert (float(neighbours.sum() / gone.sum()) > 0.4) == is_shaped
        truth = examination.errors(photograph)
        assert len(truth) == 3 * int(gone.sum())
        assert float(truth.max()) < 1e-10


def test_the_true_image_is_penalised_by_chance_alone(photograph: torch.Tensor) -> None:
    noisy = add_gaussian(photograph, SIGMA, seeded())
    examination = held_out(Problem(noisy, Identity(), sigma=SIGMA, task="denoise"), None, 0.2, 3)
    assert examination.is_whole
    assert float(examination.errors(photograph).mean()) == pytest.approx(examination.chance, rel=0.1)


def test_a_picture_is_enlarged_to_the_size_that_it_has(photograph: torch.Tensor) -> None:
    problem = Problem(photograph, Downsample(4), sigma=0.0, task="sr")
    examination = coarser(problem, 1)
    assert examination is not None
    assert examination.problem.y.shape == (1, 3, 24, 24)
    assert examination.share == 1 / 16
    assert float(examination.errors(photograph).max()) == 0
    assert float(examination.errors(examination.problem.initial()).mean()) > 1e-4
    assert coarser(Problem(photograph[..., :12, :12], Downsample(4), sigma=0.0, task="sr"), 1) is None
    assert coarser(Problem(photograph, Identity(), sigma=0.1), 1) is None
