"""What is kept on a device so that the host need not wait for it: constants, counts and places."""

from __future__ import annotations

import pytest
import torch

from tests.emulated_device import emulated_device
from tests.pictures import seeded
from tests.synchronisations import synchronisations
from zeroshot.constants import constant
from zeroshot.counting import occurrences
from zeroshot.patches.cosine import cosine_matrix
from zeroshot.patches.search_tiles import made_on
from zeroshot.solvers.conjugate_gradients import conjugate_gradients


def test_a_constant_is_copied_once_and_has_the_type_of_what_it_is_for() -> None:
    like = torch.zeros(2, dtype=torch.float32)
    assert torch.equal(constant(like, cosine_matrix, 7), cosine_matrix(7).float())
    assert constant(like.double(), cosine_matrix, 7).dtype == torch.float64
    with emulated_device() as device:
        there = like.to(device)
        first = constant(there, cosine_matrix, 7)
        with synchronisations() as found:
            assert constant(there, cosine_matrix, 7) is first
        assert first.device == device
    assert found.total == 0


def test_a_constant_made_for_an_inference_serves_what_is_differentiated() -> None:
    with torch.inference_mode():
        matrix = constant(torch.zeros(1), cosine_matrix, 5)
    x = torch.ones(5, requires_grad=True)
    (matrix @ x).square().sum().backward()
    assert x.grad is not None


def test_occurrences_are_counted_without_a_wait() -> None:
    numbers = torch.randint(0, 9, (200,), generator=seeded())
    with emulated_device() as device:
        there = numbers.to(device)
        with synchronisations() as found:
            counted = occurrences(there, 11)
        assert found.total == 0
        assert counted.cpu().tolist() == [int((numbers == n).sum()) for n in range(11)]
    assert torch.equal(occurrences(numbers, 11), torch.bincount(numbers, minlength=11))


@pytest.mark.parametrize(
    "places", [[4], [0, 3], [0, 3, 6, 9, 10], [2, 5, 6, 7, 20], [0, 1, 2, 3], [7, 9, 10, 12]]
)
def test_positions_are_made_on_the_device(places: list[int]) -> None:
    positions = torch.tensor(places)
    with emulated_device() as device, synchronisations() as found:
        made = made_on(device, positions)
        assert made.device == device
        assert found.total == 0
        assert made.cpu().tolist() == places
    assert made_on(torch.device("cpu"), positions) is positions


def test_conjugate_gradients_that_look_seldom_end_at_the_same_solution() -> None:
    matrix = torch.randn(6, 6, generator=seeded())
    matrix = matrix @ matrix.T + torch.eye(6)
    right = torch.randn(2, 1, 1, 6, generator=seeded(1))
    here = conjugate_gradients(lambda x: x @ matrix, right, tolerance=1e-5)
    with emulated_device() as device:
        there_matrix, there_right = matrix.to(device), right.to(device)
        with synchronisations() as found:
            there = conjugate_gradients(lambda x: x @ there_matrix, there_right, tolerance=1e-5)
        assert found.total <= 4
        assert torch.allclose(there.cpu(), here, atol=1e-4)
