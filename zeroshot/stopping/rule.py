"""The contract of a stopping rule, and how rules combine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch

from zeroshot.estimate import Estimate
from zeroshot.problem import Problem


class StoppingRule(ABC):
    """Decides after every step whether a run ends, and which of its images is returned.

    Attributes
    ----------
    reason : str
        Why the rule stopped the run, in one line; meaningful once `update` has returned True.
    holds_out : float
        The fraction of the measured pixels to keep aside for the rule to validate on.
    """

    reason: str = ""
    holds_out: float = 0.0

    def hold_out(self, problem: Problem, generator: torch.Generator) -> Problem:
        """The problem with those measurements kept aside: random pixels, unless a rule wants others."""
        return problem.hold_out(self.holds_out, generator)

    def start(self, problem: Problem) -> None:  # noqa: B027
        """Reset the rule for a run on `problem`; called once, before the first update."""

    @abstractmethod
    def update(self, estimate: Estimate) -> bool:
        """Look at the newest estimate; True: stop now."""

    def best(self) -> torch.Tensor | None:
        """The image to return; None where the rule has no opinion and the last estimate's image will do."""
        return None

    @property
    def most_iterations(self) -> int | None:
        """The number of iterations after which it stops in any case; None where there is none."""
        return None

    def measures(self) -> dict[str, float]:
        """What the last update measured, by name, for the history of the run."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """A snapshot from which a resumed run decides as this one: tensors, numbers, strings, lists."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Continue where `state` was taken; call `start` first."""

    def __or__(self, other: StoppingRule) -> StoppingRule:
        return Either(*_parts(self, Either), *_parts(other, Either))

    def __and__(self, other: StoppingRule) -> StoppingRule:
        return Both(*_parts(self, Both), *_parts(other, Both))


class Combination(StoppingRule):
    """Several rules that decide together."""

    symbol: str

    def __init__(self, *rules: StoppingRule) -> None:
        for rule in rules:
            if not isinstance(rule, StoppingRule):
                raise TypeError(f"only stopping rules can be combined, got {type(rule).__name__}")
        if not rules:
            raise ValueError(f"{type(self).__name__} needs at least one stopping rule")
        self.rules = rules
        self.holds_out = max(rule.holds_out for rule in rules)
        #: The positions of the rules that have fired, in the order in which their images are preferred.
        self._fired: list[int] = []

    def hold_out(self, problem: Problem, generator: torch.Generator) -> Problem:
        """What the rule keeps aside that keeps most."""
        return max(self.rules, key=lambda rule: rule.holds_out).hold_out(problem, generator)

    def start(self, problem: Problem) -> None:
        self._fired = []
        for rule in self.rules:
            rule.start(problem)

    def best(self) -> torch.Tensor | None:
        waiting = [index for index in range(len(self.rules)) if index not in self._fired]
        images = (self.rules[index].best() for index in self._fired + waiting)
        return next((image for image in images if image is not None), None)

    def measures(self) -> dict[str, float]:
        return {name: value for rule in self.rules for name, value in rule.measures().items()}

    def state_dict(self) -> dict[str, Any]:
        return {
            "rules": [rule.state_dict() for rule in self.rules],
            "reasons": [rule.reason for rule in self.rules],
            "fired": list(self._fired),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if len(state["rules"]) != len(self.rules):
            raise ValueError(
                f"the saved state is of {len(state['rules'])} stopping rules, here are {len(self.rules)}"
            )
        for rule, saved, reason in zip(self.rules, state["rules"], state["reasons"], strict=True):
            rule.load_state_dict(saved)
            rule.reason = reason
        self._fired = list(state["fired"])

    def __repr__(self) -> str:
        return f" {self.symbol} ".join(
            f"({rule!r})" if isinstance(rule, Combination) else repr(rule) for rule in self.rules
        )


class Either(Combination):
    """``a | b``: stops when one of the rules fires, and returns that rule's image, else any other's."""

    symbol = "|"

    @property
    def most_iterations(self) -> int | None:
        """The least of its rules'."""
        return min((rule.most_iterations for rule in self.rules if rule.most_iterations), default=None)

    def update(self, estimate: Estimate) -> bool:
        # Every rule sees every estimate, or those after the first to fire would miss it.
        decisions = [rule.update(estimate) for rule in self.rules]
        self._fired = [index for index, fires in enumerate(decisions) if fires]
        self.reason = " and ".join(self.rules[index].reason for index in self._fired)
        return bool(self._fired)


class Both(Combination):
    """``a & b``: stops when every rule has fired, at whatever time, and returns the image of the last to.

    A rule that has fired sees no further estimates: its decision and its image stand.
    """

    symbol = "&"

    @property
    def most_iterations(self) -> int | None:
        """The largest of its rules', where all have one."""
        limits = [rule.most_iterations for rule in self.rules]
        known = [limit for limit in limits if limit is not None]
        return max(known) if len(known) == len(limits) else None

    def update(self, estimate: Estimate) -> bool:
        for index, rule in enumerate(self.rules):
            if index not in self._fired and rule.update(estimate):
                self._fired.insert(0, index)
        self.reason = " and ".join(self.rules[index].reason for index in reversed(self._fired))
        return len(self._fired) == len(self.rules)

    def measures(self) -> dict[str, float]:
        waiting = (rule for index, rule in enumerate(self.rules) if index not in self._fired)
        return {name: value for rule in waiting for name, value in rule.measures().items()}


def _parts(rule: StoppingRule, kind: type[Combination]) -> tuple[StoppingRule, ...]:
    return rule.rules if isinstance(rule, kind) else (rule,)
