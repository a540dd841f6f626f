"""Orthogonal matching pursuit of very many small signals at once, with equal or with other weights.

Both forms walk through the same steps for all signals of a chunk together; signals that are represented well
enough leave the chunk. The only loop is over the number of atoms.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch.nn import functional

#: Bytes of correlations a chunk may hold: about what stays in the second-level cache of a processor. On a GPU the host
#: waits for every atom of a chunk.
_CHUNK_BYTES = {"cpu": 1 << 22}
_LARGE_CHUNK_BYTES = 1 << 26
#: Squared sine of the angle between an atom and those already chosen, below which it adds nothing.
_DEPENDENT = 1e-5
#: A sum of weights that counts as none.
_NOTHING = 1e-12


@dataclass(frozen=True)
class SparseCodes:
    """Sparse coefficients of P signals, one signal after the other.

    Attributes
    ----------
    atoms : torch.Tensor
        (E,) int64: which atom each entry belongs to.
    values : torch.Tensor
        (E,) the coefficients.
    counts : torch.Tensor
        (P,) int64: how many entries each signal has.
    """

    atoms: torch.Tensor
    values: torch.Tensor
    counts: torch.Tensor

    def decode(self, dictionary: torch.Tensor) -> torch.Tensor:
        """Σ values · atoms for each signal, (P, n), with the atoms as rows of `dictionary` (K, n)."""
        starts = self.counts.cumsum(0) - self.counts
        return functional.embedding_bag(
            self.atoms, dictionary, starts, mode="sum", per_sample_weights=self.values
        )

    def signals(self) -> torch.Tensor:
        """(E,) int64: which signal each entry belongs to."""
        positions = torch.arange(len(self.counts), device=self.counts.device)
        return positions.repeat_interleave(self.counts, output_size=len(self.atoms))

    def to_dense(self, atoms: int) -> torch.Tensor:
        """The coefficients as a matrix (P, `atoms`)."""
        dense = self.values.new_zeros(len(self.counts), atoms)
        return dense.index_put((self.signals(), self.atoms), self.values)


def matching_pursuit(
    dictionary: torch.Tensor,
    signals: torch.Tensor,
    sparsity: int,
    tolerance: torch.Tensor | float = 0.0,
) -> SparseCodes:
    """Greedy ``min ‖γ‖₀ with ‖x − Σ γₖ dₖ‖² ≤ tolerance and ‖γ‖₀ ≤ sparsity``, for every signal x.

    Each step takes the atom with the largest |⟨r, dₖ⟩|, r the residual, and projects x anew on the atoms
    taken. The residual itself is never formed: with the Gram matrix G = D Dᵀ its correlations follow from
    those of the signals, and the inverse of the Cholesky factor of G on the support grows by one row a step.

    Parameters
    ----------
    dictionary : torch.Tensor
        (K, n), the atoms as rows of length 1.
    signals : torch.Tensor
        (P, n).
    sparsity : int
        The most atoms a signal may have; 0 or more.
    tolerance : torch.Tensor or float
        Squared error at which a signal is represented well enough, one number or (P,). A rounding error of
        the signal's own energy is always tolerated.

    Returns
    -------
    SparseCodes
        The atoms of each signal in the order in which they were taken.

    References
    ----------
    Y. C. Pati, R. Rezaiifar, P. S. Krishnaprasad: Orthogonal matching pursuit, Asilomar 1993. R. Rubinstein,
    M. Zibulevsky, M. Elad: Efficient implementation of the K-SVD algorithm using batch orthogonal matching
    pursuit, Technion CS-2008-08, for the use of the Gram matrix.
    """
    gram = dictionary @ dictionary.T
    limits = _limits(signals, tolerance)
    parts = [
        _pursue(_WholeSignals(dictionary, gram, chunk), limit, min(sparsity, len(dictionary)))
        for chunk, limit in zip(*_chunks(len(dictionary), signals, limits), strict=True)
    ]
    return _joined(parts, signals)


def weighted_matching_pursuit(
    dictionary: torch.Tensor,
    signals: torch.Tensor,
    weights: torch.Tensor,
    sparsity: int,
    tolerance: torch.Tensor | float = 0.0,
    channels: int = 0,
) -> SparseCodes:
    """Greedy ``min ‖γ‖₀ with ‖√w ⊙ (x − Σ γₖ dₖ)‖² ≤ tolerance and ‖γ‖₀ ≤ sparsity``, for every signal x.

    Where the weights are 0 and 1 only the known entries count, so that each signal sees a dictionary of its
    own: atoms are compared by |⟨w ⊙ r, dₖ⟩| / ‖√w ⊙ dₖ‖. With `channels`, the mean of each channel is free: it
    is taken out of the signal and of the weighted atoms, which is the same as having one constant atom a
    channel in every support. :func:`weighted_means` of x − Σ γₖ dₖ gives their coefficients.

    Parameters
    ----------
    dictionary : torch.Tensor
        (K, n), the atoms as rows.
    signals, weights : torch.Tensor
        (P, n); weights of at least 0. Where they are 0 it does not matter what the signal holds.
    sparsity : int
        The most atoms a signal may have, constant ones apart.
    tolerance : torch.Tensor or float
        Weighted squared error, one number or (P,).
    channels : int
        How many channels of equal length make up a signal; 0 where no means are free.

    References
    ----------
    J. Mairal, M. Elad, G. Sapiro: Sparse representation for color image restoration, IEEE TIP 17 (2008).
    """
    limits = _limits(signals, tolerance)
    # These chunks carry a basis for each signal beside the correlations.
    chunks = zip(*_chunks(2 * len(dictionary), signals, weights, limits), strict=True)
    parts = [
        _pursue(_WeightedSignals(dictionary, chunk, weight, channels), limit, min(sparsity, len(dictionary)))
        for chunk, weight, limit in chunks
    ]
    return _joined(parts, signals)


def weighted_means(values: torch.Tensor, weights: torch.Tensor, channels: int) -> torch.Tensor:
    """The weighted mean of each channel, (P, channels); 0 where a channel has no weight."""
    weights = weights.unflatten(-1, (channels, -1))
    total = (values.unflatten(-1, (channels, -1)) * weights).sum(-1)
    return total / weights.sum(-1).clamp(min=_NOTHING)


def _limits(signals: torch.Tensor, tolerance: torch.Tensor | float) -> torch.Tensor:
    limits = torch.as_tensor(tolerance, dtype=signals.dtype, device=signals.device)
    return limits.expand(len(signals))


def _chunks(atoms: int, *tensors: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], ...]:
    most = _CHUNK_BYTES.get(tensors[0].device.type, _LARGE_CHUNK_BYTES)
    size = max(64, most // (4 * max(atoms, 1)))
    return tuple(tensor.split(size) for tensor in tensors)


def _joined(parts: list[SparseCodes], signals: torch.Tensor) -> SparseCodes:
    if not parts:
        empty = torch.zeros(0, dtype=torch.int64, device=signals.device)
        return SparseCodes(empty, signals.new_zeros(0), empty)
    return SparseCodes(
        torch.cat([part.atoms for part in parts]),
        torch.cat([part.values for part in parts]),
        torch.cat([part.counts for part in parts]),
    )


class _Signals(ABC):
    """The signals of a chunk that still need atoms, and how they correlate with the dictionary."""

    energy: torch.Tensor

    @abstractmethod
    def restrict(self, rows: torch.Tensor) -> None:
        """Keep only these rows, after the last atom was taken into account."""

    @abstractmethod
    def strongest(self) -> torch.Tensor:
        """The atom that correlates most with each residual."""

    @abstractmethod
    def project(
        self, support: torch.Tensor, inverse: torch.Tensor, chosen: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Coordinates of the atoms `chosen` along the orthonormal basis so far, and what is left of them.

        Returns the coordinates, the squared length of the rest, and the residual's correlation with the rest.
        """

    @abstractmethod
    def advance(
        self, rows: torch.Tensor, support: torch.Tensor, change: torch.Tensor, step: torch.Tensor
    ) -> None:
        """Restrict to `rows` and subtract `change`, in terms of the `support`, from the residuals.

        It is `step` times the newest vector of the orthonormal basis.
        """


