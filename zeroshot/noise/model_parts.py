"""What the parts of a noise model must be, each and together."""

from __future__ import annotations

import itertools
import math

import torch


def require_curve(intensities: tuple[float, ...], variances: tuple[tuple[float, ...], ...]) -> None:
    """Refuse knots that do not ascend, and variances that are none or do not go with them."""
    ascending = all(a < b for a, b in itertools.pairwise(intensities))
    if not intensities or not all(map(math.isfinite, intensities)) or not ascending:
        raise ValueError(f"intensities of a noise model must be ascending numbers, got {intensities!r}")
    if not variances or any(len(row) != len(intensities) for row in variances):
        raise ValueError("a noise model needs a variance for each intensity, in each row")
    if not all(math.isfinite(value) and value >= 0 for row in variances for value in row):
        raise ValueError("variances of a noise model must be finite and at least 0")


def require_components(
    rows: int, axes: torch.Tensor | None, powers: torch.Tensor | None, spectra: torch.Tensor | None
) -> None:
    """Refuse axes of colour, powers and spectra that are out of their range, or of other numbers of channels.

    Parameters
    ----------
    rows : int
        Of the curve, one for each channel or one for all.
    """
    counts = {rows} - {1}
    if axes is not None:
        square = axes.ndim == 2 and axes.shape[0] == axes.shape[1]
        if not square or not torch.allclose(axes @ axes.T, torch.eye(len(axes)).double(), atol=1e-4):
            raise ValueError("axes of a noise model must be orthonormal rows, (channels, channels)")
        counts.add(len(axes))
    if powers is not None:
        if powers.ndim != 1 or not bool((powers >= 0).all()) or not float(powers.sum()) > 0:
            raise ValueError("powers of a noise model must be one number of at least 0 for each axis")
        counts.add(len(powers))
    if spectra is not None:
        shape = tuple(spectra.shape)
        if len(shape) != 3 or shape[1] != shape[2] or shape[1] < 2:
            raise ValueError(f"spectra of a noise model must be (axes, F, F), got the shape {shape}")
        if not bool((spectra >= 0).all()) or not bool(spectra.isfinite().all()):
            raise ValueError("spectra of a noise model must be finite and at least 0")
        counts |= {shape[0]} - {1}
    if len(counts) > 1:
        raise ValueError(f"a noise model is of one number of channels, got parts for {sorted(counts)}")
