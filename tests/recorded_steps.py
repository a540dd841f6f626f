"""A stand-in for CUDA graphs on machines without a GPU: what is recorded is replayed operation by operation.

As with the true ones, Python is left out of a replay: the operations are made again on the tensors of the recording,
and their results are written into those of the recording. Reading a value while recording is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch.utils import _pytree as trees
from torch.utils._python_dispatch import TorchDispatchMode

from zeroshot.cuda_graphs import _WARM_UP, Replayed
from zeroshot.solvers import optimiser

_READS = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.equal.default,
}


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [one for one in trees.tree_leaves(tree) if isinstance(one, torch.Tensor)]


class _Tape(TorchDispatchMode):
    """Every operation with what it was given and what it gave."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, list[torch.Tensor]]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in _READS:
            raise RuntimeError(f"operation not permitted when stream is capturing: {function}")
        kwargs = kwargs or {}
        given = function(*args, **kwargs)
        read = {one.untyped_storage().data_ptr() for one in _tensors((args, kwargs))}
        # What shares memory with what it was made of is a view of it, or was changed in place.
        made = [one for one in _tensors(given) if one.untyped_storage().data_ptr() not in read]
        self.operations.append((function, args, kwargs, made))
        return given

    def replay(self) -> None:
        with torch.no_grad():
            for function, args, kwargs, made in self.operations:
                again = _tensors(function(*args, **kwargs))
                if made:
                    for old, new in zip(made, again, strict=True):
                        old.copy_(new)


class Recorded(Replayed[Any]):
    """Records on the CPU."""

    def __init__(
        self,
        function: Callable[[], Any],
        device: torch.device,
        generators: Sequence[torch.Generator] = (),
    ) -> None:
        self._tape: _Tape | None = None
        super().__init__(function, device, generators)

    def forget(self) -> None:
        self._tape = None
        super().forget()

    @property
    def is_recorded(self) -> bool:
        return self._tape is not None

    def __call__(self) -> Any:
        if self._tape is not None:
            self._tape.replay()
            return self._result
        self._calls += 1
        if self._calls <= _WARM_UP:
            return self._function()
        tape = _Tape()
        with tape:
            self._result = self._function()
        self._tape = tape
        return self._result


def record_on_the_cpu(monkeypatch: pytest.MonkeyPatch, *modules: Any) -> list[Recorded]:
    """Have `Replayed` in these modules record; those that come about from now on.

    Optimisers count their steps in tensors then, as they do on the device of true recordings.
    """
    made: list[Recorded] = []
    counted = optimiser._counted

    def counted_in_tensors(states: list[dict[str, Any]], device: torch.device) -> Any:
        for state in states:
            if not isinstance(state["count"], torch.Tensor):
                state["count"] = torch.full((), float(state["count"]), dtype=torch.float64)
        return counted(states, device)

    monkeypatch.setattr(optimiser, "_counted", counted_in_tensors)

    def record(*arguments: Any) -> Recorded:
        made.append(Recorded(*arguments))
        return made[-1]

    for module in modules:
        monkeypatch.setattr(module, "Replayed", record)
    return made
