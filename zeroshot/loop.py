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

from zeroshot.deadline import Deadline, OutOfTime, kept, seconds_left
from zeroshot.estimate import Estimate
from zeroshot.polling import StepWatch, polling
from zeroshot.prior import Prior, Run, tensors_in
from zeroshot.problem import Problem
from zeroshot.registry import prior_class
from zeroshot.stopping import Finished, StoppingRule
from zeroshot.words import counted

#: The reason of a run that was ended by Ctrl-C.
INTERRUPTED = "interrupted"

#: Steps between two states that a run may go back to.
_KEPT_EVERY = 50
#: Of images with more values than this a moment makes nothing.
_MOMENT = 2**22


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

    Measurements are held out where the rule wants some; the run is begun, stepped and judged by the rule. Where that
    is the prior's own, a run that can (:meth:`Run.refit`) is fitted to all measurements in the end. A run
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
    seconds : float or Deadline, optional
        Stop after this time in any case, in the middle of a step if need be; beginning the run counts. A deadline
        that the caller keeps (:func:`zeroshot.deadline.kept`) holds as well.
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
    cut_short : bool
        Whether it ended because the time was up.

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
        seconds: float | Deadline | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._began = time.monotonic()
        if seconds is not None and not isinstance(seconds, Deadline):
            seconds = Deadline(seconds)
        self._deadline = seconds
        self._shows_input = problem.is_denoising
        if problem.needs_nothing:
            rule = Finished()
        self.rule = prior.suited(problem).default_stopping(problem) if rule is None else rule
        #: All measurements, where those that are held out may go back into the fit at the end. A rule of the
        #: caller's means what it says, to the iteration.
        self._whole = problem if self.rule.holds_out and rule is None else None
        if self.rule.holds_out:
            problem = self.rule.hold_out(problem, generator)
        self.problem, self.listeners = problem, listeners
        self.rule.start(problem)
        self.image = problem.initial()
        self.reason, self.loss, self.iteration, self.cut_short = "", 0.0, 0, False
        self._restarts, self._steps, self._watch = 0, 0, StepWatch()
        #: Why the rule has ended the run that is now fitted to all measurements; empty before.
        self._ruled = ""
        # With measurements held out a denoiser is no longer the answer by itself.
        self.run: Run = self._begun(prior.suited(problem), generator)
        self._good: dict[str, Any] = {**self._snapshot(), "image": self.image}

    def _begun(self, prior: Prior, generator: torch.Generator) -> Run:
        """The run, or a stand-in where the time does not suffice to begin it."""
        with kept(self._deadline):
            try:
                with polling(first=True):
                    run = prior.begin(self.problem, generator)
            except OutOfTime:
                if self._deadline is None:
                    raise
                run = _NotBegun(self.image)
                self._end_for_time()
        if (beginning := run.beginning()) is not None:
            self.image = beginning[0]
        return run

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
        best = None if self._ruled else self.rule.best()
        return (self.image if best is None else best).clone()

    def measures(self) -> dict[str, float]:
        """What the rule measured at the last step, by name."""
        return self.rule.measures()

    def step(self) -> Estimate | None:
        """Make one step; None where it ended the run for want of a finite one, or of time."""
        if self._steps and self._steps % _KEPT_EVERY == 0:
            self._keep()
        with kept(self._deadline):
            try:
                estimate = self._next()
            except OutOfTime:
                if self._deadline is None:
                    raise
                self._end_for_time()
                return None
            if estimate is None:
                return None
            self._judge(estimate)
            for listener in self.listeners:
                listener.stepped(self, estimate)
        return estimate

    def _next(self) -> Estimate | None:
        """The next estimate whose loss is finite; None where there is none."""
        estimate = self._step_in_time()
        while not math.isfinite(estimate.loss):
            if self._restarts:
                self.image = self._good["image"]
                self.end("the loss was not finite twice, the second time with a smaller step")
                return None
            self._go_back()
            estimate = self._step_in_time()
        return estimate

    def _step_in_time(self) -> Estimate:
        """One step of the run, broken off when the time is up where it would go on for long."""
        if seconds_left() <= 0 and self._steps:
            raise OutOfTime
        if self.run.minds_time:
            return self.run.step()
        with self._watch.step(first=self._steps == 0) as may_break_off:
            if may_break_off and self._steps:
                # A step that is broken off may have begun to change it.
                self.image = self.image.clone()
            return self.run.step()

    def _judge(self, estimate: Estimate) -> None:
        self._steps += 1
        self.image, self.loss, self.iteration = estimate.image, estimate.loss, estimate.iteration
        if self._ruled:
            if self.run.finished:
                self.end(self._ruled)
            elif self._deadline is not None and seconds_left() <= 0:
                self._end_for_time()
            return
        if self.rule.update(estimate):
            reason = self.rule.reason or repr(self.rule)
            self.run.keep_with_best(self.rule.best(), estimate)
            if not self._gives_back(reason):
                self.end(reason)
            return
        if self._whole is not None and seconds_left() < self.run.refit_seconds:
            self.run.keep_with_best(self.rule.best(), estimate)
            if self._gives_back(f"{self._budget()} at iteration {self.iteration}"):
                self.cut_short = True
                return
        if self.run.finished:
            self.end(f"finished after {counted(estimate.iteration, 'iteration')}: nothing is left to do")
        elif self._deadline is not None and seconds_left() <= 0:
            self._end_for_time()
        self.run.keep_with_best(self.rule.best(), estimate)

    def _budget(self) -> str:
        """That the time is up."""
        seconds = seconds_left() if self._deadline is None else self._deadline.seconds
        return f"used up its time budget of {seconds:.3g} s"

    def _gives_back(self, reason: str) -> bool:
        """Go on with all measurements, where the run can; `reason` is why the rule has ended it."""
        best = self.rule.best()
        if self._whole is None or not self.run.refit(self._whole):
            return False
        self._ruled = reason
        if best is not None:
            self.image = best.clone()
        # There is no way back to the time before.
        self._good = {**self._snapshot(), "image": self.image.clone()}
        return True

    def _in_a_moment(self) -> tuple[torch.Tensor, str] | None:
        """A noisy image less most of its noise, and what that is called, whatever the time; None: of other problems.

        It takes a fraction of a second. Runs of several runs have parts that were done in time.
        """
        problem = self.problem if self._whole is None else self._whole
        has_parts = hasattr(self, "run") and self.run.minds_time
        if has_parts or not problem.is_denoising or problem.y.numel() > _MOMENT:
            return None
        prior = prior_class("dct").for_problem(problem, refinement="none", patch=5)
        if prior.supports(problem) is not None or prior.suited(problem) is not prior:
            return None
        image = prior.begin(problem, torch.Generator()).step().image
        return (image, "a quick look with the DCT") if bool(image.isfinite().all()) else None

    def _end_for_time(self) -> None:
        assert self._deadline is not None
        self.cut_short = True
        budget = self._budget()
        if self.iteration:
            self.end(f"{budget} at iteration {self.iteration}")
            return
        beginning = self.run.beginning() if hasattr(self, "run") else None
        if beginning is None:
            beginning = self._in_a_moment()
        if beginning is not None:
            self.image, got = beginning
        else:
            got = "the input itself" if self._shows_input else "the operator's first estimate"
        self.end(f"{budget} before its first step was done, so that this is {got}")

    def end(self, reason: str) -> None:
        """End the run after this step; it can go on from its state."""
        self.reason = reason

    # --- states ---

    def state_dict(self) -> dict[str, Any]:
        """All that a continued run needs: tensors, numbers, strings, lists and dicts only."""
        return {
            **self._snapshot(),
            "good": self._good,
            "ruled": self._ruled,
            "restarts": self._restarts,
            "steps": self._steps,
            "image": self.image.clone(),
            "loss": self.loss,
            "iteration": self.iteration,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        ruled = state.get("ruled", "")
        if ruled and self._whole is not None:
            self.run.refit(self._whole)
            self._ruled = ruled
        self._set_back(state)
        self._good, self._restarts, self._steps = state["good"], state["restarts"], state["steps"]
        self._good["image"] = self._good["image"].to(self.run.device)
        self.image = state["image"].to(self.run.device)
        self.loss, self.iteration = state["loss"], state["iteration"]
        self._began -= state["seconds"]
        if self._deadline is not None:
            self._deadline.spend(state["seconds"])

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


class _NotBegun(Run):
    """What stands for a run that the time did not suffice to begin; there is nothing to step."""

    def __init__(self, image: torch.Tensor) -> None:
        self.image, self.device = image, image.device

    @property
    def finished(self) -> bool:
        """Always."""
        return True

    def step(self) -> Estimate:
        """The image as it is."""
        return Estimate(self.image, 0.0, 0)


def all_finite(state: Any) -> bool:
    """Whether every floating-point tensor in a nested state is finite."""
    # Gathered, and read once a device: a GPU takes longer to be told of hundreds of small tensors one by one than to
    # look at them, and each that is read makes the host wait for it.
    alike: dict[tuple[torch.device, torch.dtype], list[torch.Tensor]] = {}
    for tensor in tensors_in(state):
        if tensor.is_floating_point() and tensor.numel():
            alike.setdefault((tensor.device, tensor.dtype), []).append(tensor.detach())
    largest = [torch.stack(torch._foreach_norm(tensors, math.inf)) for tensors in alike.values()]
    return all(bool(values.isfinite().all()) for values in largest)
