"""A run inside a run: one prior's run with its stopping rule and its watch for values that are not finite."""

from __future__ import annotations

import copy
from typing import Any

import torch

from zeroshot.estimate import Estimate
from zeroshot.prior import Prior
from zeroshot.problem import Problem
from zeroshot.stopping import StoppingRule
from zeroshot.watch import DivergenceWatch


class SupervisedRun:
    """What the main loop is to a run, in steps: the rule is asked, and a run that diverges is set back once.

    Parameters
    ----------
    prior : Prior
        A prior that supports the problem.
    problem : Problem
        Measurements are held out of it where the rule wants some.
    stopping : StoppingRule or None
        The rule, of which a copy is used; None takes the prior's own.
    seed : int
        Of all randomness.

    Attributes
    ----------
    ended : str
        Why the run has ended, in one line; empty while it goes on.
    image : torch.Tensor
        What the run shows; once it has ended, its result.
    """

    def __init__(self, prior: Prior, problem: Problem, stopping: StoppingRule | None, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.rule = prior.default_stopping(problem) if stopping is None else copy.deepcopy(stopping)
        if self.rule.holds_out:
            problem = problem.hold_out(self.rule.holds_out, generator)
        self.rule.start(problem)
        self.image = problem.initial()
        self.run = prior.start(problem, generator)
        self.ended = ""
        self.loss, self.iteration = 0.0, 0
        self._watch = DivergenceWatch(self.run, self._snapshot, self._restore, self.image)

    def step(self) -> None:
        """Make one step."""
        estimate = self._finite_estimate()
        if estimate is None:
            self.end("the loss was not finite twice", self._watch.image)
            return
        self.image, self.loss, self.iteration = estimate.image, estimate.loss, estimate.iteration
        stops = self.rule.update(estimate)
        self.run.note_best(self.rule.best(), estimate)
        self._watch.keep(estimate)
        if stops:
            self.end(self.rule.reason or repr(self.rule))
        elif self.run.finished:
            self.end(f"finished after {self.iteration} iterations")

    def _finite_estimate(self) -> Estimate | None:
        estimate = self.run.step()
        while not self._watch.accepts(estimate):
            if not self._watch.restart():
                return None
            estimate = self.run.step()
        return estimate

    def end(self, reason: str, image: torch.Tensor | None = None) -> None:
        """End the run with `image`, by default the best by its rule."""
        self.ended = reason
        best = self.rule.best() if image is None else image
        self.image = (self.image if best is None else best).clone()
        # It refers back to this object: a run in a circle would keep its memory until a collection of garbage.
        del self._watch

    def _snapshot(self) -> dict[str, Any]:
        return {"run": self.run.state_dict(), "rule": self.rule.state_dict()}

    def _restore(self, state: dict[str, Any]) -> None:
        self.run.load_state_dict(state["run"])
        self.rule.load_state_dict(state["rule"])

    def state_dict(self) -> dict[str, Any]:
        """The run, the rule and the watch; of a run that has not ended."""
        return {
            **self._snapshot(),
            "watch": self._watch.state_dict(),
            "image": self.image.clone(),
            "loss": self.loss,
            "iteration": self.iteration,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        self._restore(state)
        self._watch.load_state_dict(state["watch"])
        self.image = state["image"].to(self.run.device)
        self.loss, self.iteration = state["loss"], state["iteration"]
