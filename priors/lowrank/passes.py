"""Denoising by shrinking groups of similar patches several times, each time giving back what was lost."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import torch
from torch.nn import functional

from ..denoising import DenoisingPrior
from .groups import RULES, PatchGroups, Shrinkage

if TYPE_CHECKING:
    from zeroshot.prior import Prior
    from zeroshot.problem import Problem

Coupling = Literal["joint", "channels"]

#: Iterations that share one search for similar patches.
PER_MATCHING = 2
#: By how much the groups shrink with each search: the better the estimate, the fewer patches suffice.
FEWER = 10
#: The smallest group.
LEAST = 20


@dataclass(frozen=True)
class Level:
    """The settings that suit noise up to a level.

    Attributes
    ----------
    up_to : float
        The highest standard deviation that they are for, on the [0, 1] scale.
    patch, group, iterations, remaining
        As in :class:`GroupedDenoiser`.
    """

    up_to: float
    patch: int
    group: int
    iterations: int
    remaining: float


@dataclass(frozen=True)
class GroupedDenoiser(DenoisingPrior):
    """x ← the average of all patches of y + δ-feedback after their groups have been shrunk, several times.

    Each iteration starts from x + δ (y − x), so that a part of what was removed comes back. The noise that is
    left in a group is taken to be λ √|σ² − r²|, with r² the mean square of the residual in the reference
    patch; in the first iteration it is σ. A pass looks for similar patches once and makes two iterations.

    Parameters
    ----------
    patch : int or None
        Side of a patch; None chooses by the noise level, as for all that follow.
    group : int or None
        Patches in a group in the beginning; every pass takes ten less, down to twenty.
    iterations : int or None
        How often the groups are shrunk.
    remaining : float or None
        λ.
    stride : int or None
        Distance between reference patches; None: half a patch.
    radius : int
        Half the side of the window in which similar patches are looked for.
    feedback : float
        δ.
    coupling : {"joint", "channels"}
        The colours of a patch in one row of the group, or each channel on its own.
    """

    shrinkage: ClassVar[Shrinkage]
    levels: ClassVar[tuple[Level, ...]]

    patch: int | None = None
    group: int | None = None
    iterations: int | None = None
    remaining: float | None = None
    stride: int | None = None
    radius: int = 30
    feedback: float = 0.1
    coupling: Coupling = "joint"

    def __post_init__(self) -> None:
        for name, least in (("patch", 2), ("group", 2), ("iterations", 1), ("stride", 1), ("radius", 1)):
            value = getattr(self, name)
            if value is None and name != "radius":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
        for name in ("remaining", "feedback"):
            value = getattr(self, name)
            if value is None and name == "remaining":
                continue
            if not is_number(value) or not 0 <= value <= 1:
                raise ValueError(f"{name} must be a number from 0 to 1, got {value!r}")
        if self.coupling not in get_args(Coupling):
            raise ValueError(f"coupling must be 'joint' or 'channels', got {self.coupling!r}")

    @abstractmethod
    def threshold(self, count: int, patch: int, channels: int) -> float:
        """The threshold, in units of the noise, of groups of `count` patches of `patch` × `patch` pixels."""

    def passes(self, sigma: float) -> int:
        """One for every two iterations."""
        return -(-self.level(sigma).iterations // PER_MATCHING)

    def repeated(self) -> GroupedDenoiser:
        """Four iterations where none are set: a splitting scheme repeats the denoiser itself."""
        return dataclasses.replace(self, iterations=self.iterations or 4)

    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """Look for similar patches and shrink their groups twice."""
        parts = noisy.shape[1] if self.coupling == "channels" else 1
        images = [
            torch.cat(
                [self._pass(*pair, sigma, index) for pair in zip(y.chunk(parts), x.chunk(parts), strict=True)]
            )
            for y, x in zip(noisy, estimate, strict=True)
        ]
        return torch.stack(images)

    def level(self, sigma: float) -> Level:
        """The settings for noise of this standard deviation."""
        default = next(level for level in self.levels if sigma <= level.up_to)
        return Level(
            default.up_to,
            default.patch if self.patch is None else self.patch,
            default.group if self.group is None else self.group,
            default.iterations if self.iterations is None else self.iterations,
            default.remaining if self.remaining is None else self.remaining,
        )

    def _pass(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """Pass `index` over one image (C, H, W)."""
        level = self.level(sigma)
        size, stride = level.patch, self.stride or max(level.patch // 2, 1)
        count = max(level.group - FEWER * (index + 1), min(level.group, LEAST))
        begin = index * PER_MATCHING
        groups: PatchGroups | None = None
        for iteration in range(begin, min(begin + PER_MATCHING, level.iterations)):
            start = estimate + self.feedback * (noisy - estimate)
            groups = groups or PatchGroups(start, size, count, stride, self.radius)
            left = noise_left(noisy - start, sigma, size) * level.remaining
            noise = torch.full_like(left, sigma) if iteration == 0 else left
            threshold = self.threshold(groups.count, size, noisy.shape[0])
            estimate = groups.shrink(start, RULES[self.shrinkage], threshold * noise)
        return estimate

    def _plugged_in(self, problem: Problem) -> Prior:
        from ..gsr import GroupSparseRepresentation

        return GroupSparseRepresentation.for_problem(problem, shrinkage=self.shrinkage)


def noise_left(residual: torch.Tensor, sigma: float, size: int) -> torch.Tensor:
    """√|σ² − r²|, with r² the mean square of the residual (C, H, W) in each patch, (H − size + 1, W − size + 1)."""
    energy = residual.square().mean(dim=0, keepdim=True)
    removed = functional.avg_pool2d(energy[None], size, stride=1)[0, 0]
    return (sigma**2 - removed).abs().sqrt()


def is_number(value: Any) -> bool:
    """Whether `value` is a finite int or float, and not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
