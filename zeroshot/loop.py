"""The one loop: step a prior's run until the rule, the budget, the run itself or somebody says stop.

Whoever runs a prior does it through :class:`Loop`: `solve`, the tiles of a large image, the trials of `auto`,
the guide of Deep Image Prior, the benchmarks. Who only watches is a :class:`Listener`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from zeroshot.estimate import Estimate
from zeroshot.prior import Prior, Run
from zeroshot.problem import Problem
from zeroshot.stopping import StoppingRule, TimeBudget

#: The reason of a run that was ended by Ctrl-C.
INTERRUPTED = "interrupted"

#: Steps between two states that a run may go back to.
_KEPT_EVERY = 50


class Listener:
    """Sees every step of a loop; what state it has is saved and set back with the run's."""

    def stepped(self, loop: Loop, estimate: Estimate) -> None:
        """Called after each step that was judged; :meth:`Loop.end` ends the run here."""

    def state_dict(self) -> dict[str, Any]:
        """What has to go back together with the run; nothing by default."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""


class Loop:
    """A run of a prior from its beginning to its end.

    Measurements are held out where the rule wants some; the run is begun, stepped and judged by the rule. A run
    whose loss is not finite goes back once to the last good state, with a tenth of the step; the second time it
    ends with the best image so far.

    Parameters
    ----------
    problem : Problem
        On the device where it is to be solved.
    prior : Prior
        What solves it; :meth:`Prior.suited` is asked here.
    rule : StoppingRule, optional
        When to stop, the time apart; by default the prior's own.
    generator : torch.Generator
        The source of all randomness, a CPU generator.
    seconds : float, optional
        Stop after this time in any case; beginning the run counts.
    listeners : sequence of Listener
        Told of each step, in this order.

    Attributes
    ----------
    run : Run
        The run in progress.
    image : torch.Tensor
        The newest estimate's; before the first step the operator's first estimate.
    reason : str
        Why the loop has ended, in one line; empty while it goes on.
    loss : float
        That of the newest estimate.
    iteration : int
        How many iterations have been made.

    Raises
    ------
    ValueError
        Where the prior does not support the problem.
    """

    def __init__(
        self,
        problem: Problem,
        prior: Prior,
        rule: StoppingRule | None = None,
        *,
        generator: torch.Generator,
        seconds: float | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._began = time.monotonic()
        suited = prior.suited(problem)
        self.rule = suited.default_stopping(problem) if rule is None else rule
        if self.rule.holds_out:
            problem = problem.hold_out(self.rule.holds_out, generator)
        self.problem, self.listeners = problem, listeners
        self._budget = None if seconds is None else TimeBudget(seconds)
        self._stop = self.rule if self._budget is None else self.rule | self._budget
        self._stop.start(problem)
        self.image = problem.initial()
        # With measurements held out a denoiser is no longer the answer by itself.
        self.run: Run = prior.suited(problem).begin(problem, generator)
        self.reason, self.loss, self.iteration = "", 0.0, 0
        self._restarts, self._steps = 0, 0
        self._good: dict[str, Any] = {**self._snapshot(), "image": self.image}
        if self._budget is not None:
            self._budget.load_state_dict({"elapsed": self.seconds})

    def __iter__(self) -> Iterator[Estimate]:
        """Step to the end; an estimate is valid until the next one."""
        while not self.reason:
            if (estimate := self.step()) is not None:
                yield estimate

    def complete(self) -> Loop:
        """Step to the end."""
        for _ in self:
            pass
        return self

    @property
    def seconds(self) -> float:
        """How long the run has taken so far, beginning it and what a checkpoint has seen included."""
        return time.monotonic() - self._began

    def result(self) -> torch.Tensor:
        """The image to return at this point: the best by the rule, where it has an opinion, else the newest."""
        best = self._stop.best()
        return (self.image if best is None else best).clone()

    def measures(self) -> dict[str, float]:
        """What the rule measured at the last step, by name."""
        return self._stop.measures()

    def step(self) -> Estimate | None:
        """Make one step; None where it ended the run for want of a finite one."""
        if self._steps and self._steps % _KEPT_EVERY == 0:
            self._keep()
        estimate = self.run.step()
        while not math.isfinite(estimate.loss):
            if self._restarts:
                self.image = self._good["image"]
                self.end("the loss was not finite twice, the second time with a smaller step")
                return None
            self._go_back()
            estimate = self.run.step()
        self._steps += 1
        self.image, self.loss, self.iteration = estimate.image, estimate.loss, estimate.iteration
        if self._stop.update(estimate):
            self.end(self._stop.reason or repr(self._stop))
        elif self.run.finished:
            self.end(f"finished after {estimate.iteration} iterations: nothing is left to do")
        self.run.keep_with_best(self._stop.best(), estimate)
        for listener in self.listeners:
            listener.stepped(self, estimate)
        return estimate

    def end(self, reason: str) -> None:
        """End the run after this step; it can go on from its state."""
        self.reason = reason

    # --- states ---

    def state_dict(self) -> dict[str, Any]:
        """All that a continued run needs: tensors, numbers, strings, lists and dicts only."""
        return {
            **self._snapshot(),
            "good": self._good,
            "restarts": self._restarts,
            "steps": self._steps,
            "image": self.image.clone(),
            "loss": self.loss,
            "iteration": self.iteration,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        self._set_back(state)
        self._good, self._restarts, self._steps = state["good"], state["restarts"], state["steps"]
        self._good["image"] = self._good["image"].to(self.run.device)
        self.image = state["image"].to(self.run.device)
        self.loss, self.iteration = state["loss"], state["iteration"]
        self._began -= state["seconds"]
        if self._budget is not None:
            self._budget.load_state_dict({"elapsed": self.seconds})

    def _snapshot(self) -> dict[str, Any]:
        return {
            "run": self.run.state_dict(),
            "rule": self.rule.state_dict(),
            "listeners": {type(one).__name__: state for one in self.listeners if (state := one.state_dict())},
        }

    def _set_back(self, state: dict[str, Any]) -> None:
        self.run.load_state_dict(state["run"])
        self.rule.load_state_dict(state["rule"])
        for listener in self.listeners:
            if (saved := state["listeners"].get(type(listener).__name__)) is not None:
                listener.load_state_dict(saved)

    def _keep(self) -> None:
        """Keep the state before this step, unless it is spoilt already."""
        state = self._snapshot()
        # A gradient may overflow in a step whose loss was still finite.
        if all_finite([state["run"], state["rule"]]):
            self._good = {**state, "image": self.image.clone()}

    def _go_back(self) -> None:
        """Go back to the last good state, with a tenth of the step."""
        self._restarts += 1
        self._set_back(self._good)
        self.run.shrink_step(0.1)


def all_finite(state: Any) -> bool:
    """Whether every floating-point tensor in a nested state is finite."""
    if isinstance(state, torch.Tensor):
        return not state.is_floating_point() or bool(state.isfinite().all())
    if isinstance(state, dict):
        return all(all_finite(value) for value in state.values())
    if isinstance(state, list | tuple):
        return all(all_finite(value) for value in state)
    return True
