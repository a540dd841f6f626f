"""Properties of conjugate gradients on batches of images."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch

from tests.pictures import seeded
from zeroshot.operators.blur import Blur
from zeroshot.solvers.conjugate_gradients import conjugate_gradients

Map = Callable[[torch.Tensor], torch.Tensor]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def dense(size: int, eigenvalues: torch.Tensor | None = None) -> tuple[torch.Tensor, Map]:
    """A symmetric positive definite matrix, and its product with images of so many pixels."""
    basis = torch.linalg.qr(normal(size, size))[0]
    values = torch.linspace(1, 50, size, dtype=torch.float64) if eigenvalues is None else eigenvalues
    matrix = basis @ torch.diag(values) @ basis.T
    return matrix, lambda x: (x.flatten(1) @ matrix).view_as(x)


@pytest.mark.parametrize("systems", ["separate", "joint"])
@pytest.mark.parametrize("start", [False, True])
def test_agrees_with_a_dense_solve(systems: str, start: bool) -> None:
    matrix, apply = dense(30)
    right = normal(3, 2, 5, 3)
    first = normal(3, 2, 5, 3, seed=1) if start else None
    # The joint system has the spectrum of a single one, and so needs no more iterations.
    x = conjugate_gradients(apply, right, first, 60, 1e-12, systems)  # type: ignore[arg-type]
    expected = torch.linalg.solve(matrix, right.flatten(1).T).T.reshape(right.shape)
    torch.testing.assert_close(x, expected, atol=1e-9, rtol=0)


def test_as_many_iterations_suffice_as_there_are_different_eigenvalues() -> None:
    values = torch.tensor([1.0, 4.0, 9.0], dtype=torch.float64).repeat(10)
    _, apply = dense(30, values)
    right = normal(1, 1, 5, 6)
    torch.testing.assert_close(apply(conjugate_gradients(apply, right, None, 3, 0.0)), right)
    too_few = apply(conjugate_gradients(apply, right, None, 2, 0.0)) - right
    assert too_few.norm() > 1e-3 * right.norm()


def test_the_error_in_the_energy_norm_never_grows() -> None:
    matrix, apply = dense(30, torch.logspace(-3, 2, 30, dtype=torch.float64))
    right = normal(1, 1, 5, 6)
    solution = torch.linalg.solve(matrix, right.flatten()).view_as(right)
    errors = []
    for iterations in range(12):
        error = conjugate_gradients(apply, right, None, iterations, 0.0) - solution
        errors.append(float((error * apply(error)).sum()))
    assert all(after < before for before, after in itertools.pairwise(errors))


def test_an_image_does_not_depend_on_the_others_of_its_batch() -> None:
    _, apply = dense(30)
    right = normal(3, 1, 5, 6) * torch.tensor([1.0, 1e-6, 1e6], dtype=torch.float64).view(3, 1, 1, 1)
    together = conjugate_gradients(apply, right, None, 7, 1e-10)
    alone = torch.cat([conjugate_gradients(apply, one[None], None, 7, 1e-10) for one in right])
    torch.testing.assert_close(together, alone, rtol=1e-10, atol=0)


def test_a_looser_tolerance_is_met_with_fewer_products() -> None:
    _, apply = dense(30, torch.logspace(-2, 2, 30, dtype=torch.float64))
    right = normal(2, 1, 5, 6)
    counts = []
    for tolerance in (1e-2, 1e-6):
        calls: list[int] = []

        def counted(x: torch.Tensor, calls: list[int] = calls) -> torch.Tensor:
            calls.append(1)
            return apply(x)

        x = conjugate_gradients(counted, right, None, 200, tolerance)
        residual = (right - apply(x)).flatten(1).norm(dim=1)
        assert bool((residual <= 1.01 * tolerance * right.flatten(1).norm(dim=1)).all())
        counts.append(len(calls))
    assert counts[0] < counts[1]


def test_a_preconditioner_that_is_the_inverse_ends_at_once() -> None:
    matrix, apply = dense(30, torch.logspace(-4, 2, 30, dtype=torch.float64))
    inverse = torch.linalg.inv(matrix)
    right = normal(2, 1, 5, 6)
    x = conjugate_gradients(
        apply, right, None, 1, 0.0, precondition=lambda r: (r.flatten(1) @ inverse).view_as(r)
    )
    torch.testing.assert_close(apply(x), right, atol=1e-6, rtol=0)


def test_a_semidefinite_system_keeps_what_the_start_has_in_the_null_space() -> None:
    mask = (normal(1, 1, 6, 7) > 0).double()
    start, right = normal(1, 1, 6, 7, seed=1), 2 * mask
    x = conjugate_gradients(lambda v: 2 * mask * v, right, start, 20, 1e-12)
    torch.testing.assert_close(x, torch.where(mask > 0, 1.0, start))


def test_zero_in_gives_zero_out_and_a_solution_stays() -> None:
    _, apply = dense(30)
    zero = torch.zeros(2, 1, 5, 6, dtype=torch.float64)
    assert torch.equal(conjugate_gradients(apply, zero), zero)
    solution = normal(2, 1, 5, 6)
    again = conjugate_gradients(apply, apply(solution), solution, 20, 1e-12)
    torch.testing.assert_close(again, solution, atol=1e-12, rtol=0)


def test_neither_the_start_nor_the_right_side_is_changed() -> None:
    _, apply = dense(30)
    right, start = normal(1, 1, 5, 6), normal(1, 1, 5, 6, seed=1)
    before = right.clone(), start.clone()
    conjugate_gradients(apply, right, start, 5, 0.0)
    assert torch.equal(right, before[0])
    assert torch.equal(start, before[1])


def test_float32_images_reach_single_precision() -> None:
    blur = Blur.gaussian(1.0, "replicate")
    right = normal(1, 3, 31, 17).float()

    def apply(x: torch.Tensor) -> torch.Tensor:
        return blur.adjoint(blur(x)) + 0.1 * x

    x = conjugate_gradients(apply, right, None, 200, 1e-6)
    assert x.dtype == torch.float32
    assert float((apply(x) - right).norm() / right.norm()) < 3e-6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"right": torch.ones(3, 3)}, "right must be a batch of shape"),
        ({"start": torch.ones(1, 1, 3, 4)}, "start has shape .* and right"),
        ({"iterations": -1}, "iterations must be a whole number of at least 0, got -1"),
        ({"iterations": 2.0}, "iterations must be a whole number"),
        ({"tolerance": -1e-3}, "tolerance must be a number of at least 0"),
        ({"systems": "single"}, "systems must be 'separate' or 'joint', got 'single'"),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(changes: dict, message: str) -> None:
    arguments = {"apply": lambda x: x, "right": torch.ones(1, 1, 3, 3), **changes}
    with pytest.raises(ValueError, match=message):
        conjugate_gradients(**arguments)
