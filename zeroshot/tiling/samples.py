"""Several runs of one prior from different seeds: their mean as the estimate, their spread as its uncertainty."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from zeroshot.checks import require_whole
from zeroshot.deadline import OutOfTime, seconds_left
from zeroshot.estimate import Estimate
from zeroshot.polling import StepWatch, polling
from zeroshot.prior import Prior, Run
from zeroshot.problem import Problem
from zeroshot.stopping import StoppingRule
from zeroshot.tiling.rounds import Rounds


@dataclass(frozen=True)
class Samples(Prior):
    """x̂ = 1/n Σᵢ xᵢ and s² = 1/(n − 1) Σᵢ (xᵢ − x̂)², over n runs of one prior that differ in their seeds.

    What the measurement settles is the same in all runs, what it leaves open is not: the mean is nearer to the
    truth than most of them, and s is large where they disagree. s is a lower bound of the error: what all runs
    get wrong alike, it does not show.

    The runs take steps in turn, and the rule looks at their mean. An iteration is one of every run. The first
    run is the one that the prior makes without samples.

    Where the steps of several runs by one call are faster, which is tried, they are made so; on a CPU they are not
    (see ``benchmarks/dip.md``).

    Under a deadline only as many runs are begun as a third of the time suffices for, and those that do not come to
    a first step are left out: the mean is that of the others, and the remark says how many they are.

    Parameters
    ----------
    prior : Prior
        One that begins at random.
    count : int
        n, at least 2.
    """

    name: ClassVar[str] = "samples"
    summary: ClassVar[str] = "mean and deviation of several runs of another prior"

    prior: Prior
    count: int = 4

    def __post_init__(self) -> None:
        require_whole(self, "count", least=2)

    def innermost(self) -> Prior:
        """The prior that makes the single runs."""
        return self.prior.innermost()

    @property
    def finds_latent(self) -> bool:  # type: ignore[override]
        """False: the mean of images has no latent of its own."""
        return False

    @property
    def iterations(self) -> int | None:
        """The most iterations of one run, where the prior knows it."""
        return getattr(self.prior, "iterations", None)

    def within(self, seconds: float) -> Samples:
        """The same, each run prepared for its share of the time."""
        return replace(self, prior=self.prior.within(seconds / self.count))

    def supports(self, problem: Problem) -> str | None:
        """None where the prior supports the problem."""
        return self.prior.supports(problem)

    def memory(self, problem: Problem) -> int | None:
        """That of all runs."""
        needed = self.prior.memory(problem)
        return None if needed is None else self.count * needed

    def start(self, problem: Problem, generator: torch.Generator) -> SamplesRun:
        """Begin every run."""
        return SamplesRun(self, problem, generator)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """The prior's own rule, which looks at the mean."""
        return self.prior.suited(problem).default_stopping(problem)


#: The share of the time that is left in which runs are begun.
_BEGINNING = 1 / 3


