"""How much work is put into a result: patches, groups and windows of either pass, by profile and noise level."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Profile = Literal["fast", "normal", "high"]

#: Above this noise level (of 255) the groups of the first pass are larger.
STRONG_NOISE = 40


@dataclass(frozen=True)
class Stage:
    """What one pass works on.

    Attributes
    ----------
    patch : int
        Side of a patch.
    stride : int
        Distance between reference patches.
    group : int
        The most patches in a group, a power of two.
    radius : int
        The search window reaches so far to each side.
    difference : float
        Patches match where their mean squared difference, that of the noise taken off, is at most this; on
        the scale from 0 to 255.
    beta : float
        Shape of the Kaiser window that weights the pixels of a patch.
    """

    patch: int
    stride: int
    group: int
    radius: int
    difference: float
    beta: float = 2.0

    def fitted(self, side: int) -> Stage:
        """The same for an image whose shorter side is `side`: with patches that fit into it and leave no gap."""
        return self if side >= self.patch else replace(self, patch=side, stride=min(self.stride, side))


def stages(profile: Profile, sigma: float) -> tuple[Stage, Stage]:
    """The stages of hard thresholding and of Wiener filtering.

    Parameters
    ----------
    profile : {"fast", "normal", "high"}
        The normal one is that of the papers, except for `difference` in the second pass, where they have 400 and
        larger groups are no worse (see ``benchmarks/classic.md``). The fast one is the low-complexity profile of
        the same authors.
    sigma : float
        Noise level of the image, on the scale from 0 to 1. For strong noise the groups of the first pass
        become larger. Hou et al. also enlarge the patches of the second pass to 11 × 11, which does not pay.

    References
    ----------
    K. Dabov et al.: Image denoising by sparse 3-D transform-domain collaborative filtering, IEEE TIP 16 (2007),
    table I. Y. Hou, C. Zhao, D. Yang, Y. Cheng: Comment on "Image denoising by sparse 3-D transform-domain
    collaborative filtering", IEEE TIP 20 (2011), for strong noise.
    """
    hard, wiener = _PROFILES[profile]
    if 255 * sigma > STRONG_NOISE:
        hard = replace(hard, group=2 * hard.group)
    return hard, wiener


_PROFILES: dict[Profile, tuple[Stage, Stage]] = {
    "fast": (Stage(8, 6, 16, 12, 3000), Stage(8, 5, 16, 12, 3000)),
    "normal": (Stage(8, 3, 16, 19, 3000), Stage(8, 3, 32, 19, 3000)),
    "high": (Stage(8, 2, 16, 19, 3000), Stage(8, 2, 32, 19, 3000)),
}
