"""A time budget holds within a step, whatever the prior does in it, and for everything that is made of runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import zeroshot
from tests.pictures import seeded
from zeroshot.deadline import (
    Deadline,
    OutOfTime,
    counting_start_up,
    deadline_of_call,
    give_back,
    kept,
    seconds_left,
)
from zeroshot.estimate import Estimate
from zeroshot.loop import Loop
from zeroshot.operators import Identity, Mask
from zeroshot.polling import polling
from zeroshot.prior import Prior, Run
from zeroshot.problem import Problem
from zeroshot.stopping import MaxIterations
from zeroshot.tiling import Samples, Tiles

#: Far more operations than fit into any budget of these tests.
ENDLESS = 10**9


@dataclass(frozen=True)
class Stranger(Prior):
    """A prior of another package, which knows nothing of deadlines: from step `quick` on its steps do not end."""

    name: ClassVar[str] = "stranger"
    summary: ClassVar[str] = "for tests"

    quick: int = 0
    endless: str = "step"
    iterations: int = ENDLESS
    seconds_to_start: float = 0.0

    def start(self, problem: Problem, generator: torch.Generator) -> StrangerRun:
        if self.endless == "start":
            _work_on(problem.y.clone())
        time.sleep(self.seconds_to_start)
        return StrangerRun(self, problem, generator)


class StrangerRun(Run):
    state = ("image", "iteration")

    def __init__(self, prior: Stranger, problem: Problem, generator: torch.Generator) -> None:
        self.device, self._prior = problem.y.device, prior
        self.image = problem.initial() + 0.01 * torch.rand((), generator=generator)
        self.iteration = 0

    def step(self) -> Estimate:
        if self.iteration == self._prior.quick and self._prior.endless == "step":
            _work_on(self.image)
        if self.iteration == self._prior.quick and self._prior.endless == "backward":
            weight = torch.ones(64, 64, requires_grad=True)
            value = weight
            for _ in range(30_000):
                value = value * 1.0
            value.sum().backward()
        if self.iteration:
            time.sleep(0.11)
        self.iteration += 1
        self.image = self.image.clone()
        return Estimate(self.image, 1.0, self.iteration)


def _work_on(image: torch.Tensor) -> None:
    try:
        for _ in range(ENDLESS):
            image += 0.5
            image -= 0.5
    # What a prior forgives itself is not for the deadline.
    except Exception:
        raise AssertionError from None


@pytest.fixture
def problem() -> Problem:
    return Problem(torch.rand(1, 3, 48, 48, generator=seeded()), Identity(), sigma=0.1, task="denoise")


@pytest.mark.parametrize("endless", ["start", "step", "backward"])
def test_a_first_step_that_does_not_end_gives_a_quick_look_and_says_so(endless: str) -> None:
    clean = torch.linspace(0.2, 0.8, 48).expand(1, 3, 48, 48)
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=seeded())
    problem = Problem(noisy, Identity(), sigma=0.1, task="denoise")
    loop = Loop(problem, Stranger(endless=endless), generator=seeded(), seconds=0.3).complete()
    assert loop.cut_short
    assert loop.iteration == 0
    assert loop.reason == (
        "used up its time budget of 0.3 s before its first step was done, so that this is a quick look with the DCT"
    )
    assert (loop.result() - clean).square().mean() < 0.1 * (noisy - clean).square().mean()


def test_a_first_step_that_does_not_end_gives_the_first_estimate_of_other_problems() -> None:
    known = (torch.rand(1, 1, 32, 32, generator=seeded()) > 0.5).float()
    problem = Problem(0.5 * known, Mask(known), task="inpaint")
    loop = Loop(problem, Stranger(endless="step"), generator=seeded(), seconds=0.2).complete()
    assert loop.reason.endswith("so that this is the operator's first estimate")
    torch.testing.assert_close(loop.result(), problem.initial())


def test_a_run_on_tiles_that_had_no_time_keeps_what_it_is_in(problem: Problem) -> None:
    loop = Loop(problem, Tiles(Stranger(), tile=32, overlap=8), generator=seeded(), seconds=0.3).complete()
    assert loop.reason.endswith("so that this is the input itself")


def test_a_later_step_that_does_not_end_gives_the_image_of_the_one_before(problem: Problem) -> None:
    loop = Loop(problem, Stranger(quick=3), generator=seeded(), seconds=0.9)
    images = [estimate.image.clone() for estimate in loop]
    assert 1 <= loop.iteration <= 3
    assert loop.reason == f"used up its time budget of 0.9 s at iteration {loop.iteration}"
    assert torch.equal(loop.result(), images[-1])


def test_the_nearest_of_the_deadlines_holds_and_ends_with_its_block() -> None:
    assert seconds_left() == math.inf
    with kept(Deadline(9000.0)):
        with kept(Deadline(1000.0, grace=500.0)), kept(None), kept(Deadline(5000.0)):
            assert 900 < seconds_left() <= 1000 < seconds_left(first=True) <= 1500
            give_back(500.0)
            assert 1400 < seconds_left() <= 1500
        assert 9400 < seconds_left() <= 9500
    assert seconds_left() == math.inf


def test_a_call_counts_from_the_start_of_the_process_once_and_leaves_a_quarter() -> None:
    now = time.monotonic()
    with counting_start_up():
        first, second = deadline_of_call(1e-3, now), deadline_of_call(1e6, now)
    assert first is not None
    assert second is not None
    assert first.left() <= 1e-3 / 4 + 1e-6
    assert second.left() == pytest.approx(1e6, abs=30)
    assert deadline_of_call(None, now) is None


def test_operations_are_watched_inside_only() -> None:
    with kept(Deadline(-1.0)):
        torch.ones(2).add(1)
        with pytest.raises(OutOfTime), polling():
            torch.ones(2).add(1)
        torch.ones(2).add(1)
    with polling():
        torch.ones(2).add(1)


@pytest.mark.parametrize("off", [torch.no_grad, lambda: torch.set_grad_enabled(False)])
def test_gradients_come_back_where_the_time_ends_without_them(off: Callable[[], Any]) -> None:
    deadline = Deadline(0.05, grace=0.0)
    with kept(deadline), polling():
        with pytest.raises(OutOfTime), off():
            while True:
                torch.zeros(1).add(1)
        assert torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_a_deadline_within_autocast_leaves_it_off() -> None:
    with kept(Deadline(0.05, grace=0.0)), pytest.raises(OutOfTime), polling(), torch.autocast("cpu"):
        while True:
            torch.zeros(1).add(1)
    assert not torch.is_autocast_enabled("cpu")


def test_samples_that_got_no_time_are_left_out_and_counted(problem: Problem) -> None:
    # A third of the time suffices to begin fifty of them at the most.
    single = Stranger(quick=1, seconds_to_start=0.02)
    loop = Loop(problem, Samples(single, 1000), generator=seeded(), seconds=3.0).complete()
    run = loop.run
    done = run.findings()["samples"]
    assert 1 <= done < 1000
    assert run.remark() == f"{done} of 1000 samples, the time sufficed for no more"
    assert loop.result().isfinite().all()
    assert set(run.maps()) == ({"deviation"} if done > 1 else set())


def test_tiles_whose_turn_did_not_come_are_counted_and_keep_the_first_estimate(problem: Problem) -> None:
    loop = Loop(problem, Tiles(Stranger(), tile=32, overlap=8), generator=seeded(), seconds=0.3).complete()
    assert "before its first step was done" in loop.reason
    assert loop.run.remark() == "0 of 4 tiles; 4 whose turn did not come keep the first estimate"
    torch.testing.assert_close(loop.result(), problem.y)


def test_the_images_of_a_batch_share_the_time_and_those_without_any_say_so() -> None:
    noisy = torch.rand(20, 1, 16, 16, generator=seeded())
    began = time.process_time()
    with pytest.warns(UserWarning, match="before its first step was done"):
        result = zeroshot.solve(noisy, "denoise", Stranger(), sigma=0.1, seconds=2.0, progress=False)
    assert time.process_time() - began < 10
    assert "the time was up before its turn, so that this is the first estimate" in result.stopped_by
    torch.testing.assert_close(result.image[-1], noisy[-1])
    assert result.parts[-1].iterations == 0


@pytest.mark.parametrize("prior", zeroshot.prior_names())
def test_every_prior_reports_on_a_run_that_had_no_time(prior: str) -> None:
    if "weights=" in zeroshot.registry.prior_class(prior).summary:
        pytest.skip("needs weights")
    noisy = np.random.default_rng(0).random((24, 24, 3)).astype(np.float32)
    others = {
        "completion": ("inpaint", {"mask": noisy > 0.4}),
        **dict.fromkeys(
            ("richardson_lucy", "selfdeblur", "unsupervised_wiener", "wiener"),
            ("deblur", {"kernel": "gaussian=1"}),
        ),
    }
    task, options = others.get(prior, ("denoise", {}))
    with kept(Deadline(-1.0, grace=0.0)), pytest.warns(UserWarning, match="this is"):
        result = zeroshot.solve(noisy, task, prior, sigma=0.1, seconds=60.0, progress=False, **options)
    assert result.iterations == 0
    if task == "denoise":
        assert "a quick look with the DCT" in result.stopped_by
        assert np.std(result.image) < 0.95 * np.std(noisy)


@pytest.mark.parametrize("prior", ["alone", "samples"])
def test_far_from_the_end_only_the_first_steps_look_at_the_clock(
    prior: str, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    monkeypatch.setattr("zeroshot.polling._look", looks.append)
    single = Stranger(quick=1000)
    loop = Loop(
        problem,
        single if prior == "alone" else Samples(single, 2),
        MaxIterations(8),
        generator=seeded(),
        seconds=1e6,
    )
    for _ in range(4):
        loop.step()
    after_first = len(looks)
    assert after_first > 0
    loop.complete()
    assert len(looks) == after_first


def test_without_a_deadline_nothing_looks_at_the_clock(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    monkeypatch.setattr("zeroshot.polling._look", looks.append)
    Loop(problem, Samples(Stranger(quick=1000), 2), MaxIterations(3), generator=seeded()).complete()
    assert not looks
