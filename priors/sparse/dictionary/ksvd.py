"""K-SVD: atoms fitted one after the other to the signals that use them."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from zeroshot.colour import AXES
from zeroshot.counting import occurrences
from zeroshot.priors.sparse.dictionary.matching_pursuit import SparseCodes

#: Two atoms whose cosine exceeds this in magnitude are the same.
SAME = 0.99
#: An atom that fewer signals use is given up.
FEWEST_USERS = 4


def cosine_dictionary(size: int, channels: int, atoms: int) -> torch.Tensor:
    """Overcomplete discrete cosine dictionary, the atoms as rows of length 1: (`atoms`, C · size²).

    An atom is cos(π i (u + ½)/m) · cos(π j (v + ½)/m) on the pixels (u, v) of a patch, where m ≥ `size` is the
    least number of frequencies an axis that gives enough atoms; their means are taken out, and the constant
    atom is left out. Where there are three channels, half of the atoms are grey and a quarter lies along
    either of the two directions of colour, red − blue and green − magenta; other numbers of channels share
    the atoms equally.

    Parameters
    ----------
    size : int
        Side of a patch.
    channels : int
        C.
    atoms : int
        How many; the lowest frequencies are taken.

    References
    ----------
    M. Elad, M. Aharon: Image denoising via sparse and redundant representations over learned dictionaries,
    IEEE TIP 15 (2006).
    """
    directions = _colour_directions(channels)
    first = atoms // 2 if channels == 3 else -(-atoms // channels)
    shares = [first] + [(atoms - first) // max(channels - 1, 1)] * (channels - 1)
    shares[-1] += atoms - sum(shares)
    parts = [
        torch.kron(direction[None, :], _grey_cosines(size, share))
        for direction, share in zip(directions, shares, strict=True)
        if share > 0
    ]
    return torch.cat(parts)


def _colour_directions(channels: int) -> torch.Tensor:
    if channels == 3:
        return torch.tensor(AXES)
    return torch.eye(channels)


def _grey_cosines(size: int, atoms: int) -> torch.Tensor:
    frequencies = max(size, math.isqrt(atoms) + 1)
    places, orders = torch.arange(size) + 0.5, torch.arange(frequencies)
    axis = torch.cos(math.pi / frequencies * orders[:, None] * places)
    axis[1:] -= axis[1:].mean(dim=1, keepdim=True)
    axis = functional.normalize(axis, dim=1)
    products = torch.kron(axis, axis)
    by_frequency = (orders[:, None] + orders).flatten().argsort(stable=True)
    return products[by_frequency[1 : atoms + 1]]


def update_atoms(
    dictionary: torch.Tensor,
    codes: SparseCodes,
    residuals: torch.Tensor,
    weights: torch.Tensor | None = None,
) -> tuple[torch.Tensor, SparseCodes, torch.Tensor]:
    """One step of ``min ‖√w ⊙ (E − g dᵀ)‖²`` over each atom d and its coefficients g, with the support fixed.

    E is what the other atoms leave of the signals that use d. Instead of the singular vectors of E, d becomes
    Eᵀ g scaled to length 1 and g becomes E d (approximate K-SVD). With weights, d is the least-squares fit
    to E entry by entry, with the old atom counting as one further signal of average coefficient, and g the
    weighted fit of d. Neither can increase the sum of squares.

    Parameters
    ----------
    dictionary : torch.Tensor
        (K, n), the atoms as rows of length 1.
    codes : SparseCodes
        The coefficients of the signals.
    residuals : torch.Tensor
        (P, n): the signals less what the codes say.
    weights : torch.Tensor, optional
        (P, n), at least 0: w; 1 by default.

    Returns
    -------
    tuple
        The new dictionary, codes and residuals.

    References
    ----------
    M. Aharon, M. Elad, A. Bruckstein: K-SVD, IEEE TSP 54 (2006). R. Rubinstein, M. Zibulevsky, M. Elad:
    Technion CS-2008-08, for the approximation. J. Mairal, M. Elad, G. Sapiro: IEEE TIP 17 (2008), for
    weights.
    """
    dictionary, residuals, values = dictionary.clone(), residuals.clone(), codes.values.clone()
    by_atom = codes.atoms.argsort(stable=True)
    users = codes.signals()[by_atom]
    ends = occurrences(codes.atoms, len(dictionary)).cumsum(0).tolist()
    for atom, (begin, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        if begin == end:
            continue
        entries, mine = by_atom[begin:end], users[begin:end]
        coefficients, old = values[entries], dictionary[atom]
        # Whole rows, which indexing with a tensor copies number by number on the CPU.
        unexplained = residuals.index_select(0, mine).addr_(coefficients, old)
        if weights is None:
            new, fitted = _rank_one(unexplained, coefficients, old)
        else:
            new, fitted = _weighted_rank_one(unexplained, coefficients, old, weights.index_select(0, mine))
        residuals[mine] = unexplained.addr_(fitted, new, alpha=-1)
        dictionary[atom], values[entries] = new, fitted
    return dictionary, SparseCodes(codes.atoms, values, codes.counts), residuals


def _rank_one(
    unexplained: torch.Tensor, coefficients: torch.Tensor, old: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The new atom and the coefficients that fit it best; the old atom where nothing can be learned."""
    sums = coefficients @ unexplained
    length = sums.norm()
    new = torch.where(length > 0, sums / length, old)
    return new, unexplained @ new


def _weighted_rank_one(
    unexplained: torch.Tensor, coefficients: torch.Tensor, old: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    weighted = unexplained * weights
    squares = coefficients.square()
    prior = squares.mean()
    new = (coefficients @ weighted + prior * old) / (squares @ weights + prior).clamp(min=1e-30)
    length = new.norm()
    new = torch.where(length > 0, new / length, old)
    energy = weights @ new.square()
    return new, torch.where(energy > 1e-12, (weighted @ new) / energy.clamp(min=1e-12), coefficients)


def replace_atoms(
    dictionary: torch.Tensor, codes: SparseCodes, residuals: torch.Tensor, candidates: torch.Tensor
) -> tuple[torch.Tensor, int]:
    """Put the worst represented signals in place of atoms that are hardly used or equal to an earlier one.

    Worst are the signals that need the most atoms, and among those the ones with the largest error.

    Parameters
    ----------
    dictionary : torch.Tensor
        (K, n), the atoms as rows of length 1.
    codes, residuals
        Of the signals; the residuals weighted, where there are weights.
    candidates : torch.Tensor
        (P, n): the signals, complete and free of means, from which atoms are made.

    Returns
    -------
    tuple
        The new dictionary, and how many atoms were replaced.
    """
    users = occurrences(codes.atoms, len(dictionary))
    cosines = (dictionary @ dictionary.T).abs()
    same = torch.triu(cosines > SAME, diagonal=1).any(dim=0)
    poor = ((users < FEWEST_USERS) | same).nonzero()[:, 0]
    errors = residuals.square().sum(1)
    badness = codes.counts + errors / errors.max().clamp(min=1e-30) * 0.5
    lengths = candidates.norm(dim=1)
    badness = torch.where(lengths > 0, badness, -1.0)
    worst = badness.topk(min(len(poor), len(badness))).indices
    worst = worst[badness[worst] > 0]
    poor = poor[: len(worst)]
    dictionary = dictionary.clone()
    dictionary[poor] = candidates[worst] / lengths[worst, None]
    return dictionary, len(poor)
