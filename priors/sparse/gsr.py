"""Group-based sparse representation: similar patches, each group sparse in a dictionary of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from zeroshot.checks import require_choice, require_positive, require_whole
from zeroshot.estimate import Estimate
from zeroshot.prior import Prior, Run
from zeroshot.priors.patch_groups import Centre, PatchGroups
from zeroshot.priors.plug_and_play.pnp import PlugAndPlay
from zeroshot.priors.plug_and_play.run import PlugAndPlayRun
from zeroshot.priors.warm_start import BEGINNINGS, Beginning, FirstImage, first_image
from zeroshot.problem import Problem
from zeroshot.solvers.singular_values import RULES, Shrinkage

#: The threshold in units of the largest singular value that noise alone has, and what is kept of a group.
THRESHOLDS: dict[str, tuple[float, Centre]] = {
    # The paper's √(2τ) = 125.5/255 for noise-free inpainting is that of noise of level 8/255.
    "hard": (1.0, "none"),
    # 2 √(c √n) σ with the c = 2√2 of :class:`WeightedNuclearNorm`, √2 times below the paper's, for the default
    # groups.
    "weighted": (0.6, "mean"),
    "soft": (0.5, "mean"),
}
#: What differs where holes are wide, see :mod:`~zeroshot.priors.warm_start`.
WIDE_HOLES: dict[str, Any] = {"initial": "wavelet", "sigma_start": 20 / 255, "iterations": 16}


@dataclass(frozen=True)
class GroupSparseRepresentation(Prior):
    """min over x and α of Σ d(A x, y) + λ Σ ‖α_G‖₀ with x = D_G ∘ α_G, over groups G of similar patches.

    The dictionary D_G of a group is made of the outer products uᵢ vᵢᵀ of its own singular vectors, so that its
    code α_G holds its singular values, and sparsity is low rank. It is solved by ADMM (the split Bregman
    iteration): the data step for x, in closed form or by conjugate gradients, and for each group hard
    thresholding of the singular values. Similar patches are sought in the running estimate, anew every few
    iterations.

    The threshold is that of noise of a level σ: σ (√n + √d) is about the largest singular value of an n × d
    matrix of pure noise. σ falls in equal ratios from `sigma_start` to `sigma_end`, which lets structure
    spread into large holes first and adds detail later. A hole wider than a patch has no similar patches to go by:
    one of 48 × 48 pixels is filled as smoothly as by biharmonic interpolation, and no better; ``pnp`` continues edges
    there.

    Parameters
    ----------
    shrinkage : {"hard", "weighted", "soft"}
        How the singular values are shrunk; "hard" is group-based sparse representation, "weighted" the
        weighted nuclear norm, "soft" the nuclear norm.
    patch : int
        Side of a patch; images smaller than that are one patch high or wide.
    group : int
        Patches in a group.
    stride : int
        Distance between reference patches.
    radius : int
        Half the side of the window in which similar patches are sought.
    iterations : int
        Iterations of ADMM.
    refresh : int
        Iterations between two searches for similar patches.
    sigma_start : float
        σ of the first iteration, on the [0, 1] scale.
    sigma_end : float or None
        That of the last; None: the noise level of the measurement, but not less than `sigma_least`.
    sigma_least : float
        The least `sigma_end` that is chosen where None is given.
    weight : float
        The weight of the prior against the data term, w in μ = w / σ², with the data term in units of the noise.
        At 1 the threshold of a group, for A = 1, is the largest singular value of its noise; below that noise
        survives, above it detail is lost (see ``benchmarks/classic.md``). It has no effect where the measurement
        is met exactly.
    initial : {"wavelet", "tv", "huber_tv", "tgv"} or None
        The name of the prior whose solution is the first image; None: the operator's first estimate. `for_problem`
        sets "wavelet" in demosaicking and where holes are wide.

    References
    ----------
    J. Zhang, D. Zhao, W. Gao: Group-based sparse representation for image restoration, IEEE TIP 23 (2014); the
    patches, groups, stride and window are theirs.
    """

    name: ClassVar[str] = "gsr"
    summary: ClassVar[str] = "group sparsity: similar patches share a few patterns; strong where pixels miss"
    bytes_per_value: ClassVar[int] = 100  # see benchmarks/large_images.py
    least_bytes: ClassVar[int] = 1200 * 2**20
    # Blur weakens detail, which then must not be outweighed (see benchmarks/classic.md).
    TASK_DEFAULTS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "deblur": {"weight": 0.3, "iterations": 12, "sigma_start": 20 / 255},
        "sr": {"weight": 0.3, "iterations": 12, "sigma_start": 20 / 255},
        "demosaic": {"initial": "wavelet", "iterations": 4, "sigma_start": 4 / 255, "sigma_least": 1 / 255},
    }

    shrinkage: Shrinkage = "hard"
    patch: int = 8
    group: int = 60
    stride: int = 4
    radius: int = 20
    iterations: int = 20
    refresh: int = 5
    sigma_start: float = 30 / 255
    sigma_end: float | None = None
    sigma_least: float = 5 / 255
    weight: float = 1.15
    initial: Beginning | None = None

    @classmethod
    def task_defaults(cls, problem: Problem) -> dict[str, Any]:
        """Those of the task, and of wide holes."""
        return {**super().task_defaults(problem), **(WIDE_HOLES if problem.has_wide_hole() else {})}

    def __post_init__(self) -> None:
        require_choice(self, "shrinkage", RULES)
        require_choice(self, "initial", BEGINNINGS, none="allowed")
        require_whole(self, "patch", "group", least=2)
        require_whole(self, "stride", "radius", "iterations", "refresh")
        require_positive(self, "sigma_start", "sigma_least", "weight")
        require_positive(self, "sigma_end", none="allowed")

    def supports(self, problem: Problem) -> str | None:
        """None for linear operators and data terms with a proximal map."""
        if not problem.operator.linear:
            return f"group sparsity needs a linear operator, and {problem.operator.describe()} is not"
        if not problem.data_term.has_prox:
            name = type(problem.data_term).__name__
            return f"group sparsity needs a data term with a proximal map, and {name} has none"
        return None

    def start(self, problem: Problem, generator: torch.Generator) -> GroupSparseRun:
        """The run; the only randomness is that of the prior whose solution it begins with."""
        return GroupSparseRun(self, problem, first_image(self.initial, problem, generator))


class GroupSparseRun(Run):
    """The iterations of ADMM, one a step."""

    state = ("splitting", "shrinkage")

    def __init__(self, prior: GroupSparseRepresentation, problem: Problem, first: FirstImage) -> None:
        self.device = problem.y.device
        self.shrinkage = GroupShrinkage(prior)
        splitting = PlugAndPlay(
            denoiser=self.shrinkage,
            scheme="admm",
            iterations=prior.iterations,
            sigma_start=prior.sigma_start,
            sigma_end=prior.sigma_end,
            sigma_least=prior.sigma_least,
            weight=prior.weight,
        )
        self.splitting = PlugAndPlayRun(splitting, problem, self.shrinkage, first)

    def beginning(self) -> tuple[torch.Tensor, str] | None:
        """The first image, where it is more than the operator's first estimate."""
        return self.splitting.beginning()

    @property
    def finished(self) -> bool:
        """Whether the last iteration has been made."""
        return self.splitting.finished

    def step(self) -> Estimate:
        """Make the next iteration; after the last one the image stays."""
        return self.splitting.step()

    def findings(self) -> dict[str, Any]:
        """The last σ."""
        return {"last_noise_level": self.splitting.findings()["last_noise_level"]}


