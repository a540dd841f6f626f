"""Steps made of many small kernels, replayed as one CUDA graph: on a GPU the launches take longer than the work.

A small network's step is hundreds of kernels of a few microseconds each, which Python launches one by one. Recorded
once, they are launched together. Where there is no CUDA nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

import torch

from zeroshot.deadline import OutOfTime
from zeroshot.notes import note

_Result = TypeVar("_Result")

#: Calls before a function is recorded: its optimiser, cuDNN and the allocator have by then what they need.
_WARM_UP = 3

_records: ContextVar[bool] = ContextVar("_records", default=True)


@contextmanager
def launched_singly() -> Iterator[None]:
    """Record nothing within: every kernel is launched by itself, as without this module."""
    token = _records.set(False)
    try:
        yield
    finally:
        _records.reset(token)


class Replayed(Generic[_Result]):
    """A function without arguments that on a GPU is recorded after a few calls, and then replayed.

    The function works on tensors that stay where they are, changes them in place, and gives tensors that each replay
    overwrites. It may draw from `generators`, and must neither wait for the GPU nor read from it. Where recording
    fails it is called as it is from then on, and a note says so.

    Parameters
    ----------
    function : callable
        What is done in every call.
    device : torch.device
        Where its tensors are.
    generators : sequence of torch.Generator
        Generators on that device from which it draws.
    """

    def __init__(
        self,
        function: Callable[[], _Result],
        device: torch.device,
        generators: Sequence[torch.Generator] = (),
    ) -> None:
        self._function, self._generators = function, generators
        self._may_record = device.type == "cuda" and _records.get()
        self._stream = torch.cuda.Stream(device) if self._may_record else None
        self.forget()

    def forget(self) -> None:
        """Record anew: a tensor that the function works on is another one from now on."""
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0
        self._result: _Result | None = None

    @property
    def is_recorded(self) -> bool:
        """Whether the next call is a replay, whose result lies where that of the last one lay."""
        return self._graph is not None

    def __call__(self) -> _Result:
        """Do it once."""
        if self._graph is not None:
            self._graph.replay()
            return self._result  # type: ignore[return-value]
        if self._stream is None:
            return self._function()
        self._calls += 1
        if self._calls <= _WARM_UP:
            # On the stream of the recording, on which gradients are to be accumulated.
            current = torch.cuda.current_stream(self._stream.device)
            self._stream.wait_stream(current)
            with torch.cuda.stream(self._stream):
                result = self._function()
            current.wait_stream(self._stream)
            return result
        return self._recorded()

    def _recorded(self) -> _Result:
        """Record the function, and do it once."""
        states = [generator.get_state() for generator in self._generators]
        graph = torch.cuda.CUDAGraph()
        try:
            for generator in self._generators:
                graph.register_generator_state(generator)
            # Other threads may go on with the GPU meanwhile.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                result = self._function()
        except (RuntimeError, OutOfTime) as error:
            self._stream = None
            for generator, state in zip(self._generators, states, strict=True):
                # It still believes that it is being recorded.
                generator.graphsafe_set_state(torch.Generator(generator.device).graphsafe_get_state())
                generator.set_state(state)
            if isinstance(error, OutOfTime):
                raise
            reason = str(error).partition("\n")[0]
            note(f"a step cannot be recorded as a CUDA graph, and is launched kernel by kernel: {reason}")
            return self._function()
        self._graph, self._result = graph, result
        graph.replay()
        return result
