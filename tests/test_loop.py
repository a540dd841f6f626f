"""The loop: who may end a run, what is returned, how it recovers, what it saves, and who is told."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
import torch

from tests.contract import through_a_file
from tests.doubles import DriftingPrior, DriftingRun, drifting
from tests.pictures import denoising, inpainting, seeded, uniform
from zeroshot.estimate import Estimate
from zeroshot.loop import Listener, Loop, all_finite
from zeroshot.operators import Identity
from zeroshot.priors.plug_and_play.pnp import PlugAndPlay
from zeroshot.priors.sparse.dct import OverlappingDCT
from zeroshot.problem import Problem
from zeroshot.stopping import HeldOut, MaxIterations, Plateau, StoppingRule


class Counting(Listener):
    """Counts the steps that it was told of, and ends the run at one of them."""

    def __init__(self, end_at: int | None = None, told: list[str] | None = None, name: str = "") -> None:
        self.count, self.end_at, self.told, self.name = 0, end_at, told, name

    def stepped(self, loop: Loop, estimate: Estimate) -> None:
        self.count += 1
        if self.told is not None:
            self.told.append(f"{self.name}{estimate.iteration}")
        if self.count == self.end_at:
            loop.end("somebody said stop")

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count = state["count"]


class Third(StoppingRule):
    """Prefers the third image, and never stops."""

    def __init__(self) -> None:
        self.image: torch.Tensor | None = None

    def update(self, estimate: Estimate) -> bool:
        if estimate.iteration == 3:
            self.image = estimate.image.clone()
        return False

    def best(self) -> torch.Tensor | None:
        return self.image


class Once(DriftingRun):
    """Has nothing left to do after its fourth step."""

    @property
    def finished(self) -> bool:
        return self.iteration == 4


@pytest.fixture
def problem() -> Problem:
    return Problem(uniform(1, 3, 8, 8), Identity(), sigma=0.1)


def loop_of(problem: Problem, prior: DriftingPrior | None = None, rule: Any = None, **options: Any) -> Loop:
    return Loop(problem, prior or DriftingPrior(), rule, generator=seeded(), **options)


# --- its end -----------------------------------------------------------------------------------------------


def test_iterating_gives_every_estimate_up_to_the_limit_of_the_prior(problem: Problem) -> None:
    loop = loop_of(problem, drifting(iterations=7))
    assert [estimate.iteration for estimate in loop] == list(range(1, 8))
    assert loop.reason == "reached the limit of 7 iterations"
    assert loop.iteration == 7
    assert list(loop) == []


def test_a_rule_goes_before_the_limit_of_the_prior(problem: Problem) -> None:
    loop = loop_of(problem, rule=MaxIterations(3)).complete()
    assert (loop.iteration, loop.reason) == (3, "reached the limit of 3 iterations")


def test_the_image_that_the_rule_prefers_is_returned_and_else_the_newest(problem: Problem) -> None:
    loop = loop_of(problem, rule=Third())
    assert torch.equal(loop.result(), problem.initial())
    images = [estimate.image.clone() for estimate in itertools.islice(loop, 5)]
    assert torch.equal(loop.image, images[4])
    assert torch.equal(loop.result(), images[2])
    newest = loop_of(problem, rule=MaxIterations(5)).complete()
    assert torch.equal(newest.result(), images[4])
    newest.result().zero_()
    assert torch.equal(newest.image, images[4])


def test_a_run_that_has_nothing_left_to_do_ends(problem: Problem) -> None:
    class Ending(DriftingPrior):
        def start(self, problem: Problem, generator: torch.Generator) -> Once:
            return Once(self, problem, generator)

    loop = loop_of(problem, Ending()).complete()
    assert loop.reason == "finished after 4 iterations: nothing is left to do"


def test_a_listener_may_end_the_run_which_can_go_on(problem: Problem) -> None:
    loop = loop_of(problem, listeners=[Counting(end_at=4)]).complete()
    assert (loop.iteration, loop.reason) == (4, "somebody said stop")
    whole = loop_of(problem).complete()
    continued = loop_of(problem)
    continued.load_state_dict(loop.state_dict())
    assert torch.equal(continued.complete().result(), whole.result())


def test_the_budget_ends_a_run_whatever_the_rule_and_beginning_it_counts(problem: Problem) -> None:
    class Slow(DriftingPrior):
        def start(self, problem: Problem, generator: torch.Generator) -> DriftingRun:
            time.sleep(0.2)
            return super().start(problem, generator)

    loop = loop_of(problem, Slow(), MaxIterations(10**9), seconds=0.1).complete()
    assert loop.iteration == 0
    assert loop.cut_short
    assert loop.reason.endswith("before its first step was done, so that this is a quick look with the DCT")
    assert loop.result().shape == problem.y.shape


def test_what_is_not_supported_is_refused(problem: Problem) -> None:
    with pytest.raises(ValueError, match="prior 'drifting' cannot do this: it is refused"):
        loop_of(problem, DriftingPrior(rate=0.0))


def test_the_prior_that_suits_the_problem_is_run(photograph: torch.Tensor) -> None:
    crop = photograph[..., :16, :16]
    steps = [
        len(list(Loop(problem, OverlappingDCT(patch=4), generator=seeded())))
        for problem in (denoising(crop), inpainting(crop))
    ]
    assert steps == [2, PlugAndPlay.for_problem(inpainting(crop), denoiser="dct").iterations]


# --- what it holds out -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "share"), [(HeldOut(0.25), 0.25), (MaxIterations(1) | HeldOut(0.5), 0.5)])
def test_what_the_rule_wants_is_held_out_before_the_run_begins(
    rule: StoppingRule, share: float, problem: Problem
) -> None:
    loop = loop_of(problem, rule=rule)
    assert loop.problem.held_out is not None
    assert loop.problem.held_out[:, 0].sum() == share * 64
    assert isinstance(loop.run, DriftingRun)
    assert loop.run.problem is loop.problem
    assert problem.held_out is None


def test_nothing_is_held_out_without_need(problem: Problem) -> None:
    assert loop_of(problem, rule=MaxIterations(1)).problem is problem


# --- a loss that is not finite -----------------------------------------------------------------------------


def test_a_spoilt_run_goes_back_once_with_a_smaller_step_and_all_who_watch_with_it(problem: Problem) -> None:
    counting, rule = Counting(), Plateau(window=200)
    loop = loop_of(
        problem,
        DriftingPrior(spoil_at=77, harmless_rate=0.005),
        rule | MaxIterations(120),
        listeners=[counting],
    )
    iterations = [estimate.iteration for estimate in loop]
    # The state that is gone back to was kept after 50 steps.
    assert iterations == [*range(1, 77), *range(51, 121)]
    assert counting.count == 120
    assert len(rule.state_dict()["losses"]) == 120
    assert isinstance(loop.run, DriftingRun)
    assert loop.run.rate == pytest.approx(0.001)
    assert loop.image.isfinite().all()
    assert "120 iterations" in loop.reason


def test_a_run_that_is_spoilt_before_a_state_was_kept_begins_again(problem: Problem) -> None:
    loop = loop_of(problem, DriftingPrior(spoil_at=3, harmless_rate=0.005), MaxIterations(5))
    assert [estimate.iteration for estimate in loop] == [1, 2, 1, 2, 3, 4, 5]


def test_a_run_that_is_spoilt_twice_ends_with_a_good_image(problem: Problem) -> None:
    loop = loop_of(problem, DriftingPrior(spoil_at=77))
    images = [estimate.image.clone() for estimate in loop]
    assert loop.reason == "the loss was not finite twice, the second time with a smaller step"
    assert any(torch.equal(loop.result(), image) for image in images)


def test_a_state_with_a_number_that_is_not_finite_is_no_good_state() -> None:
    assert all_finite({"a": [torch.ones(2), 1.0, None], "b": torch.tensor([1])})
    assert not all_finite({"a": [{"b": torch.tensor([1.0, torch.nan])}]})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_number_among_many_is_seen(dtype: torch.dtype, value: float) -> None:
    largest = torch.full((7, 301), torch.finfo(dtype).max, dtype=dtype)
    state = {"a": [torch.zeros(0, dtype=dtype), torch.ones((), dtype=dtype)], "b": largest.t()}
    assert all_finite(state)
    largest[6, 300] = value
    assert not all_finite(state)


# --- its state ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken_after", [0, 49, 50, 76])
def test_a_continued_loop_goes_on_to_the_same_end(taken_after: int, problem: Problem) -> None:
    def fresh() -> Loop:
        # Spoilt once, so that what is gone back to has to be in the state too.
        prior = DriftingPrior(spoil_at=77, harmless_rate=0.005)
        return loop_of(problem, prior, Plateau(window=200) | MaxIterations(120), listeners=[Counting()])

    whole, first, second = fresh(), fresh(), fresh()
    for _ in range(taken_after):
        first.step()
    state = through_a_file(first.state_dict())
    first.step()
    second.load_state_dict(state)
    assert (second.iteration, second.loss) == (taken_after, state["loss"])
    expected = [estimate.loss for estimate in whole]
    assert [estimate.loss for estimate in second] == expected[taken_after:]
    assert torch.equal(second.result(), whole.result())
    assert second.state_dict()["rule"] == whole.state_dict()["rule"]
    assert second.listeners[0].state_dict() == whole.listeners[0].state_dict()


def test_the_time_before_an_interruption_counts(problem: Problem) -> None:
    loop = loop_of(problem, seconds=60.0)
    loop.step()
    state = {**loop.state_dict(), "seconds": 59.99}
    continued = loop_of(problem, drifting(iterations=10**9), seconds=60.0)
    continued.load_state_dict(state)
    assert continued.seconds >= 59.99
    continued.complete()
    assert "budget" in continued.reason
    assert continued.seconds < 70


# --- who is told -------------------------------------------------------------------------------------------


def test_listeners_are_told_of_every_step_in_their_order(problem: Problem) -> None:
    told: list[str] = []
    listeners = [Counting(told=told, name="a"), Counting(told=told, name="b")]
    loop_of(problem, drifting(iterations=3), listeners=listeners).complete()
    assert told == ["a1", "b1", "a2", "b2", "a3", "b3"]


def test_a_listener_sees_what_the_rule_has_measured_and_decided(problem: Problem) -> None:
    class Watching(Listener):
        def stepped(self, loop: Loop, estimate: Estimate) -> None:
            seen.append((loop.iteration, loop.loss == estimate.loss, bool(loop.reason), loop.measures()))

    seen: list[tuple[int, bool, bool, dict[str, float]]] = []
    rule = HeldOut(0.25, smoothing=1)
    loop_of(problem, drifting(), rule | MaxIterations(2), listeners=[Watching()]).complete()
    assert [entry[:3] for entry in seen] == [(1, True, False), (2, True, True)]
    assert all(set(entry[3]) == {"validation_loss"} for entry in seen)
