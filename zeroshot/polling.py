"""Looking at the clock at every tensor operation, so that a long step of any prior ends when its time is up.

Priors need nothing for it, those of other packages neither: what they do with tensors passes through here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from zeroshot.deadline import OutOfTime, seconds_left

#: Seconds of a step from which on it is worth breaking off.
_LONG_STEP = 0.1
#: Such steps are watched where fewer than this many fit into the time that is left.
_LAST_STEPS = 10
#: How many steps are watched in any case: nobody knows yet how long they take.
_FIRST_STEPS = 3

_polls: ContextVar[bool] = ContextVar("_polls", default=False)
#: What ``torch.no_grad()`` and ``torch.autocast()`` call on the way in and out: were it cut short, the mode would stay
#: for the whole process.
_SETTINGS = (
    torch._C._set_grad_enabled,
    torch.amp.autocast_mode._enter_autocast,
    torch.amp.autocast_mode._exit_autocast,
)
_BACKWARD = (torch.Tensor.backward, torch.autograd.grad, torch.autograd.backward)


@contextmanager
def polling(first: bool = False) -> Iterator[None]:
    """Raise :class:`~zeroshot.deadline.OutOfTime` at the first tensor operation after the deadline has passed.

    With `first` there is nothing to return yet, and the deadline's grace is added. An operation takes about ten
    microseconds longer inside. Where no deadline is kept nothing is done.
    """
    if _polls.get() or seconds_left() == math.inf:
        yield
        return
    token = _polls.set(True)
    try:
        with _Calls(first):
            yield
    finally:
        _polls.reset(token)


class StepWatch:
    """Breaks off steps where looking at the clock is worth its price: the first, and long ones near the end."""

    def __init__(self) -> None:
        self._made, self._longest = 0, 0.0

    @contextmanager
    def step(self, first: bool = False) -> Iterator[bool]:
        """Make one step, or a round of them, within; gives whether it may be broken off.

        Of a `first` one there is nothing to return yet, see :func:`polling`.
        """
        left, began = seconds_left(), time.monotonic()
        is_last = self._longest > _LONG_STEP and left < _LAST_STEPS * self._longest
        if self._made < _FIRST_STEPS or is_last:
            with polling(first):
                yield left < math.inf
        else:
            yield False
        self._made += 1
        self._longest = max(self._longest, time.monotonic() - began)


def _look(first: bool) -> None:
    if seconds_left(first) <= 0:
        raise OutOfTime


class _Calls(TorchFunctionMode):
    """Looks at the clock before each function of torch that is called."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self._first = first

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func not in _SETTINGS:
            _look(self._first)
        if func not in _BACKWARD:
            return func(*args, **(kwargs or {}))
        # One call from here, however many operations.
        with _Kernels(self._first):
            return func(*args, **(kwargs or {}))


class _Kernels(TorchDispatchMode):
    """Looks at the clock before each kernel, those of automatic differentiation included; slower than by calls."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self._first = first

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Nothing is compiled under a deadline; to make sure of that PyTorch would load its compiler, for seconds.
        return False

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        _look(self._first)
        return func(*args, **(kwargs or {}))
