"""What every prior, stopping rule, operator, task and metric must hold, for this package's and for others.

A test class derives from one of the contracts below and says, as the fixture `case`, what is under test;
pytest then runs every property of the contract on it. A package that adds a prior tests it so, with a checkout
of this one on the path::

    import pytest
    import torch
    from tests.contract import PriorCase, PriorContract
    from zeroshot import Problem
    from zeroshot.operators import Identity
    from my_package import MyPrior

    class TestMyPrior(PriorContract):
        @pytest.fixture(params=[1, 3], ids=["grey", "colour"])
        def case(self, request):
            y = torch.rand(1, request.param, 24, 24, generator=torch.Generator().manual_seed(0))
            return PriorCase(MyPrior(strength=0.2, iterations=6), Problem(y, Identity(), sigma=0.1))

Images should be small and runs short: each property makes one to four runs. A property that does not concern a
case, such as the adjoint of an operator that is not linear, passes.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import json
import math
import re
import tempfile
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zeroshot
from zeroshot.estimate import Estimate
from zeroshot.files import write_atomically
from zeroshot.loop import Loop
from zeroshot.metrics import Metric
from zeroshot.operators import Downsample, Identity, Mask, Operator, from_functions
from zeroshot.prior import Prior
from zeroshot.problem import Problem
from zeroshot.restoration import Restoration
from zeroshot.state_files import read_state, write_state
from zeroshot.stopping import Both, Either, MaxIterations, StoppingRule

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def through_a_file(state: Any) -> Any:
    """A state as a checkpoint gives it back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        write_atomically(path, partial(write_state, state=state))
        return read_state(path)


def refusal(action: Callable[[], object], kinds: Any = (ValueError, TypeError)) -> str:
    """The message of the error that `action` raises, which is one line."""
    with pytest.raises(kinds) as caught:
        action()
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


def annotations_of(family: type) -> dict[str, str]:
    """Setting → its annotation as text, with the names of choices spelt out."""
    hints = typing.get_type_hints(family)
    return {f.name: str(hints[f.name]) for f in dataclasses.fields(family)}  # type: ignore[arg-type]


def wrong_values(annotation: str, default: Any) -> list[Any]:
    """Values that no setting of this annotation and default may have.

    Booleans and text are no numbers, a number is finite, a count whole, and none of them far below zero; a choice
    is one of some words.
    """
    wrong: list[Any] = []
    optional = default is None or "None" in annotation
    if re.search(r"\b(int|float)\b", annotation) and "tuple" not in annotation:
        wrong += [True, np.bool_(True), math.nan, math.inf, -1e9, [1]]
        wrong += [] if "str" in annotation else ["3"]
        wrong += [] if "float" in annotation else [2.5]
    elif "Literal" in annotation or annotation == "<class 'str'>":
        wrong += ["no such choice", 3, True]
    else:
        return []
    return wrong if optional else [*wrong, None]


# --- priors ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PriorCase:
    """A configured prior and a small problem that it solves.

    Attributes
    ----------
    prior : Prior
        Set up to be quick: few iterations, small networks and dictionaries.
    problem : Problem
        One image, supported by the prior.
    is_random : bool
        Whether the seed decides about the result.
    steps : int
        How many steps of a run are looked at, where it has as many.
    resumed_after : tuple of int
        The numbers of steps after which states are taken.
    batch_tolerance : float
        By how much an image of a batch may differ from the image restored alone.
    held_out_tolerance : float
        By how much a result may depend on measurements that are held out.
    constant_tolerance : float or None
        By how much a constant image may change; None where the method does not promise to keep it.
    scale_tolerance, offset_tolerance : float or None
        By how much the result of the scaled or shifted measurement may differ from the scaled or shifted result, in
        units of the scale; None where the method has a scale of its own.
    turn_tolerance : float or None
        The root mean square by which the result of the turned or mirrored measurement may differ from the turned
        result; None where the method has a direction.
    free : tuple of str
        Settings that are checked later than when the prior is made, or may be None, by tests of its own.
    begins_again : bool
        Whether the iterations are counted afresh in the middle of a run, as of one candidate after another.
    """

    prior: Prior
    problem: Problem
    is_random: bool = False
    steps: int = 4
    resumed_after: tuple[int, ...] = (1, 2)
    batch_tolerance: float = 1e-5
    held_out_tolerance: float = 0.0
    constant_tolerance: float | None = 1e-3
    scale_tolerance: float | None = 1e-3
    offset_tolerance: float | None = 1e-3
    turn_tolerance: float | None = 1e-3
    free: tuple[str, ...] = ()
    begins_again: bool = False

    def loop(self, problem: Problem | None = None, prior: Prior | None = None, seed: int = 0) -> Loop:
        """A fresh loop that stops after `steps` iterations, unless the run has ended before."""
        return Loop(
            self.problem if problem is None else problem,
            self.prior if prior is None else prior,
            MaxIterations(10**6),
            generator=seeded(seed),
        )

    def run(self, problem: Problem | None = None, prior: Prior | None = None, seed: int = 0) -> Loop:
        return advanced(self.loop(problem, prior, seed), self.steps)

    @functools.cached_property
    def image(self) -> torch.Tensor:
        """What a run comes to, for the tests that compare it with that of another measurement."""
        return self.run().image

    @functools.cached_property
    def image_of_half(self) -> torch.Tensor:
        """The same for half of the measurement on a pedestal, which leaves room on both sides."""
        return self.run(rescaled(self.problem, 0.5, 0.25)).image

    def with_settings(self, **settings: Any) -> Prior:
        return replace(self.prior, **settings)  # type: ignore[type-var]

    def numbers(self) -> dict[str, Any]:
        """The settings that are numbers."""
        return {
            name: value
            for name, value in self.prior.settings().items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }


