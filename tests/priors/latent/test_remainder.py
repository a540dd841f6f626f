"""What the measurements add to a generator's image: they are met, smoothly, and noise is not fitted."""

from __future__ import annotations

import pytest
import torch

from tests.pictures import seeded, uniform
from zeroshot.data_terms import L1
from zeroshot.operators import Downsample, Grayscale, Mask
from zeroshot.priors.latent.remainder import SmoothRemainder, reason_against_remainder
from zeroshot.problem import Problem


def hole(side=32):
    known = torch.ones(1, 1, side, side)
    known[..., side // 4 : -side // 4, side // 4 : -side // 4] = 0
    return Mask(known)


@pytest.mark.parametrize("operator", [Downsample(4), hole(), Grayscale()])
def test_the_measurements_are_met(photograph, operator):
    truth = photograph[..., 20:52, 20:52]
    problem = Problem(operator(truth), operator, sigma=0.0)
    remainder = SmoothRemainder(problem)
    image = uniform(1, 3, 32, 32, seed=3)
    before = problem.residual(image)
    for _ in range(4):
        completed = remainder.added_to(image)
    assert problem.residual(completed) < 0.03 * before
    torch.testing.assert_close(remainder.added_to(truth), truth, atol=1e-3, rtol=0)


def test_a_wrong_tone_is_corrected_within_the_hole_too(photograph):
    truth = photograph[..., 20:52, 20:52]
    operator = hole()
    problem = Problem(operator(truth), operator, sigma=0.0)
    completed = SmoothRemainder(problem).added_to(truth + 0.1)
    inside = operator.mask[0, 0] == 0
    assert (completed - truth)[..., inside].abs().mean() < 0.04


def test_grey_values_are_corrected_and_colours_kept(photograph):
    truth = photograph[..., 20:52, 20:52]
    problem = Problem(Grayscale()(truth), Grayscale(), sigma=0.0)
    completed = SmoothRemainder(problem).added_to(truth - 0.1)
    torch.testing.assert_close(completed, truth, atol=0.04, rtol=0)


def test_noise_is_not_fitted(photograph):
    truth = photograph[..., 20:52, 20:52]
    operator = Downsample(2)
    noise = 0.1 * torch.randn(1, 3, 16, 16, generator=seeded())
    problem = Problem(operator(truth) + noise, operator, sigma=0.1)
    completed = SmoothRemainder(problem).added_to(truth)
    assert (completed - truth).square().mean().sqrt() < 0.03


def test_it_continues_where_it_was_and_leaves_out_what_is_held_out(photograph):
    operator = Downsample(2)
    problem = Problem(operator(photograph), operator, sigma=0.0).hold_out(0.1, seeded())
    first, image = SmoothRemainder(problem), uniform(1, 3, 96, 96, seed=4)
    first.added_to(image)
    second = SmoothRemainder(problem)
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(second.added_to(image), first.added_to(image))
    assert not bool((first.solution * problem.held_out).any())


def test_less_detail_is_a_mixture_with_the_smooth_completion(photograph):
    problem = Problem(Downsample(4)(photograph), Downsample(4), sigma=0.0)
    image = uniform(1, 3, 96, 96, seed=4)

    def completed(detail):
        remainder = SmoothRemainder(problem, detail)
        for _ in range(3):
            result = remainder.added_to(image)
        return result

    none, half, whole = map(completed, (0.0, 0.5, 1.0))
    torch.testing.assert_close(half, (none + whole) / 2, atol=0.01, rtol=0)


def test_the_better_an_image_makes_the_measurements_the_more_of_its_detail_enters(photograph):
    truth = photograph[..., 20:52, 20:52]
    problem = Problem(Downsample(4)(truth), Downsample(4), sigma=0.0)
    smooth, whole = (SmoothRemainder(problem, detail).added_to(truth + 0.01) for detail in (0.0, 1.0))

    def entered(image):
        completed = SmoothRemainder(problem, None).added_to(image)
        return float(((completed - smooth) * (whole - smooth)).sum() / (whole - smooth).square().sum())

    near = entered(truth + 0.01 * uniform(1, 3, 32, 32, seed=5))
    far = entered(truth + 0.3 * uniform(1, 3, 4, 4, seed=6).repeat_interleave(8, 2).repeat_interleave(8, 3))
    assert near == pytest.approx(0.95, abs=0.02)
    assert far < 0.85


def test_where_it_says_nothing():
    image = torch.zeros(1, 3, 8, 8)
    assert reason_against_remainder(Problem(image, hole(8), sigma=0.0)) is None
    outliers = Problem(image, hole(8), L1(), sigma=0.0)
    assert "white Gaussian noise, and this problem has L1" in reason_against_remainder(outliers)
