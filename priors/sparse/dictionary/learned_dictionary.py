"""The dictionary prior: every patch is a sum of few atoms, and the atoms are learned from the damaged image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch.nn import functional

from zeroshot.data_terms import Gaussian
from zeroshot.estimate import Estimate
from zeroshot.notes import note
from zeroshot.operators.identity import Identity
from zeroshot.operators.mask import Mask, fill_holes
from zeroshot.prior import Run
from zeroshot.priors.denoising import DenoisingPrior
from zeroshot.priors.sparse.dictionary.averaging import Coder
from zeroshot.priors.sparse.dictionary.learning import Learner, LearningSettings
from zeroshot.problem import Problem
from zeroshot.stopping import MaxIterations, StoppingRule

#: Sweeps and stride where the denoiser is one step of many of a splitting scheme: its image changes little
#: from one step to the next, and the scheme itself averages.
PLUGGED_IN: dict[str, Any] = {"sweeps": 3, "stride": 2, "training": 20_000}
#: In inpainting the sweeps also fill the holes, bit by bit (see benchmarks/classic.md).
INPAINTING: dict[str, Any] = {"sweeps": 30}
#: Patches of three channels hold three times as many numbers, and more atoms pay (see benchmarks/classic.md).
COLOUR: dict[str, Any] = {"gain": 1.09}


@dataclass(frozen=True)
class LearnedDictionary(LearningSettings, DenoisingPrior):
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
    bytes_per_value: ClassVar[int] = 100  # see benchmarks/large_images.py
    least_bytes: ClassVar[int] = 500 * 2**20

    @classmethod
    def task_defaults(cls, problem: Problem) -> dict[str, Any]:
        """What differs for colour images, and in inpainting."""
        colour = COLOUR if problem.reference_shape[1] > 1 else {}
        fills = cls.answers(problem) and problem.known_pixels() is not None
        return {**colour, **(INPAINTING if fills else {})}

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

    @classmethod
    def answers(cls, problem: Problem) -> bool:
        """Whether the problem is noise of one level, and holes."""
        with_holes = type(problem.operator) in (Identity, Mask) and isinstance(problem.data_term, Gaussian)
        return with_holes or cls.denoises(problem)

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """The sweeps; `generator` chooses the patches to learn from."""
        known = problem.known_pixels()
        if known is not None:
            _warn_of_large_holes(known, min(self.patch, *problem.y.shape[-2:]))
        return LearnedDictionaryRun(self, problem, known, generator)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """After the first image and the sweeps."""
        return MaxIterations(self.sweeps + 1)


class LearnedDictionaryRun(Run):
    """First the image that the cosines make, then the sweeps, the last of which makes the final image.

    In denoising the image in between is the first one: coding all patches takes about as long as several
    sweeps. In inpainting every sweep gives a new image, which fills the holes for the next. The loss is what
    the error-constrained model minimises, the mean number of atoms that a patch needs; in inpainting it rises
    as the noise level assumed falls.

    Parameters
    ----------
    prior : LearnedDictionary
        The settings.
    problem : Problem
        Denoising or inpainting.
    known : torch.Tensor or None
        1 at the pixels that may be used, of the measurement's shape; None where all may.
    generator : torch.Generator
        Chooses the patches to learn from.
    """

    state = ("learners", "image", "index", "loss")

    def __init__(
        self,
        prior: LearnedDictionary,
        problem: Problem,
        known: torch.Tensor | None,
        generator: torch.Generator,
    ) -> None:
        self.device = problem.y.device
        self._prior, self._problem = prior, problem
        noisy, self._sigma = problem.stabilised(known)
        if known is not None:
            noisy = fill_holes(noisy, known)
        # The constants of learning are those of images of contrast 1.
        self._contrast = problem.contrasts()
        noisy = noisy / self._contrast
        # One seed for all: an image of a batch is restored as if it were alone.
        seed = int(torch.randint(2**31, (1,), generator=generator))
        self.learners = [
            Learner(
                prior,
                noisy[index],
                None if known is None else known[index],
                self._sigma / float(self._contrast[index]),
                torch.Generator().manual_seed(seed),
            )
            for index in range(len(noisy))
        ]
        self._nothing_to_do = known is None and self._sigma <= 0
        self.image = noisy
        self.index = 0
        self.loss = 0.0

    @property
    def finished(self) -> bool:
        """Whether the last sweep has been made."""
        return self.index > (0 if self._nothing_to_do else self._prior.sweeps)

    @torch.no_grad()
    def step(self) -> Estimate:
        """Make the first image, or the next sweep; after the last one the image stays."""
        if not self.finished:
            if not self._nothing_to_do:
                self._advance()
            self.index += 1
        image = self._problem.unstabilised(self.image * self._contrast)
        return Estimate(image.clamp(0, 1), self.loss, self.index)

    def _advance(self) -> None:
        sweeps = self._prior.sweeps
        images = [learner.learn(self.index, sweeps) for learner in self.learners]
        made = [image for image in images if image is not None]
        if made:
            self.image = torch.stack(made)
        needed = [learner.atoms_needed if self.index else learner.atoms_used for learner in self.learners]
        self.loss = self._mean(needed)

    @staticmethod
    def _mean(values: list[float]) -> float:
        return sum(values) / len(values)

    @property
    def dictionaries(self) -> list[torch.Tensor]:
        """The dictionary of each image of the batch, (K, C · size²), the atoms as rows."""
        return [learner.dictionary for learner in self.learners]

    def findings(self) -> dict[str, Any]:
        """The noise level, the number of atoms that patches took, and how many atoms were replaced."""
        return {
            "sigma": self._sigma,
            "atoms_per_patch": self._mean([learner.atoms_used for learner in self.learners]),
            "atoms_replaced": sum(learner.replaced for learner in self.learners),
        }


def _warn_of_large_holes(known: torch.Tensor, size: int) -> None:
    """Say so where whole patches are missing: nothing but a smooth filling can be had there."""
    covered = functional.max_pool2d(known, size, stride=1)
    blank = 1 - covered.mean().item()
    if blank > 0:
        note(
            f"{blank:.1%} of the patches of {size} × {size} pixels hold no known pixel; holes that large are "
            f"filled smoothly: dictionary learning suits scattered pixels, scratches and text"
        )
