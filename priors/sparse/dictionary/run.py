"""Dictionary learning in progress, a sweep a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from zeroshot.estimate import Estimate
from zeroshot.operators.mask import fill_holes
from zeroshot.prior import Run
from zeroshot.priors.sparse.dictionary.learning import Learner

if TYPE_CHECKING:
    from zeroshot.priors.sparse.dictionary.prior import LearnedDictionary
    from zeroshot.problem import Problem


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
        # One seed for all: an image of a batch is restored as if it were alone.
        seed = int(torch.randint(2**31, (1,), generator=generator))
        self._learners = [
            Learner(
                prior,
                noisy[index],
                None if known is None else known[index],
                self._sigma,
                torch.Generator().manual_seed(seed),
            )
            for index in range(len(noisy))
        ]
        self._nothing_to_do = known is None and self._sigma <= 0
        self._image = noisy
        self._index = 0
        self._loss = 0.0

    @property
    def finished(self) -> bool:
        """Whether the last sweep has been made."""
        return self._index > (0 if self._nothing_to_do else self._prior.sweeps)

    @torch.no_grad()
    def step(self) -> Estimate:
        """Make the first image, or the next sweep; after the last one the image stays."""
        if not self.finished:
            if not self._nothing_to_do:
                self._advance()
            self._index += 1
        return Estimate(self._problem.unstabilised(self._image).clamp(0, 1), self._loss, self._index)

    def _advance(self) -> None:
        sweeps = self._prior.sweeps
        images = [learner.learn(self._index, sweeps) for learner in self._learners]
        made = [image for image in images if image is not None]
        if made:
            self._image = torch.stack(made)
        needed = [learner.atoms_needed if self._index else learner.atoms_used for learner in self._learners]
        self._loss = self._mean(needed)

    @staticmethod
    def _mean(values: list[float]) -> float:
        return sum(values) / len(values)

    @property
    def dictionaries(self) -> list[torch.Tensor]:
        """The dictionary of each image of the batch, (K, C · size²), the atoms as rows."""
        return [learner.dictionary for learner in self._learners]

    def findings(self) -> dict[str, Any]:
        """The noise level, the number of atoms that patches took, and how many atoms were replaced."""
        return {
            "sigma": self._sigma,
            "atoms_per_patch": self._mean([learner.atoms_used for learner in self._learners]),
            "atoms_replaced": sum(learner.replaced for learner in self._learners),
        }

    def state_dict(self) -> dict[str, Any]:
        """The dictionaries, the last image made, and how many steps there have been."""
        return {
            "learners": [learner.state_dict() for learner in self._learners],
            "image": self._image.clone(),
            "index": self._index,
            "loss": self._loss,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        for learner, saved in zip(self._learners, state["learners"], strict=True):
            learner.load_state_dict(saved)
        self._image = state["image"].to(self._image)
        self._index, self._loss = state["index"], state["loss"]