def advanced(loop: Loop, steps: int) -> Loop:
    """The same loop after so many steps, or at its end."""
    for _ in range(steps):
        if loop.reason:
            break
        loop.step()
    return loop


def measuring_again(problem: Problem, y: torch.Tensor, sigma: float | None = None) -> Problem:
    """The same problem with another measurement, what is not measured being 0."""
    y = y if problem.measured is None else y * problem.measured
    return replace(problem, y=y, sigma=problem.sigma if sigma is None else sigma)


def rescaled(problem: Problem, scale: float, offset: float) -> Problem:
    """The measurement of scale · x + offset where that of x is given, with its noise scaled as well."""
    flat = problem.operator(torch.full(tuple(problem.reference_shape), offset))
    sigma = None if problem.sigma is None else scale * problem.sigma
    return measuring_again(problem, scale * problem.y + flat, sigma)


def turned(problem: Problem, turn: Callable[[torch.Tensor], torch.Tensor]) -> Problem | None:
    """The problem of the turned image; None where the operator has a direction or a phase."""
    operator = problem.operator
    measured = None if problem.measured is None else turn(problem.measured)
    if isinstance(operator, Mask):
        operator = Mask(turn(operator.mask))
    elif not isinstance(operator, Identity | Downsample):
        return None
    return replace(problem, y=turn(problem.y), operator=operator, measured=measured, reference_shape=())


