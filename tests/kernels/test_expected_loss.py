"""What a restoration loses by a wrong kernel of downsampling."""

import numpy as np
import pytest

from zeroshot.kernels.expected_loss import RestorationLoss


def round_ones(*widths: float) -> np.ndarray:
    return np.stack([width**2 * np.eye(2) for width in widths])


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_no_kernel_is_better_than_the_true_one(scale):
    loss = RestorationLoss(scale)
    responses = np.concatenate([loss.bicubic(), loss.gaussians(round_ones(0.2, 0.4, 0.8))])
    decibels = loss.decibels(responses, responses)
    assert np.diag(decibels) == pytest.approx(np.zeros(4), abs=1e-9)
    assert (decibels[~np.eye(4, dtype=bool)] > 0.02).all()


def test_a_kernel_that_is_too_wide_costs_more_than_one_that_is_too_narrow():
    loss = RestorationLoss(4)
    responses = loss.gaussians(round_ones(0.4, 0.7))
    narrow_for_wide, wide_for_narrow = loss.decibels(responses, responses)[[0, 1], [1, 0]]
    assert wide_for_narrow > 2 * narrow_for_wide > 1


def test_turning_both_kernels_changes_nothing():
    loss = RestorationLoss(2)
    lying, standing = np.diag([0.8, 0.2])[None], np.diag([0.2, 0.8])[None]
    of_round = loss.gaussians(round_ones(0.5))
    assert loss.decibels(of_round, loss.gaussians(lying)) == pytest.approx(
        loss.decibels(of_round, loss.gaussians(standing))
    )
