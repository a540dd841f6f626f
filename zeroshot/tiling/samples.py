"""Several runs of one prior from different seeds: their mean as the estimate, their spread as its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from zeroshot.checks import require_whole
from zeroshot.estimate import Estimate
from zeroshot.prior import Prior, Run
from zeroshot.problem import Problem
from zeroshot.stopping import StoppingRule


@dataclass(frozen=True)
class Samples(Prior):
    """x̂ = 1/n Σᵢ xᵢ and s² = 1/(n − 1) Σᵢ (xᵢ − x̂)², over n runs of one prior that differ in their seeds.

    What the measurement settles is the same in all runs, what it leaves open is not: the mean is nearer to the
    truth than most of them, and s is large where they disagree. s is a lower bound of the error: what all runs
    get wrong alike, it does not show.

    The runs take steps in turn, and the rule looks at their mean. An iteration is one of every run. The first
    run is the one that the prior makes without samples.

    The networks of Deep Image Prior are not put into one grouped call, which is slower at the fine scales, where
    the time goes (see ``benchmarks/dip.md``).

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


class SamplesRun(Run):
    """The runs, stepped in turn."""

    def __init__(self, samples: Samples, problem: Problem, generator: torch.Generator) -> None:
        self.device = problem.y.device
        self._prior = samples.prior.name
        copied = torch.Generator()
        copied.set_state(generator.get_state())
        seeds = torch.randint(2**62, (samples.count - 1,), generator=copied).tolist()
        self._generators = [generator, *(torch.Generator().manual_seed(seed) for seed in seeds)]
        self._untouched = [one.get_state() for one in self._generators]
        prior = samples.prior.suited(problem)
        self._runs = [prior.start(problem, one) for one in self._generators]
        self._estimates: list[Estimate] = []
        #: The deviation that belongs to the best mean so far, where the rule keeps one.
        self._deviation: torch.Tensor | None = None

    @property
    def finished(self) -> bool:
        """Whether every run is."""
        return all(run.finished for run in self._runs)

    def step(self) -> Estimate:
        """Make one step of every run that goes on."""
        if not self._estimates:
            self._estimates = [run.step() for run in self._runs]
            self._require_randomness()
        else:
            self._estimates = [
                estimate if run.finished else run.step()
                for run, estimate in zip(self._runs, self._estimates, strict=True)
            ]
        estimates = self._estimates
        image = _mean([estimate.image for estimate in estimates])
        averaged = any(estimate.iterate is not None for estimate in estimates)
        iterate = _mean([estimate.newest for estimate in estimates]) if averaged else None
        loss = sum(estimate.loss for estimate in estimates) / len(estimates)
        return Estimate(image, loss, max(estimate.iteration for estimate in estimates), iterate)

    def _require_randomness(self) -> None:
        first = self._estimates[0].image
        drawn = any(
            not torch.equal(one.get_state(), before)
            for one, before in zip(self._generators, self._untouched, strict=True)
        )
        if not drawn and all(torch.equal(estimate.image, first) for estimate in self._estimates):
            raise ValueError(
                f"prior {self._prior!r} draws nothing at random, so that all samples would be equal; "
                "leave samples out"
            )

    def keep_with_best(self, best: torch.Tensor | None, estimate: Estimate) -> None:
        """Keep the deviation where the rule has just kept the mean."""
        if best is not None and torch.equal(best, estimate.image):
            self._deviation = self._spread()

    def _spread(self) -> torch.Tensor:
        return torch.stack([estimate.image for estimate in self._estimates]).std(dim=0, correction=1)

    def findings(self) -> dict[str, Any]:
        """How many samples there are, and what each run found."""
        found = [finding for run in self._runs if (finding := run.findings())]
        return {"samples": len(self._runs)} | ({"runs": found} if found else {})

    def remark(self) -> str:
        """The remarks of all runs."""
        return "; ".join(sorted({remark for run in self._runs if (remark := run.remark())}))

    def maps(self) -> dict[str, torch.Tensor]:
        """The standard deviation of the samples as "deviation", (N, C, H, W), on the scale of the image."""
        if not self._estimates:
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
