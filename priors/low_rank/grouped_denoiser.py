"""Denoising by shrinking groups of similar patches several times, each time giving back what was lost."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch
from torch.nn import functional

from zeroshot.checks import require_choice, require_number, require_whole
from zeroshot.colour import from_opponent, to_opponent
from zeroshot.prior import Prior
from zeroshot.priors.denoising import DenoisingPrior
from zeroshot.priors.patch_groups import PatchGroups, Share
from zeroshot.priors.sparse.gsr import GroupSparseRepresentation
from zeroshot.problem import Problem
from zeroshot.solvers.singular_values import RULES, Shrinkage

Coupling = Literal["opponent", "joint", "channels"]

#: Iterations that share one search for similar patches.
PER_MATCHING = 2
#: By how much the groups shrink with each search: the better the estimate, the fewer patches suffice.
FEWER = 10
#: The smallest group.
LEAST = 20
#: Settings that the splitting scheme for everything but denoising has too.
SHARED = ("patch", "group", "iterations", "stride", "radius")


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
    patch; in the first iteration it is σ. A pass searches for similar patches once and makes two iterations.

    Parameters
    ----------
    patch : int or None
        Side of a patch; None: 6 up to σ = 20/255, 7 up to 40/255, 8 up to 60/255, else 9. Images smaller than
        that are one patch high or wide.
    group : int or None
        Patches in a group in the beginning; every pass takes ten less, down to twenty. None: 70, 90, 120
        or 140 by noise level.
    iterations : int or None
        How often the groups are shrunk; None chooses by the noise level.
    remaining : float or None
        λ, which multiplies the noise that is taken to be left; None chooses by the noise level.
    stride : int or None
        Distance between reference patches; None: half a patch.
    radius : int
        Half the side of the window in which similar patches are sought.
    feedback : float
        δ.
    coupling : {"opponent", "joint", "channels"}
        Of an image of three channels: similar patches are sought in its brightness, and the groups of brightness and
        of the two differences of colour, half as many, are shrunk each by itself, with the noise that is left in
        each; or the colours of a patch in one row of the group; or each channel on its own. "opponent" is "joint" where
        there are not three channels.
    """

    looks: ClassVar[float | None] = 600.0
    shrinkage: ClassVar[Shrinkage]
    bytes_per_value: ClassVar[int] = 100  # see benchmarks/large_images.py
    least_bytes: ClassVar[int] = 1000 * 2**20
    levels: ClassVar[tuple[Level, ...]]

    patch: int | None = None
    group: int | None = None
    iterations: int | None = None
    remaining: float | None = None
    stride: int | None = None
    radius: int = 30
    feedback: float = 0.1
    coupling: Coupling = "opponent"

    def __post_init__(self) -> None:
        require_whole(self, "patch", "group", least=2, none="allowed")
        require_whole(self, "iterations", "stride", none="allowed")
        require_whole(self, "radius")
        require_number(self, "remaining", most=1, none="allowed")
        require_number(self, "feedback", most=1)
        require_choice(self, "coupling", get_args(Coupling))

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
        """Find similar patches and shrink their groups twice."""
        opponent = self.coupling == "opponent" and noisy.shape[1] == 3
        if opponent:
            noisy, estimate = to_opponent(noisy), to_opponent(estimate)
        parts = noisy.shape[1] if self.coupling == "channels" else 1
        images = [
            torch.cat(
                [
                    self._pass(*pair, sigma, index, opponent)
                    for pair in zip(y.chunk(parts), x.chunk(parts), strict=True)
                ]
            )
            for y, x in zip(noisy, estimate, strict=True)
        ]
        refined = torch.stack(images)
        return from_opponent(refined) if opponent else refined

    def level(self, sigma: float) -> Level:
        """The settings for noise of this standard deviation."""
        # 20/255 given in single precision is a little more than 20/255.
        default = next(level for level in self.levels if sigma <= level.up_to + 1e-6)
        return Level(
            default.up_to,
            default.patch if self.patch is None else self.patch,
            default.group if self.group is None else self.group,
            default.iterations if self.iterations is None else self.iterations,
            default.remaining if self.remaining is None else self.remaining,
        )

    def _pass(
        self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int, opponent: bool
    ) -> torch.Tensor:
        """Pass `index` over one image (C, H, W); `opponent`: its planes are shrunk one by one, matched in the first."""
        level = self.level(sigma)
        size = min(level.patch, *noisy.shape[-2:])
        stride = self.stride or max(size // 2, 1)
        count = max(level.group - FEWER * (index + 1), min(level.group, LEAST))
        begin = index * PER_MATCHING
        groups: PatchGroups | None = None
        for iteration in range(begin, min(begin + PER_MATCHING, level.iterations)):
            start = estimate + self.feedback * (noisy - estimate)
            if groups is None:
                groups = PatchGroups(start[:1] if opponent else start, size, count, stride, self.radius)
            planes = start.split(1 if opponent else len(start))
            shrunk: list[torch.Tensor] = []
            for part, measured in zip(planes, noisy.split(len(planes[0])), strict=True):
                left = noise_left(measured - part, sigma, size) * level.remaining
                noise = torch.full_like(left, sigma) if iteration == 0 else left
                threshold = self.threshold(groups.count, size, len(part))
                # Differences of colour hold little: half of the groups do for them.
                share: Share = "half" if opponent and shrunk else "all"
                shrunk.append(groups.shrink(part, RULES[self.shrinkage], threshold * noise, share=share))
            estimate = torch.cat(shrunk)
        return estimate

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> GroupedDenoiser:
        """The defaults of the family with `settings` put over them, for every task."""
        # Not those of :meth:`repeated`: the splitting scheme shrinks the groups itself.
        return super(DenoisingPrior, cls).for_problem(problem, **settings)

    def supports(self, problem: Problem) -> str | None:
        """None for denoising; for every other linear operator where all settings changed have a meaning."""
        changed = [name for name in self._changed() if name not in SHARED]
        if changed and not self.denoises(problem):
            return f"{self.name} has no {changed[0]} but in denoising; leave it at its default"
        return super().supports(problem)

    def _changed(self) -> list[str]:
        """The names of the settings that are not their defaults."""
        fields = dataclasses.fields(self)
        return [field.name for field in fields if getattr(self, field.name) != field.default]

    def suited(self, problem: Problem) -> Prior:
        """Itself for plain noise; elsewhere the splitting scheme with this shrinkage of groups."""
        if self.denoises(problem):
            return self
        settings = {name: getattr(self, name) for name in self._changed() if name in SHARED}
        return GroupSparseRepresentation.for_problem(problem, shrinkage=self.shrinkage, **settings)


def noise_left(residual: torch.Tensor, sigma: float, size: int) -> torch.Tensor:
    """√|σ² − r²|, with r² the mean square of the residual (C, H, W) in each patch, (H − size + 1, W − size + 1)."""
    energy = residual.square().mean(dim=0, keepdim=True)
    removed = functional.avg_pool2d(energy[None], size, stride=1)[0, 0]
    return (sigma**2 - removed).abs().sqrt()
