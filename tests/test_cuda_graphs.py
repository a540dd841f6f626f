"""Steps that a GPU replays, and what they need: tensors that stay where they are, counts and draws on the device."""

from __future__ import annotations

import pytest
import torch

from zeroshot.cuda_graphs import Replayed, launched_singly
from zeroshot.prior import copied
from zeroshot.randomness import generator_on
from zeroshot.solvers.optimiser import Adam

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")


def test_on_a_cpu_every_call_is_one_of_the_function() -> None:
    calls = []
    step = Replayed(lambda: calls.append(len(calls)), torch.device("cpu"))
    for _ in range(6):
        step()
    assert calls == [0, 1, 2, 3, 4, 5]
    assert not step.is_recorded


@needs_gpu
def test_a_recorded_step_goes_on_as_the_single_launches_do() -> None:
    device = torch.device("cuda")

    def descended(recorded: bool) -> tuple[list[float], bool]:
        weights = torch.linspace(-1, 1, 64, device=device).view(8, 8).requires_grad_()
        draws = torch.Generator(device).manual_seed(3)
        optimiser = Adam([weights], lr=0.05)

        def fit() -> torch.Tensor:
            optimiser.zero_grad()
            given = torch.randn(16, 8, generator=draws, device=device)
            loss = (given @ weights - given).square().mean()
            loss.backward()
            return loss.detach()

        step, update = Replayed(fit, device, [draws]), Replayed(optimiser.step, device)
        losses = []
        for _ in range(12):
            losses.append(float(step()))
            (update if step.is_recorded else optimiser.step)()
        return losses, step.is_recorded and update.is_recorded

    recorded, was_recorded = descended(True)
    with launched_singly():
        singly, was_single = descended(False)
    assert was_recorded
    assert not was_single
    assert recorded == pytest.approx(singly, rel=1e-5)
    assert recorded[-1] < recorded[0]


@needs_gpu
def test_what_cannot_be_recorded_is_called_as_it_is() -> None:
    device = torch.device("cuda")
    draws = torch.Generator(device).manual_seed(5)

    def read() -> float:
        return float(torch.rand((), generator=draws, device=device))

    step = Replayed(read, device, [draws])
    with pytest.warns(UserWarning, match="cannot be recorded"):
        values = [step() for _ in range(8)]
    again = torch.Generator(device).manual_seed(5)
    assert values == [float(torch.rand((), generator=again, device=device)) for _ in range(8)]


def test_a_copy_takes_the_tensors_of_the_earlier_one_where_they_fit() -> None:
    first = copied({"a": torch.ones(2), "b": [torch.zeros(3), 1], "c": torch.ones(1)})
    kept = first["a"], first["b"][0]
    second = copied({"a": torch.full((2,), 5.0), "b": [torch.ones(3), 2], "c": torch.ones(4)}, first)
    assert second["a"] is kept[0]
    assert second["b"][0] is kept[1]
    assert second["a"].tolist() == [5, 5]
    assert second["b"][0].tolist() == [1, 1, 1]
    assert second["b"][1] == 2
    assert second["c"].shape == (4,)


def test_the_generator_of_the_same_device_is_the_one_that_was_given(generator: torch.Generator) -> None:
    before = generator.get_state()
    assert generator_on(torch.device("cpu"), generator) is generator
    assert torch.equal(generator.get_state(), before)
