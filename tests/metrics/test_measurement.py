"""Consistency is the root mean square of A(x) − y over what was measured, in 8-bit grey levels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zeroshot.metrics import consistency, expected_consistency
from zeroshot.operators import Downsample, Mask
from zeroshot.problem import Problem


def test_the_truth_of_a_noisy_measurement_is_off_by_the_noise(generator: torch.Generator) -> None:
    truth = torch.rand(1, 3, 128, 128, generator=generator)
    operator = Downsample(2)
    clean = operator(truth)
    sigma = 10 / 255
    problem = Problem(clean + sigma * torch.randn(clean.shape, generator=generator), operator, sigma=sigma)
    assert expected_consistency(problem) == pytest.approx(10)
    assert consistency(truth, problem) == pytest.approx(10, rel=0.02)


def test_arrays_and_tensors_give_the_same(generator: torch.Generator) -> None:
    truth = torch.rand(1, 3, 16, 16, generator=generator)
    problem = Problem(Downsample(2)(truth) + 0.1, Downsample(2))
    array = truth[0].permute(1, 2, 0).double().numpy()
    assert consistency(array, problem) == pytest.approx(25.5, abs=1e-3)
    assert consistency(truth[0], problem) == consistency(array, problem)


def test_holes_do_not_count(generator: torch.Generator) -> None:
    truth = torch.rand(1, 1, 8, 8, generator=generator)
    known = (torch.rand(1, 1, 8, 8, generator=generator) < 0.5).float()
    operator = Mask(known)
    problem = Problem(operator(truth), operator, measured=known)
    restored = torch.where(known > 0, truth + 0.1, torch.zeros(()))
    assert consistency(restored, problem) == pytest.approx(25.5, abs=1e-3)


def test_an_unknown_noise_level_promises_nothing() -> None:
    assert expected_consistency(Problem(torch.zeros(1, 1, 4, 4), Downsample(2))) is None


def test_an_image_of_another_shape_is_refused() -> None:
    problem = Problem(torch.zeros(1, 1, 4, 4), Downsample(2))
    with pytest.raises(ValueError, match=r"shape \(1, 1, 8, 8\), got \(1, 1, 4, 4\)"):
        consistency(np.zeros((4, 4)), problem)