class PriorContract:
    """Properties of a prior and its runs; a subclass gives the fixture `case`, a :class:`PriorCase`."""

    # --- settings ---

    def test_it_is_a_frozen_dataclass_with_a_name_and_a_summary(self, case: PriorCase) -> None:
        family = type(case.prior)
        assert family.name
        assert family.summary
        assert "\n" not in family.summary
        with pytest.raises(dataclasses.FrozenInstanceError):
            case.prior.anything = 1  # type: ignore[attr-defined]
        assert case.with_settings(**case.prior.settings()) == case.prior

    def test_an_unknown_setting_is_answered_with_the_right_names(self, case: PriorCase) -> None:
        message = refusal(lambda: type(case.prior).for_problem(case.problem, no_such_setting=1), ValueError)
        assert "'no_such_setting'" in message
        assert all(name in message for name in case.prior.settings())

    def test_settings_of_a_wrong_kind_or_below_zero_are_refused_by_name(self, case: PriorCase) -> None:
        annotations = annotations_of(type(case.prior))
        defaults = {f.name: f.default for f in dataclasses.fields(case.prior)}  # type: ignore[arg-type]
        for name, annotation in annotations.items():
            if name in case.free:
                continue
            for value in wrong_values(annotation, defaults[name]):
                message = refusal(partial(case.with_settings, **{name: value}), ValueError)
                assert name in message, f"{name}={value!r}: {message}"

    def test_settings_go_over_the_defaults_of_the_task(self, case: PriorCase) -> None:
        made = type(case.prior).for_problem(case.problem, **case.prior.settings())
        assert made.settings() == case.prior.settings()

    @pytest.mark.parametrize("kinds", [(np.int64, np.float64), (np.int32, np.float32)], ids=["64", "32"])
    def test_numbers_of_numpy_become_those_of_python(self, case: PriorCase, kinds: tuple[type, type]) -> None:
        whole, real = kinds
        given = {n: whole(v) if isinstance(v, int) else real(v) for n, v in case.numbers().items()}
        settings = case.with_settings(**given).settings()
        for name, value in given.items():
            assert settings[name] == value.item(), name
            assert type(settings[name]) in (int, float), name

    # --- what it can do ---

    def test_it_refuses_with_a_reason_or_solves_an_operator_that_is_not_linear(self, case: PriorCase) -> None:
        operator = case.problem.operator
        # The measurement is the same; what made it is said to be a curve.
        curved = from_functions(
            lambda x: operator(x).square(), linear=False, input_shape=case.problem.reference_shape[1:]
        )
        self.require_refused_or_solved(case, replace(case.problem, operator=curved, reference_shape=()))

    def test_each_image_of_a_batch_is_restored_as_if_alone_or_the_batch_is_refused(
        self, case: PriorCase
    ) -> None:
        first = case.problem
        second = replace(first, y=1 - first.y if first.measured is None else (1 - first.y) * first.measured)
        both = replace(first, y=torch.cat([first.y, second.y]), reference_shape=())
        loop = self.require_refused_or_solved(case, both)
        if loop is None:
            return
        if case.is_random:
            return  # The draws of the second image come after those of the first.
        for index, alone in enumerate((first, second)):
            torch.testing.assert_close(
                loop.image[index : index + 1], case.run(alone).image, rtol=0, atol=case.batch_tolerance
            )

    def require_refused_or_solved(self, case: PriorCase, problem: Problem) -> Loop | None:
        """The loop of a few steps on a problem, None where the prior refuses it both before and at the start."""
        prior = case.prior.suited(problem)
        reason = prior.supports(problem)
        if reason is None:
            loop = case.run(problem)
            assert tuple(loop.image.shape) == tuple(problem.reference_shape)
            assert loop.image.isfinite().all()
            return loop
        assert reason
        assert "\n" not in reason
        assert reason in refusal(lambda: prior.begin(problem, seeded()), ValueError)
        return None

    def test_measurements_that_are_held_out_do_not_enter(self, case: PriorCase) -> None:
        # A scheme may begin at the first estimate, which is the operator's affair; here it knows nothing of y.
        operator = copy.deepcopy(case.problem.operator)
        start = case.problem.initial()
        operator.initial = lambda y: start  # type: ignore[method-assign]
        problem = replace(case.problem, operator=operator).hold_out(0.1, seeded(5))
        loop = self.require_refused_or_solved(case, problem)
        if loop is None:
            return
        assert problem.held_out is not None
        spoilt = replace(problem, y=torch.where(problem.held_out > 0, 1 - problem.y, problem.y))
        torch.testing.assert_close(case.run(spoilt).image, loop.image, rtol=0, atol=case.held_out_tolerance)

    # --- what a change of the measurement does ---

    @pytest.mark.parametrize("level", [0.0, 0.3, pytest.param(1.0, marks=pytest.mark.slow)])
    def test_a_constant_image_stays_what_it_is(self, case: PriorCase, level: float) -> None:
        if case.constant_tolerance is None:
            return
        truth = torch.full(tuple(case.problem.reference_shape), level)
        if case.problem.y.shape[1] == truth.shape[1]:
            truth = truth * torch.linspace(1, 0.5, truth.shape[1]).view(1, -1, 1, 1)
        problem = measuring_again(case.problem, case.problem.operator(truth))
        image = case.run(problem).image
        torch.testing.assert_close(image, truth, rtol=0, atol=case.constant_tolerance)

    @pytest.mark.parametrize("scale", [1 / 16, pytest.param(0.5, marks=pytest.mark.slow)])
    def test_scaling_a_measurement_and_its_noise_scales_the_result(
        self, case: PriorCase, scale: float
    ) -> None:
        if case.scale_tolerance is None:
            return
        other = case.run(rescaled(case.problem, 0.5 * scale, 0.25 * scale)).image / scale
        torch.testing.assert_close(other, case.image_of_half, rtol=0, atol=case.scale_tolerance)

    def test_an_offset_of_the_measurement_is_one_of_the_result(self, case: PriorCase) -> None:
        if case.offset_tolerance is None:
            return
        other = case.run(rescaled(case.problem, 0.25, 0.6)).image
        expected = 0.5 * case.image_of_half + 0.475
        torch.testing.assert_close(other, expected, rtol=0, atol=0.5 * case.offset_tolerance)

    @pytest.mark.parametrize("turn", [partial(torch.rot90, dims=(-2, -1)), partial(torch.flip, dims=(-1,))])
    def test_turning_a_measurement_turns_the_result(
        self, case: PriorCase, turn: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        problem = turned(case.problem, turn)
        if problem is None or case.turn_tolerance is None:
            return
        difference = case.run(problem).image - turn(case.image)
        assert difference.square().mean().sqrt() <= case.turn_tolerance

    # --- runs ---

    @pytest.mark.parametrize("device", DEVICES)
    def test_estimates_are_images_on_the_device_of_the_problem(self, case: PriorCase, device: str) -> None:
        problem = case.problem.to(device)
        loop = case.loop(problem)
        assert loop.run.device.type == torch.device(device).type
        last = 0
        for _ in range(case.steps):
            estimate = loop.step()
            assert estimate is not None
            for image in (estimate.image, estimate.newest, *loop.run.maps().values()):
                assert tuple(image.shape[-2:]) == tuple(problem.reference_shape[-2:])
                assert image.device == problem.y.device
                assert image.dtype == torch.float32
                assert 0 <= image.min() <= image.max() <= 1
                assert not image.requires_grad
            assert tuple(estimate.image.shape) == tuple(problem.reference_shape)
            # Of several candidates the iterations are those of the one at hand.
            assert estimate.iteration > last or case.begins_again
            last = estimate.iteration
            if loop.reason:
                break
        assert isinstance(loop.run.remark(), str)
        assert isinstance(loop.run.stage(), str)
        json.dumps(loop.run.findings(), allow_nan=False)
        assert all(array.device == problem.y.device for array in loop.run.arrays().values())
        memory = case.prior.suited(problem).memory(problem)
        assert memory is None or memory > 0

    def test_the_seed_alone_decides(self, case: PriorCase) -> None:
        before = torch.random.get_rng_state()
        torch.manual_seed(1)
        first = case.image.clone()
        torch.manual_seed(2)
        assert torch.equal(case.run().image, first)
        assert torch.equal(case.run(seed=1).image, first) != case.is_random
        expected = torch.random.get_rng_state()
        torch.manual_seed(2)
        assert torch.equal(torch.random.get_rng_state(), expected)
        torch.random.set_rng_state(before)

    def test_a_run_resumes_to_the_same_bytes(self, case: PriorCase) -> None:
        whole, seen, states, snapshots = case.loop(), [], {}, {}
        for taken_after in case.resumed_after:
            seen += self.following(whole, taken_after - len(seen))
            if whole.reason:
                break
            states[taken_after] = through_a_file(whole.state_dict())
            snapshots[taken_after] = whole.state_dict()
        seen += self.following(whole, case.steps - 1)
        for taken_after, state in states.items():
            expected = seen[taken_after : taken_after + case.steps - 1]
            # From a file into a fresh run; and the same run set back.
            resumed = case.loop()
            resumed.load_state_dict(state)
            self.require_same(self.following(resumed, case.steps - 1), expected)
            whole.reason = ""
            whole.load_state_dict(snapshots[taken_after])
            self.require_same(self.following(whole, case.steps - 1), expected)

    def following(self, loop: Loop, count: int) -> list[Estimate]:
        """At most so many of the next estimates, copied."""
        return [
            replace(estimate, image=estimate.image.clone(), iterate=estimate.newest.clone())
            for estimate in itertools.islice(loop, count)
        ]

    def require_same(self, found: list[Estimate], expected: list[Estimate]) -> None:
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert (one.loss, one.gap, one.iteration) == (other.loss, other.gap, other.iteration)
            assert torch.equal(one.image, other.image)
            assert torch.equal(one.newest, other.newest)

    def test_a_run_goes_on_with_a_smaller_step(self, case: PriorCase) -> None:
        loop = advanced(case.loop(), 1)
        if loop.reason:
            return
        loop.run.shrink_step(0.1)
        loop.step()
        assert math.isfinite(loop.loss)
        assert loop.image.isfinite().all()

    def test_a_run_ends_by_itself_or_by_the_rule_of_its_prior(self, case: PriorCase) -> None:
        loop = Loop(case.problem, case.prior, generator=seeded())
        for _ in range(1000):
            if loop.step() is None or loop.reason:
                break
        assert loop.reason
        assert "\n" not in loop.reason
        result = loop.result()
        assert tuple(result.shape) == tuple(case.problem.reference_shape)
        assert result.isfinite().all()

    def test_the_problem_is_left_as_it_was(self, case: PriorCase) -> None:
        def kept() -> list[torch.Tensor]:
            problem = case.problem
            parts = [problem.y, problem.measured, *problem.operator.buffers()]
            return [part.clone() for part in parts if part is not None]

        before = kept()
        loop = case.run()
        loop.image.fill_(7)
        assert all(torch.equal(a, b) for a, b in zip(before, kept(), strict=True))


# --- stopping rules ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RuleCase:
    """A stopping rule, made afresh each time, and a run for it to watch.

    Attributes
    ----------
    make : callable
        Gives the rule, with a small window and little patience.
    problem : Problem
        With measurements held out and a known noise level where the rule needs them.
    estimates : sequence of Estimate
        What the rule sees; their images differ.
    fires : bool
        Whether the rule stops such a run.
    """

    make: Callable[[], StoppingRule]
    problem: Problem
    estimates: list[Estimate]
    fires: bool = True

    def started(self) -> StoppingRule:
        rule = self.make()
        rule.start(self.problem)
        return rule


def stopped_at(rule: StoppingRule, estimates: Iterable[Estimate]) -> Estimate | None:
    """The estimate at which the rule stops."""
    return next((estimate for estimate in estimates if rule.update(estimate)), None)


def same_opinion(one: StoppingRule, other: StoppingRule) -> bool:
    """Whether two rules have measured the same, would return the same image and give the same reason."""
    a, b = one.best(), other.best()
    alike = (a is None and b is None) or (a is not None and b is not None and torch.equal(a, b))
    return alike and one.measures() == other.measures() and one.reason == other.reason


class RuleContract:
    """Properties of a stopping rule; a subclass gives the fixture `case`, a :class:`RuleCase`."""

    def test_it_fires_as_it_should_with_a_reason_of_one_line(self, case: RuleCase) -> None:
        rule = case.started()
        assert (stopped_at(rule, case.estimates) is not None) == case.fires
        if case.fires:
            assert rule.reason
            assert "\n" not in rule.reason

    def test_the_best_image_is_a_copy_of_one_that_it_saw(self, case: RuleCase) -> None:
        rule = case.started()
        assert rule.best() is None
        seen = []
        for estimate in case.estimates:
            image = estimate.image.clone()
            seen.append(estimate.image)
            stops = rule.update(replace(estimate, image=image))
            image.fill_(7)
            best = rule.best()
            assert best is None or any(torch.equal(best, one) for one in seen)
            assert all(isinstance(value, float) for value in rule.measures().values())
            if stops:
                break

    def test_a_start_resets_it(self, case: RuleCase) -> None:
        rule = case.started()
        first = stopped_at(rule, case.estimates)
        rule.start(case.problem)
        assert rule.best() is None
        assert stopped_at(rule, case.estimates) is first

    @pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.99])
    def test_a_resumed_rule_decides_as_if_never_interrupted(self, case: RuleCase, share: float) -> None:
        unbroken = case.started()
        expected = stopped_at(unbroken, case.estimates)
        end = next((i for i, e in enumerate(case.estimates) if e is expected), len(case.estimates))
        interruption = int(share * end)
        rule = case.started()
        assert stopped_at(rule, case.estimates[:interruption]) is None
        state, saved = rule.state_dict(), through_a_file(rule.state_dict())
        # Neither snapshot follows the rule, and a state may be loaded again.
        stopped_at(rule, case.estimates[::-1][:3])
        for loaded in (saved, state, state):
            resumed = case.started()
            resumed.load_state_dict(loaded)
            assert stopped_at(resumed, case.estimates[interruption:]) is expected
            assert same_opinion(resumed, unbroken)

    def test_the_representation_is_one_line_of_python_that_makes_it(self, case: RuleCase) -> None:
        from zeroshot import stopping

        rule = case.make()
        assert "\n" not in repr(rule)
        made = eval(repr(rule), {**vars(stopping), type(rule).__name__: type(rule)})
        assert repr(made) == repr(rule)

    def test_combined_with_a_limit_it_stops_with_the_first_or_the_last(self, case: RuleCase) -> None:
        alone = stopped_at(case.started(), case.estimates)
        iterations = [estimate.iteration for estimate in case.estimates]
        for limit in (iterations[len(iterations) // 10], iterations[-1]):
            at_limit = next(e for e in case.estimates if e.iteration >= limit)
            either, both = case.make() | MaxIterations(limit), case.make() & MaxIterations(limit)
            assert isinstance(either, Either)
            assert isinstance(both, Both)
            assert either.holds_out == both.holds_out == case.make().holds_out
            either.start(case.problem)
            both.start(case.problem)
            ends = [at_limit] if alone is None else [alone, at_limit]
            assert stopped_at(either, case.estimates) is min(ends, key=lambda e: e.iteration)
            assert stopped_at(both, case.estimates) is (
                None if alone is None else max(ends, key=lambda e: e.iteration)
            )

    def test_arguments_of_a_wrong_kind_are_refused_by_name_and_numbers_of_numpy_are_numbers(
        self, case: RuleCase
    ) -> None:
        rule = case.make()
        if not dataclasses.is_dataclass(rule):
            return
        annotations = annotations_of(type(rule))
        for name, annotation in annotations.items():
            for value in [*wrong_values(annotation, 1), 0]:
                assert name in refusal(partial(replace, rule, **{name: value}), ValueError)
            given = getattr(rule, name)
            other = replace(rule, **{name: np.int64(given) if isinstance(given, int) else np.float32(given)})
            assert type(getattr(other, name)) in (int, float)


# --- operators ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OperatorCase:
    """An operator, and the shape of an image that it damages.

    Attributes
    ----------
    operator : Operator
        Linear or not.
    shape : tuple of int
        (N, C, H, W) of an image of a few hundred values.
    norm_slack : float
        By what factor the norm may be above the truth.
    keeps_precision : bool
        Whether float64 and autocast are its own affair; not those of a function that it wraps.
    """

    operator: Operator
    shape: tuple[int, ...]
    norm_slack: float = 1.01
    keeps_precision: bool = True

    def image(self, seed: int = 0) -> torch.Tensor:
        return torch.rand(self.shape, generator=seeded(seed))


class OperatorContract:
    """Properties of an operator; a subclass gives the fixture `case`, an :class:`OperatorCase`."""

    def test_inner_products_agree(self, case: OperatorCase) -> None:
        if not case.operator.linear:
            return
        operator = case.operator
        x = torch.randn(case.shape, generator=seeded())
        prediction = operator(x)
        y = torch.randn(prediction.shape, generator=seeded(1))
        left = (prediction.double() * y).sum()
        right = (x.double() * operator.adjoint(y)).sum()
        scale = torch.linalg.vector_norm(prediction.double()) * torch.linalg.vector_norm(y.double())
        assert abs(left - right) <= 1e-5 * scale / np.sqrt(y.numel())

    def test_the_gradient_of_half_the_squared_error_is_the_adjoint_of_the_residual(
        self, case: OperatorCase
    ) -> None:
        if not case.operator.linear:
            return
        operator = case.operator
        x = torch.randn(case.shape, generator=seeded(), requires_grad=True)
        y = torch.randn(operator(x).shape, generator=seeded(1))
        (0.5 * (operator(x) - y).square().sum()).backward()
        expected = operator.adjoint((operator(x) - y).detach())
        torch.testing.assert_close(x.grad, expected, rtol=1e-4, atol=1e-4)

    def test_a_gradient_goes_through(self, case: OperatorCase) -> None:
        x = case.image().requires_grad_()
        case.operator(x).square().sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()
        assert x.grad.any()

    def test_second_derivatives_exist(self, case: OperatorCase) -> None:
        if not case.operator.linear:
            return
        x = torch.randn(case.shape, generator=seeded(), requires_grad=True)
        loss = 0.5 * case.operator(x).square().sum()
        (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
        direction = torch.randn(case.shape, generator=seeded(1))
        (curvature,) = torch.autograd.grad((gradient * direction).sum(), x)
        expected = case.operator.adjoint(case.operator(direction))
        torch.testing.assert_close(curvature, expected, rtol=1e-4, atol=1e-4)

    def test_a_map_that_is_not_linear_has_neither_adjoint_nor_norm(self, case: OperatorCase) -> None:
        if case.operator.linear:
            return
        y = case.operator(case.image())
        assert "not linear" in refusal(lambda: case.operator.adjoint(y), NotImplementedError)
        assert "not linear" in refusal(case.operator.norm, NotImplementedError)

    def test_shapes_are_known_beforehand(self, case: OperatorCase) -> None:
        operator = case.operator
        measurement = operator(torch.zeros(case.shape))
        assert operator.output_shape(case.shape) == tuple(measurement.shape)
        assert tuple(operator.input_shape(tuple(measurement.shape))) == case.shape
        if operator.linear:
            assert tuple(operator.adjoint(measurement).shape) == case.shape
            assert tuple(operator.initial(measurement).shape) == case.shape

    def test_the_norm_is_never_too_small_and_hardly_too_large(self, case: OperatorCase) -> None:
        if not case.operator.linear:
            return
        operator, shape = case.operator.for_image(0, case.shape[0]), (1, *case.shape[1:])
        basis = torch.eye(int(np.prod(shape[1:]))).view(-1, *shape[1:])
        rows = operator(basis).flatten(1).double()
        gram = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
        truth = float(torch.linalg.eigvalsh(gram)[-1].sqrt())
        assert truth * (1 - 1e-3) <= operator.norm(operator.output_shape(shape)) <= truth * case.norm_slack

    def test_the_first_estimate_is_finite_and_in_range(self, case: OperatorCase) -> None:
        if not case.operator.linear:
            return
        estimate = case.operator.initial(case.operator(case.image()))
        assert estimate.isfinite().all()
        problem = Problem(case.operator(case.image()), case.operator)
        first = problem.initial()
        assert 0 <= first.min() <= first.max() <= 1
        assert tuple(first.shape) == case.shape

    def test_each_image_of_a_batch_is_damaged_as_if_alone(self, case: OperatorCase) -> None:
        count = case.shape[0]
        batch = case.image()
        both = case.operator(batch)
        for index in range(count):
            alone = case.operator.for_image(index, count)(batch[index : index + 1])
            torch.testing.assert_close(alone, both[index : index + 1], rtol=1e-5, atol=1e-5)

    def test_at_means_first_the_right_then_the_left(self, case: OperatorCase) -> None:
        operator, image = case.operator, case.image()
        y = operator(image)
        for chain in (operator @ Identity(), Identity() @ operator):
            assert chain.linear == operator.linear
            torch.testing.assert_close(chain(image), y)
            assert tuple(chain.input_shape(tuple(y.shape))) == case.shape
            if operator.linear:
                torch.testing.assert_close(chain.adjoint(y), operator.adjoint(y))

    @pytest.mark.parametrize("device", DEVICES)
    def test_a_problem_takes_a_copy_of_it_to_another_device(self, case: OperatorCase, device: str) -> None:
        operator, image = case.operator, case.image()
        y = operator(image)
        moved = Problem(y, operator).to(device)
        assert moved.operator is not operator
        assert operator.device.type == "cpu"
        torch.testing.assert_close(moved.operator(image.to(device)).cpu(), y, rtol=1e-4, atol=1e-4)
        if operator.linear:
            first = moved.operator.initial(moved.y)
            assert first.device == moved.y.device
            torch.testing.assert_close(first.cpu(), operator.initial(y), rtol=1e-4, atol=1e-4)

    def test_bfloat16_and_autocast_lose_no_precision(self, case: OperatorCase) -> None:
        if not case.keeps_precision:
            return
        x = case.image()
        expected = case.operator(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.testing.assert_close(case.operator(x), expected, rtol=1e-5, atol=1e-5)
        assert case.operator(x.bfloat16()).dtype == torch.float32

    def test_it_says_what_it_is_in_one_line(self, case: OperatorCase) -> None:
        assert case.operator.describe()
        assert "\n" not in repr(case.operator)
        assert case.operator.describe() in repr(case.operator)

    def test_it_holds_nothing_to_learn_and_nothing_to_save(self, case: OperatorCase) -> None:
        assert not list(case.operator.parameters())
        assert not case.operator.state_dict()

    def test_what_it_is_given_is_left_as_it_was(self, case: OperatorCase) -> None:
        image = case.image()
        y = case.operator(image)
        kept = y.clone()
        if case.operator.linear:
            case.operator.adjoint(y)
            case.operator.initial(y)
        assert torch.equal(image, case.image())
        assert torch.equal(y, kept)


# --- tasks -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TaskCase:
    """A task and a way to damage an image for it.

    Attributes
    ----------
    name : str
        Its name in :func:`zeroshot.tasks`.
    truth : torch.Tensor
        The image before the damage, (1, C, H, W).
    damage : callable
        Image, seed → the measurement and the options with which the task finds the damage by itself.
    is_random : bool
        Whether the seed decides about the measurement.
    """

    name: str
    truth: torch.Tensor
    damage: Callable[[torch.Tensor, int], tuple[torch.Tensor, dict[str, Any]]]
    is_random: bool = True

    def solve(self, measurement: torch.Tensor, **options: Any) -> Restoration:
        """A short run of total variation, which every linear operator suits."""
        settings = {"iterations": 2, "block": 1, "weight": 0.05, "chroma": 1.0}
        return zeroshot.solve(measurement, self.name, "tv", settings=settings, **options)


class TaskContract:
    """Properties of a task; a subclass gives the fixture `case`, a :class:`TaskCase`."""

    def test_it_is_described_with_all_its_options(self, case: TaskCase) -> None:
        task = zeroshot.tasks()[case.name]
        assert task.name == case.name
        assert task.summary
        text = str(zeroshot.tasks())
        assert case.name in text
        for option in task.options:
            assert option.meaning
            assert option.name in text

    def test_an_unknown_option_is_answered_with_the_right_names(self, case: TaskCase) -> None:
        measurement, options = case.damage(case.truth, 0)
        message = refusal(lambda: case.solve(measurement, **options, no_such_option=1), ValueError)
        assert "'no_such_option'" in message
        assert all(option.name in message for option in zeroshot.tasks()[case.name].options)

    def test_each_required_option_that_is_missing_is_asked_for(self, case: TaskCase) -> None:
        measurement, options = case.damage(case.truth, 0)
        for option in zeroshot.tasks()[case.name].options:
            if option.required:
                rest = {name: value for name, value in options.items() if name != option.name}
                message = refusal(partial(case.solve, measurement, **rest), ValueError)
                assert f"needs {option.name}=" in message

    def test_its_damage_can_be_posed_and_undone(self, case: TaskCase) -> None:
        measurement, options = case.damage(case.truth, 0)
        result = case.solve(measurement, **options)
        assert isinstance(result.image, torch.Tensor)
        assert result.image.shape == case.truth.shape
        assert result.image.isfinite().all()
        assert result.provenance["task"] == case.name
        assert set(options) <= set(result.provenance["options"])

    def test_the_seed_of_the_damage_decides(self, case: TaskCase) -> None:
        first, same, other = (case.damage(case.truth, seed)[0] for seed in (3, 3, 4))
        assert torch.equal(first, same)
        assert torch.equal(first, other) != case.is_random

    def test_the_damaged_image_is_left_as_it_was(self, case: TaskCase) -> None:
        before = case.truth.clone()
        measurement, options = case.damage(case.truth, 0)
        kept = measurement.clone()
        case.solve(measurement, **options).image.zero_()
        assert torch.equal(measurement, kept)
        measurement.zero_()
        assert torch.equal(case.truth, before)


# --- metrics -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MetricCase:
    """A metric, and an image that is large enough for it.

    Attributes
    ----------
    metric : Metric
        One that needs no package that is not installed.
    reference : torch.Tensor
        (1, 3, H, W) in [0, 1].
    is_symmetric : bool
        Whether the image and the reference may change places.
    rates_noise : bool
        Whether noise on the reference makes it worse.
    """

    metric: Metric
    reference: torch.Tensor
    is_symmetric: bool = True
    rates_noise: bool = True

    def noisy(self, sigma: float) -> torch.Tensor:
        noise = torch.randn(self.reference.shape, generator=seeded())
        return (self.reference + sigma * noise).clamp(0, 1)

    def of(self, image: torch.Tensor, reference: torch.Tensor | None = None) -> float:
        given = self.reference if reference is None else reference
        return self.metric.compute(image, given if self.metric.needs_reference else None)


class MetricContract:
    """Properties of a metric; a subclass gives the fixture `case`, a :class:`MetricCase`."""

    def test_it_is_described(self, case: MetricCase) -> None:
        found = case.metric
        assert found.name
        assert found.label
        assert found.meaning
        assert found.better in ("higher", "lower")
        assert (found.unit == "dB") == ("psnr" in found.name)

    def test_its_value_is_a_number(self, case: MetricCase) -> None:
        value = case.of(case.noisy(0.05))
        assert type(value) is float
        assert math.isfinite(value)

    def test_an_image_is_best_when_it_is_the_reference_and_worse_the_more_noise_it_has(
        self, case: MetricCase
    ) -> None:
        if not case.rates_noise:
            return
        values = [case.of(case.noisy(sigma)) for sigma in (0.0, 0.02, 0.05, 0.1)]
        assert len(set(values)) == len(values)
        assert values == sorted(values, reverse=case.metric.better == "higher")

    def test_image_and_reference_may_change_places(self, case: MetricCase) -> None:
        if not case.is_symmetric:
            return
        image = case.noisy(0.05)
        assert case.of(image) == pytest.approx(case.of(case.reference, image), rel=1e-6)

    def test_grey_images_can_be_measured(self, case: MetricCase) -> None:
        image, reference = case.noisy(0.05)[:, :1], case.reference[:, :1]
        assert math.isfinite(case.of(image, reference))

    def test_a_pixel_that_is_no_number_is_not_taken_for_a_good_one(self, case: MetricCase) -> None:
        image = case.noisy(0.05)
        middle = (..., image.shape[-2] // 2, image.shape[-1] // 2)
        image[middle] = torch.nan
        assert math.isnan(case.of(image))

    def test_a_missing_reference_and_one_of_another_shape_are_refused(self, case: MetricCase) -> None:
        if not case.metric.needs_reference:
            return
        image = case.noisy(0.05)
        message = refusal(lambda: case.metric.compute(image, None), ValueError)
        assert "compares with a reference, which is missing" in message
        for other in (case.reference[..., :-1], case.reference[:, :1]):
            assert "same shape" in refusal(partial(case.of, image, other), ValueError)

    def test_a_batch_is_measured_as_its_images_of_equal_quality(self, case: MetricCase) -> None:
        image = case.noisy(0.05)
        batch, references = image.repeat(2, 1, 1, 1), case.reference.repeat(2, 1, 1, 1)
        assert case.of(batch, references) == pytest.approx(case.of(image), rel=1e-6)

    def test_the_images_are_left_as_they_were(self, case: MetricCase) -> None:
        image, reference = case.noisy(0.05), case.reference.clone()
        case.of(image)
        assert torch.equal(image, case.noisy(0.05))
        assert torch.equal(case.reference, reference)
