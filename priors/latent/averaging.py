"""The average over the iterates of a run."""

from __future__ import annotations

from typing import Any

import torch


class IterateAverage:
    """a ← m a + (1 − m) x, with m growing to `momentum` so that the first iterates are soon forgotten.

    m = min(momentum, 1 − 9 / (n + 8)) after n iterates: nothing of the past at first, a tenth at n = 2.

    Parameters
    ----------
    momentum : float
        From 0, where the average is the newest iterate, to below 1.
    """

    def __init__(self, momentum: float) -> None:
        self._momentum = momentum
        self._average: torch.Tensor | None = None

    def update(self, image: torch.Tensor, count: int) -> torch.Tensor:
        """The average with `image`, iterate number `count` from 1; it is never changed in place."""
        past = min(self._momentum, 1 - 9 / (count + 8))
        if self._average is None or past <= 0:
            self._average = image
        else:
            self._average = self._average.lerp(image, 1 - past)
        return self._average

    def state_dict(self) -> dict[str, Any]:
        """The average so far."""
        return {"average": None if self._average is None else self._average.clone()}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Continue exactly where `state` was taken."""
        self._average = None if state["average"] is None else state["average"].to(device)
