"""Batch matching pursuit against the algorithm written out for one signal, and its guarantees."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from zeroshot.priors.sparse.dictionary.ksvd import cosine_dictionary
from zeroshot.priors.sparse.dictionary.matching_pursuit import (
    SparseCodes,
    matching_pursuit,
    weighted_matching_pursuit,
    weighted_means,
)


def random_dictionary(atoms: int, length: int, generator: torch.Generator) -> torch.Tensor:
    rows = torch.randn(atoms, length, dtype=torch.float64, generator=generator)
    return functional.normalize(rows, dim=1)


def literal(
    dictionary: torch.Tensor, signal: torch.Tensor, sparsity: int, tolerance: float
) -> tuple[list[int], torch.Tensor]:
    """Orthogonal matching pursuit of one signal by least squares; the atoms may have any length but 0."""
    support: list[int] = []
    values = signal.new_zeros(0)
    residual = signal
    lengths = dictionary.norm(dim=1)
    while len(support) < sparsity and residual.square().sum() > tolerance:
        support.append(int(((dictionary @ residual).abs() / lengths).argmax()))
        atoms = dictionary[support].T
        values = torch.linalg.lstsq(atoms, signal[:, None]).solution[:, 0]
        residual = signal - atoms @ values
    return support, values


def one(codes: SparseCodes, index: int) -> tuple[list[int], torch.Tensor]:
    end = int(codes.counts[: index + 1].sum())
    begin = end - int(codes.counts[index])
    return codes.atoms[begin:end].tolist(), codes.values[begin:end]


@pytest.mark.parametrize(("sparsity", "tolerance"), [(5, 0.0), (12, 2.0), (1, 0.0), (20, 0.5)])
def test_agrees_with_the_literal_algorithm(
    sparsity: int, tolerance: float, generator: torch.Generator
) -> None:
    dictionary = random_dictionary(40, 20, generator)
    signals = torch.randn(60, 20, dtype=torch.float64, generator=generator)
    codes = matching_pursuit(dictionary, signals, sparsity, tolerance)
    for index, signal in enumerate(signals):
        support, values = literal(dictionary, signal, sparsity, max(tolerance, 1e-12))
        found, coefficients = one(codes, index)
        assert found == support
        torch.testing.assert_close(coefficients, values, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("tolerance", [0.0, 1.0])
def test_with_holes_agrees_with_the_literal_algorithm(tolerance: float, generator: torch.Generator) -> None:
    dictionary = random_dictionary(40, 24, generator)
    signals = torch.randn(60, 24, dtype=torch.float64, generator=generator)
    mask = (torch.rand(60, 24, generator=generator) < 0.6).double()
    codes = weighted_matching_pursuit(dictionary, signals, mask, 5, tolerance)
    for index, (signal, known) in enumerate(zip(signals, mask > 0, strict=True)):
        support, values = literal(dictionary[:, known], signal[known], 5, tolerance)
        found, coefficients = one(codes, index)
        assert found == support
        torch.testing.assert_close(coefficients, values, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("channels", [1, 3])
def test_free_means_are_constant_atoms_in_every_support(channels: int, generator: torch.Generator) -> None:
    dictionary = random_dictionary(40, 24, generator)
    signals = torch.randn(40, 24, dtype=torch.float64, generator=generator) + 3
    mask = (torch.rand(40, 24, generator=generator) < 0.7).double()
    codes = weighted_matching_pursuit(dictionary, signals, mask, 4, 0.0, channels)
    constants = torch.eye(channels, dtype=torch.float64).repeat_interleave(24 // channels, dim=1)
    means = weighted_means(signals - codes.decode(dictionary), mask, channels)
    for index, (signal, known) in enumerate(zip(signals, mask > 0, strict=True)):
        flat = constants[:, known]
        away = torch.eye(flat.shape[1], dtype=torch.float64) - torch.linalg.pinv(flat) @ flat
        support, _ = literal(dictionary[:, known] @ away, away @ signal[known], 4, 0.0)
        found, coefficients = one(codes, index)
        assert found == support
        atoms = torch.cat([dictionary[support][:, known], flat]).T
        expected = torch.linalg.lstsq(atoms, signal[known][:, None]).solution[:, 0]
        torch.testing.assert_close(coefficients, expected[:4], atol=1e-8, rtol=1e-8)
        torch.testing.assert_close(means[index], expected[4:], atol=1e-8, rtol=1e-8)


def test_nothing_missing_is_the_same_with_and_without_a_mask(generator: torch.Generator) -> None:
    dictionary = random_dictionary(64, 25, generator)
    signals = torch.randn(200, 25, dtype=torch.float64, generator=generator)
    whole = matching_pursuit(dictionary, signals, 6, 3.0)
    masked = weighted_matching_pursuit(dictionary, signals, torch.ones_like(signals), 6, 3.0)
    assert torch.equal(whole.atoms, masked.atoms)
    assert torch.equal(whole.counts, masked.counts)
    torch.testing.assert_close(whole.values, masked.values)


def test_a_sparse_combination_is_recovered_exactly(generator: torch.Generator) -> None:
    dictionary = random_dictionary(100, 80, generator)
    atoms = torch.stack([torch.randperm(100, generator=generator)[:3] for _ in range(500)])
    values = 1 + torch.rand(500, 3, dtype=torch.float64, generator=generator)
    truth = torch.zeros(500, 100, dtype=torch.float64).scatter_(1, atoms, values)
    codes = matching_pursuit(dictionary, truth @ dictionary, 3)
    found = (codes.to_dense(100) - truth).abs().amax(1) < 1e-8
    assert found.double().mean() > 0.95
    codes = matching_pursuit(dictionary, truth @ dictionary, 30)
    torch.testing.assert_close(codes.decode(dictionary), truth @ dictionary)
    assert codes.counts.double().mean() < 3.5


def test_the_error_is_as_small_as_asked_with_no_atom_more(generator: torch.Generator) -> None:
    dictionary = cosine_dictionary(8, 1, 255)
    signals = torch.randn(3000, 64, generator=generator).cumsum(1)
    signals -= signals.mean(1, keepdim=True)
    limits = torch.rand(3000, generator=generator) * 60
    codes = matching_pursuit(dictionary, signals, 64, limits)
    error = (signals - codes.decode(dictionary)).square().sum(1)
    assert bool((error <= limits * 1.001 + 1e-2).all())
    fewer = matching_pursuit(dictionary, signals, int(codes.counts.max()) - 1, limits)
    longest = codes.counts == codes.counts.max()
    error = (signals - fewer.decode(dictionary)).square().sum(1)
    assert bool((error[longest] > limits[longest]).all())


def test_residuals_are_orthogonal_to_their_atoms_in_single_precision(generator: torch.Generator) -> None:
    dictionary = cosine_dictionary(8, 1, 255)
    signals = torch.randn(500, 64, generator=generator)
    mask = (torch.rand(500, 64, generator=generator) < 0.5).float()
    whole = matching_pursuit(dictionary, signals, 20)
    masked = weighted_matching_pursuit(dictionary, signals, mask, 10)
    for codes, known in ((whole, torch.ones_like(mask)), (masked, mask)):
        residual = (signals - codes.decode(dictionary)) * known
        products = (residual[codes.signals()] * dictionary[codes.atoms]).sum(1)
        assert products.abs().max() < 2e-3


def test_signals_do_not_depend_on_those_beside_them(generator: torch.Generator) -> None:
    dictionary = cosine_dictionary(6, 1, 80)
    signals = torch.randn(9000, 36, generator=generator)
    together = matching_pursuit(dictionary, signals, 4).to_dense(80)
    alone = matching_pursuit(dictionary, signals[8990:], 4).to_dense(80)
    torch.testing.assert_close(together[8990:], alone, atol=1e-4, rtol=1e-4)


def test_zero_signals_and_zero_sparsity_take_no_atoms(generator: torch.Generator) -> None:
    dictionary = random_dictionary(10, 8, generator)
    signals = torch.randn(4, 8, dtype=torch.float64, generator=generator)
    signals[1] = 0
    assert matching_pursuit(dictionary, signals, 3).counts.tolist() == [3, 0, 3, 3]
    assert matching_pursuit(dictionary, signals, 0).counts.tolist() == [0] * 4
    assert matching_pursuit(dictionary, signals[:0], 3).decode(dictionary).shape == (0, 8)


def test_equal_atoms_and_unseen_atoms_do_no_harm(generator: torch.Generator) -> None:
    dictionary = random_dictionary(6, 8, generator)
    dictionary = torch.cat([dictionary, dictionary])
    signals = torch.randn(50, 8, dtype=torch.float64, generator=generator)
    mask = torch.ones_like(signals)
    mask[:, 3:] = 0
    mask[0] = 0
    for codes in (
        matching_pursuit(dictionary, signals, 12),
        weighted_matching_pursuit(dictionary, signals, mask, 12),
        weighted_matching_pursuit(dictionary, signals, mask, 12, channels=2),
    ):
        assert bool(codes.values.isfinite().all())
        assert codes.values.abs().max() < 1e5
    assert weighted_matching_pursuit(dictionary, signals, mask, 12).counts[0] == 0
