"""Nuclear norm minimisation: groups of similar patches, all singular values shrunk by the same amount."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from zeroshot.checks import require_positive
from zeroshot.priors.low_rank.grouped_denoiser import GroupedDenoiser, Level
from zeroshot.solvers.singular_values import Shrinkage


@dataclass(frozen=True)
class NuclearNorm(GroupedDenoiser):
    """min over X of ½ ‖Y − X‖² + t ‖X‖₊ for each group Y of similar patches, with t = k σ (√n + √d).

    ‖X‖₊ is the nuclear norm, the sum of the singular values; each becomes max(s − t, 0). Noise alone makes
    an n × d matrix with singular values up to about σ (√n + √d), the universal threshold of this norm. What
    the convex norm costs, against weights that spare the large singular values, is
    :class:`zeroshot.priors.low_rank.wnnm.WeightedNuclearNorm` less this.

    The iterations, their feedback and the noise that is taken to be left are those of that class too. Everything
    but denoising uses the splitting scheme of :class:`zeroshot.priors.sparse.gsr.GroupSparseRepresentation`.

    Parameters
    ----------
    patch, group, stride, radius, feedback, coupling
        As for :class:`GroupedDenoiser`.
    iterations : int or None
        How often the groups are shrunk; None: 4 up to σ = 20/255, else 6.
    remaining : float or None
        λ, which multiplies the noise that is taken to be left; None: 0.56.
    strength : float
        k. Below 1, since what is shrunk off the structure of every group costs more than what the noise leaves
        in the average of many.

    References
    ----------
    J.-F. Cai, E. J. Candès, Z. Shen: A singular value thresholding algorithm for matrix completion, SIAM
    Journal on Optimization 20 (2010). S. Gu, L. Zhang, W. Zuo, X. Feng: Weighted nuclear norm minimization with
    application to image denoising, CVPR 2014, where it is the baseline.
    """

    name: ClassVar[str] = "nnm"
    summary: ClassVar[str] = "nuclear norm: similar patches as low-rank matrices; the baseline of wnnm"
    shrinkage: ClassVar[Shrinkage] = "soft"
    levels: ClassVar[tuple[Level, ...]] = (
        Level(20 / 255, 6, 70, 4, 0.56),
        Level(40 / 255, 7, 90, 6, 0.56),
        Level(60 / 255, 8, 120, 6, 0.56),
        Level(math.inf, 9, 140, 6, 0.56),
    )

    strength: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "strength")

    def threshold(self, count: int, patch: int, channels: int) -> float:
        """The largest singular value of noise times k: k (√n + √d)."""
        return self.strength * (math.sqrt(count) + patch * math.sqrt(channels))
