"""The candidates of a selection: what was known of each, what became of it, and who leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from zeroshot.prior import Prior
from zeroshot.priors.auto.evidence import cautious, expected, gain

TOO_SLOW, SKIPPED = "its first step took too long", "skipped: no time was left for it"
#: Begins the reasons of those that were left out before the first trial.
UNTRIED = "not tried: "
#: Why a candidate that could have won was not tried further.
BEHIND = "fell behind"


@dataclass
class Contestant:
    """A candidate, what was known of it, and what became of it.

    Attributes
    ----------
    prior : Prior
        What is tried.
    gain : float
        Mean PSNR in dB above that of the first candidate, on other pictures.
    errors : torch.Tensor or None
        Its penalties in all examinations so far, of one dimension; None: it has none.
    reason : str
        Why it is out, or was not tried.
    spent : float
        Seconds of its trials.
    iteration : int
        How many iterations the last trial made.
    share : float
        How much of the picture it was tried on, the pixels of all examinations together.
    expected : tuple of float
        The gain on the first candidate, in dB, and its standard deviation.
    """

    prior: Prior
    gain: float = 0.0
    errors: torch.Tensor | None = None
    reason: str = ""
    spent: float = 0.0
    iteration: int = 0
    share: float = 0.0
    expected: tuple[float, float] = (0.0, 0.0)

    @property
    def is_tried(self) -> bool:
        """Whether there is anything to judge it by."""
        return self.errors is not None

    @property
    def may_stand_in(self) -> bool:
        """Whether it was not tried and has not failed either."""
        return not self.reason or self.reason.startswith(UNTRIED)

    def final_seconds(self) -> float:
        """What its run on everything should take, going by its trials."""
        return self.spent / self.share if self.share else 0.0

    def state_dict(self) -> dict[str, Any]:
        """All but the prior and what was known of it."""
        errors = None if self.errors is None else self.errors.clone()
        names = ("reason", "spent", "iteration", "share")
        return {
            "errors": errors,
            "expected": list(self.expected),
            **{name: getattr(self, name) for name in names},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what was saved."""
        for name, value in state.items():
            setattr(self, name, tuple(value) if name == "expected" else value)

    def with_errors(self, errors: torch.Tensor) -> torch.Tensor:
        """Its penalties so far, and these."""
        return errors if self.errors is None else torch.cat([self.errors, errors])


def leading(contestants: Sequence[Contestant], chance: float) -> int | None:
    """Which of those judged so far is the best; None where there is none. What each is expected to gain is noted.

    Parameters
    ----------
    contestants : sequence of Contestant
        The preferred first.
    chance : float
        The part of the mean penalty that even the true image would have.
    """
    tried = [index for index, one in enumerate(contestants) if one.is_tried]
    if not tried:
        return None
    best, most = tried[0], 0.0
    first = contestants[best]
    for index in tried:
        one = contestants[index]
        assert one.errors is not None
        assert first.errors is not None
        # Those who were not in all rounds are compared in those they were in.
        count = min(len(one.errors), len(first.errors))
        observed, error = gain(one.errors[:count], first.errors[:count], chance)
        one.expected = (0.0, 0.0) if one is first else expected(observed, error, one.gain - first.gain)
        if cautious(*one.expected) > most:
            best, most = index, cautious(*one.expected)
    return best