class SamplesRun(Run):
    """The runs, stepped in turn."""

    minds_time = True

    def __init__(self, samples: Samples, problem: Problem, generator: torch.Generator) -> None:
        self.device = problem.y.device
        self._prior = samples.prior.name
        copied = torch.Generator()
        copied.set_state(generator.get_state())
        seeds = torch.randint(2**62, (samples.count - 1,), generator=copied).tolist()
        self._generators = [generator, *(torch.Generator().manual_seed(seed) for seed in seeds)]
        self._untouched = [one.get_state() for one in self._generators]
        prior = samples.prior.suited(problem)
        self._asked = samples.count
        self._start = functools.partial(prior.start, problem)
        self._runs = self._begun()
        self._estimates: list[Estimate] = []
        self._watch = StepWatch()
        self._rounds = Rounds()
        #: The deviation that belongs to the best mean so far, where the rule keeps one.
        self._deviation: torch.Tensor | None = None

    def _begun(self) -> list[Run]:
        """The runs, or as many as there is time for; the first in any case."""
        until = (1 - _BEGINNING) * seconds_left()
        runs = [self._start(self._generators[0])]
        try:
            for generator in self._generators[1:]:
                if seconds_left() < until:
                    break
                runs.append(self._start(generator))
        except OutOfTime:
            pass
        return runs

    @property
    def finished(self) -> bool:
        """Whether every run is."""
        return all(run.finished for run in self._runs)

    def step(self) -> Estimate:
        """Make one step of every run that goes on, as far as there is time."""
        if not self._estimates:
            self._make_first_steps()
            self._require_randomness()
        else:
            self._make_further_steps()
        estimates = self._estimates
        image = _mean([estimate.image for estimate in estimates])
        averaged = any(estimate.iterate is not None for estimate in estimates)
        iterate = _mean([estimate.newest for estimate in estimates]) if averaged else None
        loss = sum(estimate.loss for estimate in estimates) / len(estimates)
        return Estimate(image, loss, max(estimate.iteration for estimate in estimates), iterate)

    def _make_first_steps(self) -> None:
        """The first step of every run; runs that the time does not suffice for are left out."""
        try:
            with polling(first=True):
                self._estimates.append(self._runs[0].step())
            with polling():
                for run in self._runs[1:]:
                    self._estimates.append(run.step())
        except OutOfTime:
            if not self._estimates:
                raise
            del self._runs[len(self._estimates) :]

    def _make_further_steps(self) -> None:
        try:
            going_on = [run for run in self._runs if not run.finished]
            with self._watch.step() as may_break_off, self._rounds.round(going_on):
                for index, run in enumerate(self._runs):
                    if run.finished:
                        continue
                    if seconds_left() <= 0:
                        break
                    if may_break_off:
                        # A step that is broken off may have begun to change the image of the one before.
                        kept = self._estimates[index]
                        self._estimates[index] = replace(kept, image=kept.image.clone())
                    self._estimates[index] = run.step()
        except OutOfTime:
            pass

    def _require_randomness(self) -> None:
        first = self._estimates[0].image
        drawn = any(
            not torch.equal(one.get_state(), before)
            for one, before in zip(self._generators[: len(self._runs)], self._untouched, strict=False)
        )
        if not drawn and all(torch.equal(estimate.image, first) for estimate in self._estimates):
            raise ValueError(
                f"prior {self._prior!r} draws nothing at random, so that all samples would be equal; "
                "leave samples out"
            )

    def keep_with_best(self, best: torch.Tensor | None, estimate: Estimate) -> None:
        """Keep the deviation where the rule has just kept the mean."""
        if len(self._estimates) > 1 and best is not None and torch.equal(best, estimate.image):
            self._deviation = self._spread()

    @property
    def refit_seconds(self) -> float:
        """That of all runs."""
        return sum(run.refit_seconds for run in self._runs)

    def refit(self, problem: Problem) -> bool:
        """Passed on to every run; those that cannot go on keep their image."""
        self._deviation = None
        went_on = [run.refit(problem) for run in self._runs]
        return any(went_on)

    def _spread(self) -> torch.Tensor:
        return torch.stack([estimate.image for estimate in self._estimates]).std(dim=0, correction=1)

    def findings(self) -> dict[str, Any]:
        """How many samples there are, and what each run found."""
        found = [finding for run in self._runs if (finding := run.findings())]
        return {"samples": len(self._runs), **self._rounds.findings()} | ({"runs": found} if found else {})

    def remark(self) -> str:
        """How many samples there are where they are fewer than asked for, and the remarks of all runs."""
        done = len(self._estimates)
        fewer = (
            f"{done} of {self._asked} samples, the time sufficed for no more" if done < self._asked else ""
        )
        remarks = sorted({remark for run in self._runs if (remark := run.remark())})
        return "; ".join(filter(None, [fewer, *remarks]))

    def maps(self) -> dict[str, torch.Tensor]:
        """The standard deviation of the samples as "deviation", (N, C, H, W), on the scale of the image."""
        if len(self._estimates) < 2:
            return {}
        return {"deviation": self._spread() if self._deviation is None else self._deviation}

    def shrink_step(self, factor: float) -> None:
        """Passed on to every run."""
        for run in self._runs:
            run.shrink_step(factor)

    def state_dict(self) -> dict[str, Any]:
        """The states of all runs."""
        return {
            "runs": [run.state_dict() for run in self._runs],
            "estimates": [
                {
                    "image": estimate.image.clone(),
                    "loss": estimate.loss,
                    "iteration": estimate.iteration,
                    "iterate": None if estimate.iterate is None else estimate.iterate.clone(),
                }
                for estimate in self._estimates
            ],
            "deviation": None if self._deviation is None else self._deviation.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        while len(self._runs) < len(state["runs"]):
            self._runs.append(self._start(self._generators[len(self._runs)]))
        del self._runs[len(state["runs"]) :]
        for run, saved in zip(self._runs, state["runs"], strict=True):
            run.load_state_dict(saved)

        def moved(tensor: torch.Tensor | None) -> torch.Tensor | None:
            return None if tensor is None else tensor.to(self.device)

        self._estimates = [
            Estimate(
                saved["image"].to(self.device), saved["loss"], saved["iteration"], moved(saved["iterate"])
            )
            for saved in state["estimates"]
        ]
        self._deviation = moved(state["deviation"])


def _mean(images: list[torch.Tensor]) -> torch.Tensor:
    total = images[0].clone()
    for image in images[1:]:
        total += image
    return total.div_(len(images))
