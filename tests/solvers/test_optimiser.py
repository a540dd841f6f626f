"""Optimisers of our own against those of PyTorch."""

import subprocess
import sys

import pytest
import torch

from zeroshot.solvers.muon import Muon
from zeroshot.solvers.optimiser import Adam


def misfit(parameters: list[torch.Tensor]) -> torch.Tensor:
    return sum(((parameter - 1) ** 4).sum() for parameter in parameters)


def parameters() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((4, 3, 3, 3), (4,), (2, 5))
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def test_adam_takes_the_steps_of_pytorch() -> None:
    ours, theirs = parameters(), parameters()
    adam, reference = Adam(ours, lr=0.03), torch.optim.Adam(theirs, lr=0.03)
    for _ in range(20):
        for optimiser, held in ((adam, ours), (reference, theirs)):
            optimiser.zero_grad()
            misfit(held).backward()
            optimiser.step()
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)


def test_adam_with_its_count_on_the_device_takes_the_same_steps() -> None:
    here, there = parameters(), parameters()
    for held in (here, there):
        adam = Adam(held, lr=0.03)
        for step in range(20):
            adam.zero_grad()
            misfit(held).backward()
            adam.step()
            if step == 0 and held is there:
                for one in held:
                    adam.state[one]["count"] = torch.tensor(1.0, dtype=torch.float64)
    assert float(adam.state[there[0]]["count"]) == 20
    for one, other in zip(here, there, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")
def test_adam_on_a_gpu_takes_the_steps_of_the_cpu() -> None:
    on_cpu = parameters()
    on_gpu = [one.detach().cuda().requires_grad_() for one in on_cpu]
    for held in (on_cpu, on_gpu):
        adam = Adam(held, lr=0.03)
        for _ in range(20):
            adam.zero_grad()
            misfit(held).backward()
            adam.step()
    for one, other in zip(on_gpu, on_cpu, strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_a_continued_optimiser_takes_the_same_steps(kind: str) -> None:
    def made(held: list[torch.Tensor]) -> Adam | Muon:
        return Adam(held, lr=0.02) if kind == "adam" else Muon(held[:1], held[1:])

    def steps(optimiser: Adam | Muon, held: list[torch.Tensor]) -> None:
        for _ in range(5):
            optimiser.zero_grad()
            misfit(held).backward()
            optimiser.step()

    whole = parameters()
    first = made(whole)
    steps(first, whole)
    continued = [parameter.detach().clone().requires_grad_() for parameter in whole]
    second = made(continued)
    saved = first.state_dict()
    second.load_state_dict({**saved, "state": {k: clone(v) for k, v in saved["state"].items()}})
    steps(first, whole)
    steps(second, continued)
    for one, other in zip(whole, continued, strict=True):
        assert torch.equal(one, other)


def clone(held: dict) -> dict:
    return {name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in held.items()}


def test_a_parameter_without_gradient_stays() -> None:
    moved, still = (torch.ones(3).mul(2).requires_grad_() for _ in range(2))
    adam = Adam([moved, still], lr=0.1)
    (moved**2).sum().backward()
    adam.step()
    assert bool((moved < 2).all())
    assert torch.equal(still, torch.full((3,), 2.0))


def test_a_run_of_deep_image_prior_does_not_load_the_compiler() -> None:
    """Neither its optimiser nor, under a time budget, watching what is differentiated."""
    code = (
        "import sys, torch, zeroshot\n"
        "settings = {'iterations': 2, 'channels': 8}\n"
        "for seconds in (None, 60.0):\n"
        "    zeroshot.denoise(torch.rand(1, 32, 32), prior='dip', sigma=0.1, settings=settings, seconds=seconds,\n"
        "                     progress=False)\n"
        "    assert 'torch._dynamo' not in sys.modules, seconds\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
