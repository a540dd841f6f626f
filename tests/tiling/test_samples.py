"""Samples: the mean of independent runs, their spread, and what it says about the error."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zeroshot
from tests.doubles import drifting, interrupt_at
from zeroshot.estimate import Estimate
from zeroshot.metrics import psnr
from zeroshot.stopping import MaxIterations, WindowedMovingVariance
from zeroshot.stopping.minimum import MinimumSeeking

_NETWORK: dict[str, Any] = {
    "channels": 8,
    "scales": 3,
    "iterations": 120,
    "precision": "float32",
    "averaging": 0.9,
}


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((20, 24, 3)).astype(np.float32)


def _holed(photograph: torch.Tensor) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    truth = photograph[..., 16:64, 16:64]
    known = np.random.default_rng(0).random((48, 48)) < 0.5
    holed = (truth[0] * torch.from_numpy(known)).permute(1, 2, 0).numpy().astype(np.float32)
    return holed, known, truth


def test_the_image_is_the_mean_of_runs_and_the_deviation_their_spread(image: np.ndarray) -> None:
    prior = drifting(noise=0.05)
    plain = zeroshot.solve(image, "denoise", prior, sigma=0.1).image
    two = zeroshot.solve(image, "denoise", prior, sigma=0.1, samples=2)
    # The first run is the plain one, so that the mean gives the other.
    other = 2 * two.image - plain
    deviation = two.maps["deviation"][0].permute(1, 2, 0).numpy()
    assert deviation == pytest.approx(np.abs(plain - other) / math.sqrt(2), abs=1e-5)
    assert deviation.mean() > 0.02
    assert two.iterations == 10


def test_many_samples_have_the_deviation_of_their_law() -> None:
    grey = np.full((30, 30, 3), 0.5, np.float32)
    result = zeroshot.solve(grey, "denoise", drifting(noise=0.1, iterations=1), sigma=0.1, samples=20)
    deviation = result.maps["deviation"]
    # The unbiased variance has the expectation 0.1², the mean of n a variance of 0.1²/n.
    assert float(deviation.square().mean().sqrt()) == pytest.approx(0.1, rel=0.03)
    assert float(np.std(result.image)) == pytest.approx(0.1 / math.sqrt(20), rel=0.1)


def test_one_sample_is_the_plain_run(image: np.ndarray) -> None:
    plain = zeroshot.solve(image, "denoise", drifting(noise=0.1), sigma=0.1)
    one = zeroshot.solve(image, "denoise", drifting(noise=0.1), sigma=0.1, samples=1)
    assert one.image.tobytes() == plain.image.tobytes()
    assert one.provenance == plain.provenance
    assert one.maps == {}


def test_the_same_seed_gives_the_same_bytes(image: np.ndarray) -> None:
    def restored(seed: int) -> bytes:
        result = zeroshot.solve(image, "denoise", drifting(noise=0.1), sigma=0.1, samples=3, seed=seed)
        return result.image.tobytes() + result.maps["deviation"].numpy().tobytes()

    assert restored(0) == restored(0) != restored(1)


def test_a_prior_without_randomness_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="'tv' draws nothing at random") as caught:
        zeroshot.solve(image, "denoise", "tv", sigma=0.1, samples=3)
    assert "\n" not in str(caught.value)


def test_the_deviation_belongs_to_the_image_that_is_returned(image: np.ndarray) -> None:
    class Third(MinimumSeeking):
        quantity, measure_name, patience = "distance from iteration 3", "distance", 4

        def measure(self, estimate: Estimate) -> float:
            return abs(estimate.iteration - 3)

    prior = drifting(noise=0.05)
    stopped = zeroshot.solve(image, "denoise", prior, sigma=0.1, samples=3, stopping=MaxIterations(3))
    late = zeroshot.solve(image, "denoise", prior, sigma=0.1, samples=3, stopping=Third())
    assert late.iterations == 7
    assert np.array_equal(late.image, stopped.image)
    assert torch.equal(late.maps["deviation"], stopped.maps["deviation"])


@pytest.mark.parametrize("stopping", [None, WindowedMovingVariance(window=3, patience=2)])
def test_an_interrupted_run_resumes_to_the_same_bytes(
    image: np.ndarray, tmp_path: Path, stopping: Any
) -> None:
    job: dict[str, Any] = {"sigma": 0.1, "samples": 3, "stopping": stopping}
    prior = drifting(noise=0.05)
    whole = zeroshot.solve(image, "denoise", prior, **job)
    checkpoint = tmp_path / "run.checkpoint"
    part = zeroshot.solve(image, "denoise", prior, checkpoint=checkpoint, callbacks=[interrupt_at(4)], **job)
    assert part.interrupted
    rest = zeroshot.solve(image, "denoise", prior, checkpoint=checkpoint, resume=True, **job)
    assert rest.image.tobytes() == whole.image.tobytes()
    assert torch.equal(rest.maps["deviation"], whole.maps["deviation"])
    assert np.array_equal(rest.history["loss"], whole.history["loss"])


@pytest.mark.slow
def test_samples_of_a_network_are_better_and_know_where_they_err(photograph: torch.Tensor) -> None:
    holed, known, truth = _holed(photograph)
    job: dict[str, Any] = {"mask": known, "settings": _NETWORK}
    plain = [zeroshot.solve(holed, "inpaint", "dip", seed=seed, **job).image for seed in range(3)]
    three = zeroshot.solve(holed, "inpaint", "dip", samples=3, **job)
    mean = torch.from_numpy(three.image).permute(2, 0, 1)[None]
    singles = [psnr(torch.from_numpy(single).permute(2, 0, 1)[None], truth) for single in plain]
    assert psnr(mean, truth) > max(singles)
    holes = torch.from_numpy(~known)
    error = (mean - truth).abs().mean(dim=1)[0][holes]
    deviation = three.maps["deviation"].mean(dim=1)[0][holes]
    assert float(torch.corrcoef(torch.stack([error, deviation]))[0, 1]) > 0.15
    # What was measured is kept, and no sample is in doubt about it.
    assert not three.maps["deviation"][..., ~holes].any()


def test_the_deviation_of_tiles_is_blended_and_saved(tmp_path: Path) -> None:
    grey = np.full((60, 90, 3), 0.5, np.float32)
    job: dict[str, Any] = {"sigma": 0.1, "samples": 8, "tile": 40, "overlap": 12}
    result = zeroshot.solve(grey, "denoise", drifting(noise=0.1, iterations=1), **job)
    deviation = result.maps["deviation"]
    assert deviation.shape == (1, 3, 60, 90)
    assert float(deviation.mean()) == pytest.approx(0.1, rel=0.1)
    assert [path.name for path in result.save_maps(tmp_path)] == ["deviation.png"]


def test_samples_that_are_no_number_are_refused(image: np.ndarray) -> None:
    for samples in (0, 1.5, "many", True):
        with pytest.raises(ValueError, match="samples must be a whole number of at least 1, got"):
            zeroshot.solve(image, "denoise", drifting(), sigma=0.1, samples=samples)
