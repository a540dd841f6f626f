"""Weighted nuclear norm minimisation: groups of similar patches whose large singular values are shrunk least."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from zeroshot.checks import require_positive
from zeroshot.priors.low_rank.grouped_denoiser import GroupedDenoiser, Level
from zeroshot.solvers.singular_values import Shrinkage


@dataclass(frozen=True)
class WeightedNuclearNorm(GroupedDenoiser):
    """min over X of ½ ‖Y − X‖² + Σ wᵢ sᵢ(X) for each group Y of similar patches, with wᵢ = c √n σ² / sᵢ(X).

    The singular values s of a group of n patches become ½ (s + √(s² − 4 c √n σ²)), or 0 where the root is not
    real, and the patches are averaged into an image. Each iteration starts from x + δ (y − x), so that a part
    of what was removed comes back. The noise σ that is left in a group is taken to be λ √|σ² − r²|, with r²
    the mean square of the residual in the reference patch; in the first iteration it is that of y. A pass
    searches for similar patches once and makes two iterations.

    Everything but denoising uses the splitting scheme of
    :class:`zeroshot.priors.sparse.gsr.GroupSparseRepresentation`, with this shrinkage.

    Colour images are taken apart into brightness and two differences of colour, which hold little and are of lower
    rank; that is worth 0.4 dB over the colours of a patch in one row (see ``benchmarks/classic.md``). Noise alone
    makes an n × d matrix with singular values up to about σ (√n + √d). Where d holds the colours of a patch jointly,
    the constant grows with the square of that, so that the share of the noise that vanishes is the same as in grey
    images.

    Parameters
    ----------
    patch, group, stride, radius, feedback, coupling
        As for :class:`GroupedDenoiser`.
    iterations : int or None
        How often the groups are shrunk; None: 8, 12, 14 or 14 by noise level.
    remaining : float or None
        λ; None: 0.54, 0.56, 0.58 or 0.58 by noise level.
    constant : float
        c.

    References
    ----------
    S. Gu, L. Zhang, W. Zuo, X. Feng: Weighted nuclear norm minimization with application to image denoising,
    CVPR 2014; the defaults are theirs, except the stride and c, which makes the threshold √2 times smaller than
    theirs (see ``benchmarks/classic.md``). S. Gu, Q. Xie, D. Meng, W. Zuo, X. Feng, L. Zhang: Weighted nuclear
    norm minimization and its applications to low level vision, IJCV 121 (2017). J. Xu, L. Zhang, D. Zhang,
    X. Feng: Multi-channel weighted nuclear norm minimization for real color image denoising, ICCV 2017, for
    joint colour patches.
    """

    name: ClassVar[str] = "wnnm"
    summary: ClassVar[str] = "weighted nuclear norm: similar patches as low-rank matrices; strong, a minute"
    shrinkage: ClassVar[Shrinkage] = "weighted"
    levels: ClassVar[tuple[Level, ...]] = (
        Level(20 / 255, 6, 70, 8, 0.54),
        Level(40 / 255, 7, 90, 12, 0.56),
        Level(60 / 255, 8, 120, 14, 0.58),
        Level(math.inf, 9, 140, 14, 0.58),
    )

    constant: float = 2 * math.sqrt(2)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "constant")

    def threshold(self, count: int, patch: int, channels: int) -> float:
        """Where the root becomes real, 2 √(c √n); for joint colours times how much more noise a group holds."""
        edge = [math.sqrt(count) + patch * math.sqrt(number) for number in (1, channels)]
        return 2 * math.sqrt(self.constant * math.sqrt(count)) * edge[1] / edge[0]
