"""What a restoration loses by a wrong kernel of downsampling, as far as spectra tell.

The linear restoration of ``y = (k ∗ x)↓s + n`` that believes in a kernel K̂ multiplies each frequency ω of the large
image, one of those that are folded onto one another, by

    W(ω) = S(ω) K̂(ω) / (Σ_m S K̂² + ν),

with S a power law and ν for what it distrusts in y. Under the kernel K that it was, its error is

    E(K̂, K) = Σ_ω S − 2 Σ_ω W S K + Σ_ω W² (Σ_m S K² + ν).

A kernel that is too narrow leaves blur; one that is too wide rings, and costs several times as much.
"""

from __future__ import annotations

import numpy as np

from zeroshot.kernels.power_law import EXPONENT, LENS_VARIANCE, bicubic_response

#: ν as a share of the scene's power. With it, what is lost agrees with what total variation loses.
DISTRUST = 2e-3
#: Frequencies of the small picture along an axis, and at most that many that are folded onto each.
_FREQUENCIES, _MOST_ALIASES = 16, 6
#: Below that many radians a pixel of the small picture the power is the same.
_LOWEST_FREQUENCY = 0.15


class RestorationLoss:
    """How many dB a kernel loses in place of another one, at one scale.

    Kernels are given by their responses, (kernels, frequencies, aliases), as :meth:`gaussians` and :meth:`bicubic` make
    them.

    Parameters
    ----------
    scale : int
        s.
    """

    def __init__(self, scale: int) -> None:
        self.scale = scale
        aliases = min(scale, _MOST_ALIASES)
        own = 2 * np.pi * np.fft.fftfreq(_FREQUENCIES)
        each = own[:, None] + 2 * np.pi * (np.arange(aliases) - aliases // 2)
        shape = (_FREQUENCIES, _FREQUENCIES, aliases, aliases)
        self._down = np.broadcast_to(each[:, None, :, None], shape).reshape(_FREQUENCIES**2, -1)
        self._across = np.broadcast_to(each[None, :, None, :], shape).reshape(_FREQUENCIES**2, -1)
        squared = np.maximum(self._down**2 + self._across**2, _LOWEST_FREQUENCY**2)
        power = squared ** (-EXPONENT / 2) * np.exp(-LENS_VARIANCE / scale**2 * squared)
        self._power = power / power.sum()

    def gaussians(self, covariances: np.ndarray) -> np.ndarray:
        """The responses of Gaussians of covariances (kernels, 2, 2), in pixels² of the small picture."""
        xx, xy, yy = (covariances[:, i, j, None, None] for i, j in ((0, 0), (0, 1), (1, 1)))
        form = xx * self._across**2 + 2 * xy * self._across * self._down + yy * self._down**2
        return np.exp(-form / 2)

    def bicubic(self) -> np.ndarray:
        """The response of bicubic shrinking, (1, frequencies, aliases)."""
        across, down = (bicubic_response(axis, self.scale) for axis in (self._across, self._down))
        return (across * down)[None]

    def decibels(self, used: np.ndarray, true: np.ndarray) -> np.ndarray:
        """``10 log₁₀ (E(used, true) / E(true, true))`` of each pair, (used, true)."""
        wiener, power = self._wiener(used), self._received(true)
        # Both are sums over all frequencies: products of matrices.
        shared = (wiener * self._power).reshape(len(used), -1) @ true.reshape(len(true), -1).T
        errors = 1 - 2 * shared + np.square(wiener).sum(axis=2) @ power.T
        own = self._wiener(true)
        least = (
            1
            - 2 * (own * self._power * true).sum(axis=(1, 2))
            + (np.square(own).sum(axis=2) * power).sum(axis=1)
        )
        return 10 * np.log10(errors / least)

    def _wiener(self, responses: np.ndarray) -> np.ndarray:
        return self._power * responses / self._received(responses)[..., None]

    def _received(self, responses: np.ndarray) -> np.ndarray:
        """The power of the small picture at each of its frequencies, (kernels, frequencies)."""
        return (self._power * responses**2).sum(axis=2) + DISTRUST / _FREQUENCIES**2