class GroupShrinkage:
    """Shrinks the groups of an image as for noise of a level, and remembers which patches are in a group."""

    def __init__(self, prior: GroupSparseRepresentation) -> None:
        self._prior = prior
        self._groups: list[PatchGroups] = []
        self._matched: torch.Tensor | None = None
        self._calls = 0

    def __call__(self, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        """The image with the singular values of its groups shrunk, (N, C, H, W)."""
        if self._calls % self._prior.refresh == 0:
            self._match(noisy)
        self._calls += 1
        factor, centre = THRESHOLDS[self._prior.shrinkage]
        rule = RULES[self._prior.shrinkage]
        elements = noisy.shape[1] * self._size(noisy) ** 2
        images = []
        for image, groups in zip(noisy, self._groups, strict=True):
            threshold = factor * sigma * (math.sqrt(groups.count) + math.sqrt(elements))
            images.append(groups.shrink(image, rule, threshold, centre))
        return torch.stack(images)

    def _size(self, images: torch.Tensor) -> int:
        """Side of a patch: no larger than the images."""
        return min(self._prior.patch, *images.shape[-2:])

    def _match(self, images: torch.Tensor) -> None:
        prior, size = self._prior, self._size(images)
        self._matched = images.clone()
        self._groups = [PatchGroups(x, size, prior.group, prior.stride, prior.radius) for x in images]

    def state_dict(self) -> dict[str, Any]:
        """The image of the last search, from which the groups follow, and the number of calls."""
        return {"matched": None if self._matched is None else self._matched.clone(), "calls": self._calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self._calls = state["calls"]
        if state["matched"] is not None:
            self._match(state["matched"])
