"""The dictionary prior: every patch is a sum of few atoms, and the atoms are learned from the damaged image."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch.nn import functional

from zeroshot.data_terms import Gaussian, Poisson
from zeroshot.operators.identity import Identity
from zeroshot.operators.mask import Mask
from zeroshot.prior import Run, require_known_settings
from zeroshot.settings import require_positive, require_whole

from ..denoising import DenoisingPrior
from ..measurement import known_pixels
from .averaging import Coder
from .learning import Learner
from .run import LearnedDictionaryRun

if TYPE_CHECKING:
    from zeroshot.problem import Problem
    from zeroshot.stopping import StoppingRule

#: Sweeps and stride where the denoiser is one step of many of a splitting scheme: its image changes little
#: from one step to the next, and the scheme itself averages.
PLUGGED_IN: dict[str, Any] = {"sweeps": 3, "stride": 2, "training": 20_000}
#: In inpainting the sweeps also fill the holes, bit by bit (see benchmarks/classic.md).
INPAINTING: dict[str, Any] = {"sweeps": 30}
#: Patches of three channels hold three times as many numbers, and more atoms pay (see benchmarks/classic.md).
COLOUR: dict[str, Any] = {"gain": 1.09}


@dataclass(frozen=True)
class LearnedDictionary(DenoisingPrior):
    """min over x, D, γ of λ ‖m ⊙ (x − y)‖² + Σ ‖R x − D γ‖², each γ with as few atoms as its noise allows.

    R cuts a patch out of the image, m is 1 at known pixels. The dictionary D, overcomplete cosines at first,
    is learned from patches of the damaged image itself (K-SVD): a sweep codes them by orthogonal matching
    pursuit, until the squared error over the n known numbers of a patch is at most n (C σ)², then fits one
    atom after the other. At last all patches are coded, and averaged with the measurement.

    The mean of every channel of a patch is free, as if constant atoms were in every support; in colour it is
    the limit of the metric that Mairal et al. use against washed-out colours. Images of a batch are restored
    each on its own.

    Denoising and inpainting are solved so; for other linear operators the denoiser is plugged into a splitting
    scheme. In inpainting only known pixels count in full. The holes hold a filling of little weight, smooth at
    first, which every sweep replaces by its own image, while the noise level assumed falls: the structures
    that the known pixels agree on come first. Holes larger than a patch stay smooth inside.

    Parameters
    ----------
    patch : int
        Side of a patch, from 2 to 32; images smaller than that are one patch high or wide.
    atoms : int
        Atoms of the dictionary, the constant ones included.
    sweeps : int
        How often the dictionary is fitted; 0 leaves it at the cosines. `for_problem` sets it by task.
    gain : float
        C for patches of 64 numbers; for others it is such that pure noise exceeds the limit as rarely.
    sparsity : int
        The most atoms of a patch.
    training : int
        From how many patches, chosen at random, the dictionary is learned.
    fidelity : float
        λ of 64 patches over each pixel is `fidelity` over the noise level in units of 1/255.
    stride : int
        Distance between the patches that are averaged, at most `patch`.
    trust : float
        The weight of the present filling of a missing pixel, against 1 of a known one.
    coarsest, finest : float
        The noise levels that are assumed in the first and in the last sweep where pixels are missing; in
        between they fall geometrically, and never below the noise there is. Met exactly from the start, the
        few known pixels of a patch leave too much choice of atoms.

    References
    ----------
    M. Elad, M. Aharon: Image denoising via sparse and redundant representations over learned dictionaries,
    IEEE TIP 15 (2006), for the model, C = 1.15, 256 atoms of 8 × 8 and λ = 30/σ. M. Aharon, M. Elad,
    A. Bruckstein: K-SVD, IEEE TSP 54 (2006). J. Mairal, M. Elad, G. Sapiro: Sparse representation for color
    image restoration, IEEE TIP 17 (2008), for colour, masks, and C by the number of pixels. R. Rubinstein,
    M. Zibulevsky, M. Elad: Technion CS-2008-08 (2008), for the fast forms of both steps.
    """

    name: ClassVar[str] = "ksvd"
    summary: ClassVar[str] = (
        "K-SVD: sparse patches over a dictionary learned from the image itself; noise, scattered holes"
    )

    patch: int = 8
    atoms: int = 256
    sweeps: int = 15
    gain: float = 1.15
    sparsity: int = 32
    training: int = 40_000
    fidelity: float = 30.0
    stride: int = 1
    trust: float = 0.1
    coarsest: float = 20 / 255
    finest: float = 3 / 255

    def __post_init__(self) -> None:
        for name, least, most in (
            ("patch", 2, 32),
            ("atoms", 4, 8192),
            ("sweeps", 0, 10_000),
            ("sparsity", 1, 1024),
            ("training", 1, 10_000_000),
            ("stride", 1, 32),
        ):
            require_whole(self, name, least=least, most=most)
        require_positive(self, "gain", "fidelity", "trust", "coarsest", "finest")
        if self.finest > self.coarsest:
            raise ValueError(f"finest must be at most coarsest ({self.coarsest}), got {self.finest}")
        if self.stride > self.patch:
            raise ValueError(f"stride must be at most patch ({self.patch}), got {self.stride}")

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> LearnedDictionary:
        """The defaults for denoising, for inpainting, or for being plugged in, with `settings` put over them."""
        require_known_settings(cls, settings)
        prior = cls(**COLOUR) if problem.reference_shape[1] > 1 else cls()
        if not _is_own(problem):
            prior = prior.repeated()
        elif known_pixels(problem) is not None:
            prior = replace(prior, **INPAINTING)
        return replace(prior, **settings)

    def repeated(self) -> LearnedDictionary:
        """Fewer sweeps, from fewer patches, and every second patch along each axis."""
        return replace(self, **PLUGGED_IN)

    def passes(self, sigma: float) -> int:
        """One: a dictionary is learned and used within it."""
        return 1

    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """Learn a dictionary from each image of the batch and denoise it; the same input gives the same output."""
        return torch.stack([self._denoised(image, sigma) for image in noisy])

    def _denoised(self, image: torch.Tensor, sigma: float) -> torch.Tensor:
        learner = Learner(self, image, None, sigma, torch.Generator().manual_seed(0))
        coder = Coder(sigma, self.gain, self.sparsity, len(image))
        for index in range(self.sweeps):
            learner.sweep(coder, "poor" if index + 1 < self.sweeps else "none")
        return learner.restore(coder, self.stride)

    def supports(self, problem: Problem) -> str | None:
        """None for denoising, inpainting, and what the splitting scheme can solve."""
        return None if _is_own(problem) else self._plugged_in(problem).supports(problem)

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """Begin a run; `generator` chooses the patches to learn from."""
        if not _is_own(problem):
            return self._plugged_in(problem).start(problem, generator)
        known = known_pixels(problem)
        if known is not None:
            _warn_of_large_holes(known, min(self.patch, *problem.y.shape[-2:]))
        return LearnedDictionaryRun(self, problem, known, generator)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """After the first image and the sweeps, or by the rule of the splitting scheme."""
        from zeroshot.stopping import MaxIterations

        if _is_own(problem):
            return MaxIterations(self.sweeps + 1)
        return self._plugged_in(problem).default_stopping(problem)


def _is_own(problem: Problem) -> bool:
    """Whether dictionary learning solves the problem by itself: noise of one level, and holes."""
    if type(problem.operator) is Identity and problem.measured is None and problem.held_out is None:
        return isinstance(problem.data_term, Gaussian | Poisson)
    return type(problem.operator) in (Identity, Mask) and isinstance(problem.data_term, Gaussian)


def _warn_of_large_holes(known: torch.Tensor, size: int) -> None:
    """Say so where whole patches are missing: nothing but a smooth filling can be had there."""
    covered = functional.max_pool2d(known, size, stride=1)
    blank = 1 - covered.mean().item()
    if blank > 0:
        warnings.warn(
            f"{blank:.1%} of the patches of {size} × {size} pixels hold no known pixel; holes that large are "
            f"filled smoothly: dictionary learning suits scattered pixels, scratches and text",
            stacklevel=3,
        )
