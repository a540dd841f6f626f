"""Priors that are known by their denoiser, as answers to a problem.

For denoising the denoiser is the answer. For every other linear operator it is plugged into a splitting
scheme (:mod:`zeroshot.priors.plug_and_play.pnp`), which alternates it with the data term.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch

from zeroshot.data_terms import Gaussian, Poisson
from zeroshot.deadline import seconds_left
from zeroshot.estimate import Estimate
from zeroshot.prior import Prior, Run
from zeroshot.priors.denoiser import Denoiser
from zeroshot.priors.plug_and_play.pnp import PlugAndPlay
from zeroshot.priors.sigma_maps import SigmaMapRun
from zeroshot.priors.warm_start import FirstImage, Look, quick_look
from zeroshot.problem import Problem
from zeroshot.stopping import Finished, StoppingRule


class DenoisingPrior(Denoiser):
    """A prior given by a denoiser: the denoiser itself for plain noise, plug and play with it for all else.

    Subclasses are frozen dataclasses of the denoiser's settings, with the two methods of a
    :class:`~zeroshot.priors.denoiser.Denoiser`. The run of plain noise makes one pass a step. Those that have
    a run of their own for further problems say so in :meth:`answers`.
    """

    #: Whether plug and play with it gains on the operator's first estimate.
    suits_plug_and_play: ClassVar[bool] = True
    #: How many times as long it takes as a quick look (:func:`~zeroshot.priors.warm_start.quick_look`), where that is
    #: worth one; with less time it takes the settings of :meth:`repeated`.
    looks: ClassVar[float | None] = None
    knows_sigma_maps: ClassVar[bool] = True

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> DenoisingPrior:
        """The defaults of the family with `settings` put over them.

        Where it is plugged in they are those of :meth:`repeated`, as where the denoiser is named to plug and
        play: the two are one method.
        """
        prior = super().for_problem(problem, **settings)
        if cls.answers(problem):
            return prior
        return replace(prior.repeated(), **settings)  # type: ignore[type-var, return-value]  # they are dataclasses

    @staticmethod
    def denoises(problem: Problem) -> bool:
        """Whether the denoiser alone is the answer."""
        return problem.is_denoising and isinstance(problem.data_term, Gaussian | Poisson)

    @classmethod
    def answers(cls, problem: Problem) -> bool:
        """Whether a run of its own solves the problem, by default that of plain noise; else it is plugged in."""
        return cls.denoises(problem)

    def suited(self, problem: Problem) -> Prior:
        """Itself for what it :meth:`answers`; elsewhere plug and play with it, where it gains by that."""
        if self.answers(problem) or not self.suits_plug_and_play:
            return self
        return PlugAndPlay.for_problem(problem, denoiser=self)

    def supports(self, problem: Problem) -> str | None:
        """None for what it :meth:`answers`, and where the prior that is :meth:`suited` can solve the problem."""
        if self.answers(problem):
            return None
        if not self.suits_plug_and_play:
            return (
                f"{self.name} is a denoiser that makes holes and enlargements worse; "
                "use prior 'pnp' with denoiser='nlm'"
            )
        return self.suited(problem).supports(problem)

    def memory(self, problem: Problem) -> int | None:
        """That of its own run for what it :meth:`answers`, else that of plug and play with it."""
        answer = self.suited(problem)
        return super().memory(problem) if answer is self else answer.memory(problem)

    def begin(self, problem: Problem, generator: torch.Generator) -> Run:
        """As for every prior, and with a map of noise levels a run at several of them."""
        if problem.sigma_map is not None and self.denoises(problem):
            return SigmaMapRun(self, problem)
        return super().begin(problem, generator)

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """The passes of the denoiser."""
        return DenoisingRun(self, problem)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """After the last pass of the denoiser."""
        return Finished() if self.denoises(problem) else super().default_stopping(problem)


class DenoisingRun(Run):
    """The passes of a denoiser, one a step.

    Where the noise depends on the intensity its variance is made constant first, and the result is mapped back. Under
    a time budget slow ones begin with a quick look, and hurry where they would not come to their end.
    """

    state = ("estimate", "index", "hurried")

    def __init__(self, prior: DenoisingPrior, problem: Problem) -> None:
        self.device = problem.y.device
        self._given = prior
        self._problem = problem
        self._noisy, sigma = problem.stabilised()
        coloured = problem.coloured_noise()
        self._noise = sigma if coloured is None else coloured
        # Each pass asks for them.
        self._contrast = problem.contrasts().cpu()
        self.hurried = False
        self._look = Look(FirstImage(problem.y))
        if prior.looks is not None and self._passes:
            self._look = quick_look(problem)
            if seconds_left() < prior.looks * self._look.seconds:
                self.hurried = True
        self.estimate = self._noisy
        self.index = 0

    @property
    def hurried(self) -> bool:
        """Whether it makes the passes of the settings that are quicker; a run that is continued does as it did."""
        return self._prior is not self._given

    @hurried.setter
    def hurried(self, hurried: bool) -> None:
        self._prior: Denoiser = self._given.repeated() if hurried else self._given
        self._passes = 0 if self._noise == 0 else self._prior.scaled_passes(self._noise, self._contrast)

    @property
    def finished(self) -> bool:
        """Whether the last pass has been made."""
        return self.index >= self._passes

    def beginning(self) -> tuple[torch.Tensor, str] | None:
        """The quick look, where there was one."""
        return self._look.first.beginning()

    def remark(self) -> str:
        """What it has hurried with."""
        before, now = self._given.settings(), self._prior.settings()
        changed = [f"{name} {value}" for name, value in now.items() if value != before[name]]
        return f"with {', '.join(changed)} for want of time" if changed else ""

    @torch.no_grad()
    def step(self) -> Estimate:
        """Make the next pass; after the last one the image stays."""
        if self.index < self._passes:
            self.estimate = self._prior.scaled_pass(
                self._noisy, self.estimate, self._noise, self.index, self._contrast
            )
            self.index += 1
        image = self._problem.unstabilised(self.estimate).clamp(0, 1)
        return Estimate(image, self._problem.loss(image).item(), max(self.index, 1))