class _WholeSignals(_Signals):
    """By the Gram matrix: residuals are known by their correlations only."""

    def __init__(self, dictionary: torch.Tensor, gram: torch.Tensor, signals: torch.Tensor) -> None:
        self._dictionary, self._gram, self._signals = dictionary, gram, signals
        self._order = _descending(dictionary)
        self.energy = signals.square().sum(1)

    def restrict(self, rows: torch.Tensor) -> None:
        self._correlations = self._signals.index_select(0, rows) @ self._dictionary.T

    def strongest(self) -> torch.Tensor:
        return _first_largest(self._correlations.abs(), self._order)

    def project(
        self, support: torch.Tensor, inverse: torch.Tensor, chosen: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        products = self._gram.flatten()[support * len(self._gram) + chosen[:, None]]
        along = (inverse * products[:, None, :]).sum(-1)
        own = self._gram.diagonal()[chosen]
        correlation = self._correlations.gather(1, chosen[:, None])[:, 0]
        return along, own - along.square().sum(1), correlation

    def advance(
        self, rows: torch.Tensor, support: torch.Tensor, change: torch.Tensor, step: torch.Tensor
    ) -> None:
        self._correlations = self._correlations.index_select(0, rows)
        self._correlations -= functional.embedding_bag(
            support, self._gram, mode="sum", per_sample_weights=change
        )


class _WeightedSignals(_Signals):
    """By residuals and an orthonormal basis for each signal: with missing entries, no two Gram matrices agree."""

    def __init__(
        self, dictionary: torch.Tensor, signals: torch.Tensor, weights: torch.Tensor, channels: int
    ) -> None:
        self._dictionary, self._weights, self._channels = dictionary, weights, channels
        self._order = _descending(dictionary)
        self._roots = weights.sqrt()
        self._residuals = self._centred(signals)
        self.energy = self._residuals.square().sum(1)

    def _centred(self, values: torch.Tensor) -> torch.Tensor:
        """√w ⊙ `values`, less the weighted mean of each channel."""
        if self._channels:
            means = weighted_means(values, self._weights, self._channels)
            values = values - means.repeat_interleave(values.shape[1] // self._channels, dim=1)
        return values * self._roots

    def restrict(self, rows: torch.Tensor) -> None:
        self._select(rows)
        self._residuals = self._residuals.index_select(0, rows)
        self._basis = self._residuals.new_zeros(len(rows), 0, self._residuals.shape[1])
        squares = self._weights @ self._dictionary.square().T
        whole = self._dictionary.square().sum(1)
        if self._channels:
            weights = self._weights.unflatten(1, (self._channels, -1))
            atoms = self._dictionary.unflatten(1, (self._channels, -1))
            for channel in range(self._channels):
                sums = weights[:, channel] @ atoms[:, channel].T
                squares -= sums.square_() / weights[:, channel].sum(1, keepdim=True).clamp(min=_NOTHING)
        # What is left of an atom outside the holes and beside its mean may be rounding error only.
        usable = squares > _DEPENDENT * whole
        self._scales = torch.where(usable, squares.clamp(min=1e-30).rsqrt(), 0.0)

    def strongest(self) -> torch.Tensor:
        scores = (self._residuals * self._roots) @ self._dictionary.T
        return _first_largest(scores.abs_().mul_(self._scales), self._order)

    def project(
        self, support: torch.Tensor, inverse: torch.Tensor, chosen: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        atoms = self._centred(self._dictionary[chosen])
        along = (self._basis * atoms[:, None, :]).sum(-1)
        rest = atoms - (along[:, :, None] * self._basis).sum(1)
        left = rest.square().sum(1)
        self._newest = rest / left.clamp(min=1e-30).sqrt()[:, None]
        usable = self._scales.gather(1, chosen[:, None])[:, 0] > 0
        return along, torch.where(usable, left, 0.0), (self._residuals * rest).sum(1)

    def advance(
        self, rows: torch.Tensor, support: torch.Tensor, change: torch.Tensor, step: torch.Tensor
    ) -> None:
        newest = self._newest.index_select(0, rows)
        self._residuals = self._residuals.index_select(0, rows).sub_(step[:, None] * newest)
        self._basis = torch.cat([self._basis.index_select(0, rows), newest[:, None, :]], dim=1)
        self._select(rows)
        self._scales = self._scales.index_select(0, rows)

    def _select(self, rows: torch.Tensor) -> None:
        self._weights = self._weights.index_select(0, rows)
        self._roots = self._roots.index_select(0, rows)


def _descending(dictionary: torch.Tensor) -> torch.Tensor:
    return torch.arange(len(dictionary), 0, -1, dtype=dictionary.dtype, device=dictionary.device)


def _first_largest(scores: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """The column of the first largest entry of each row.

    `argmax` along rows is not vectorised on the CPU; maxima and comparisons are, and take a quarter of the
    time. `order` holds the number of columns down to 1; `scores` are overwritten.
    """
    largest = scores.amax(1, keepdim=True)
    found = torch.ge(scores, largest, out=scores).mul_(order).amax(1)
    # NaN equals nothing, and would give a column that does not exist.
    return (len(order) - found.to(torch.int64)).clamp_(max=len(order) - 1)


def _pursue(signals: _Signals, limits: torch.Tensor, sparsity: int) -> SparseCodes:
    """Orthogonal matching pursuit of one chunk.

    For every signal, the rows of `inverse` express an orthonormal basis of the span of its atoms in terms of
    those atoms.
    """
    energy = signals.energy
    count, device = len(energy), energy.device
    limits = torch.maximum(limits, 8 * torch.finfo(energy.dtype).eps * energy)
    rows = ((energy > limits) & (sparsity > 0)).nonzero()[:, 0]
    all_atoms = torch.zeros(count, sparsity, dtype=torch.int64, device=device)
    all_values = energy.new_zeros(count, sparsity)
    counts = torch.zeros(count, dtype=torch.int64, device=device)
    signals.restrict(rows)
    error, limits = energy[rows], limits[rows]
    support = torch.zeros(len(rows), 0, dtype=torch.int64, device=device)
    values = energy.new_zeros(len(rows), 0)
    inverse = energy.new_zeros(len(rows), 0, 0)
    for size in range(sparsity):
        if not len(rows):
            break
        chosen = signals.strongest()
        along, left, correlation = signals.project(support, inverse, chosen)
        # A further atom in the span of those chosen would get an arbitrary coefficient.
        own = along.square().sum(1) + left
        adds = left > _DEPENDENT * own
        step, newest = _new_direction(inverse, along, left, correlation, adds)
        support = torch.cat([support, chosen[:, None]], 1)
        change = step[:, None] * newest
        values = functional.pad(values, (0, 1)) + change
        error = error - step.square()
        counts[rows] = size + adds.to(torch.int64)
        goes_on = (error > limits) & adds
        going = goes_on.nonzero()[:, 0] if size + 1 < sparsity else rows.new_zeros(0)
        if len(going) < len(rows):
            # On a GPU the others are written too, rather than looked for; what follows overwrites them.
            ended = (~goes_on).nonzero()[:, 0] if len(going) and device.type == "cpu" else slice(None)
            all_atoms[rows[ended], : size + 1] = support[ended]
            all_values[rows[ended], : size + 1] = values[ended]
        rows, error, limits = rows[going], error[going], limits[going]
        support, values = support.index_select(0, going), values.index_select(0, going)
        if len(rows):
            change, newest = change.index_select(0, going), newest.index_select(0, going)
            signals.advance(going, support, change, step[going])
            inverse = torch.cat(
                [functional.pad(inverse.index_select(0, going), (0, 1)), newest[:, None, :]], 1
            )
    taken = (torch.arange(sparsity, device=device) < counts[:, None]).flatten().nonzero()[:, 0]
    return SparseCodes(all_atoms.flatten()[taken], all_values.flatten()[taken], counts)


def _new_direction(
    inverse: torch.Tensor,
    along: torch.Tensor,
    left: torch.Tensor,
    correlation: torch.Tensor,
    adds: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The residual's coordinate along the new basis vector, and that vector in terms of the atoms; 0 for none."""
    length = torch.where(adds, left.clamp(min=1e-30), math.inf).sqrt()
    newest = functional.pad(-(along[:, :, None] * inverse).sum(1), (0, 1), value=1.0)
    return correlation / length, newest / length[:, None]
