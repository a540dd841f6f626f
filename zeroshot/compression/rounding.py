"""How far the rounded coefficients of a JPEG are from the true ones, from themselves alone."""

from __future__ import annotations

import numpy as np

#: The laws of the scale of the coefficients that are tried: a power of the frequency, and their level.
_POWERS, _LEVELS = np.linspace(0.5, 3.5, 13), np.linspace(0.0, 6.0, 37)


def rounding_error(quantised: np.ndarray, table: np.ndarray) -> float:
    """The root mean square of what quantisation did to a component, in grey levels.

    Coefficients are taken as Laplacian with a scale that falls with a power of the frequency, b = s f^(−p), the one
    under which those that were found are likeliest. What was not rounded to zero has an error of Q²/12; the rest has
    the variance of the law between −Q/2 and Q/2, but no more than that.

    Parameters
    ----------
    quantised : numpy.ndarray
        (rows, columns, 8, 8) of whole numbers.
    table : numpy.ndarray
        8 × 8 steps.

    References
    ----------
    E. Y. Lam, J. W. Goodman: A mathematical analysis of the DCT coefficient distributions for images, IEEE TIP 9
    (2000).
    """
    steps = table.ravel()[1:].astype(np.float64)
    sizes = np.abs(quantised.reshape(-1, 64).T[1:].astype(np.float64))
    zeros, count = (sizes == 0).sum(axis=1), sizes.shape[1]
    others, total = count - zeros, (sizes * steps[:, None]).sum(axis=1)
    frequency = np.hypot(*np.mgrid[:8, :8]).ravel()[1:]
    scale = np.exp(_LEVELS)[:, None] * frequency ** -_POWERS[:, None, None]
    likelihood = zeros * _log_below(steps / 2 / scale) + others * _log_below(steps / scale)
    likelihood += (others * steps / 2 - total) / scale
    best = scale.reshape(-1, 63)[int(likelihood.sum(axis=-1).argmax())]
    reach = steps / 2 / best
    variance = best**2 * (2 - np.exp(-reach) * (reach**2 + 2 * reach + 2)) / -np.expm1(-reach)
    uniform = steps**2 / 12
    squares = float((zeros * np.minimum(variance, uniform) + others * uniform).sum())
    return float(np.sqrt((squares + count * float(table[0, 0]) ** 2 / 12) / (64 * count)))


def _log_below(reach: np.ndarray) -> np.ndarray:
    """log(1 − exp(−reach))."""
    return np.log(np.maximum(-np.expm1(-reach), 1e-300))
