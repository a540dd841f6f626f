"""Stopping rules stop when they should, return the right image, combine, and survive an interruption."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import pytest
import torch

from tests.pictures import seeded
from zeroshot.estimate import Estimate
from zeroshot.operators import Mask
from zeroshot.operators.operator import Operator
from zeroshot.problem import Problem
from zeroshot.stopping import (
    Both,
    Discrepancy,
    DualityGap,
    Either,
    ExponentialMovingVariance,
    HeldOut,
    HeldOutGain,
    MaxIterations,
    Plateau,
    StoppingRule,
    TimeBudget,
    WindowedMovingVariance,
)


class Unchanged(Operator):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def input_shape(self, measurement_shape):
        return tuple(measurement_shape)


class FiresAt(StoppingRule):
    """Fires from one iteration on, with a constant image for an opinion."""

    def __init__(self, iteration: int, image: torch.Tensor | None = None) -> None:
        self.iteration, self.image, self.seen = iteration, image, 0

    def update(self, estimate: Estimate) -> bool:
        self.seen += 1
        self.reason = f"fired at {self.iteration}"
        return estimate.iteration >= self.iteration

    def best(self) -> torch.Tensor | None:
        return self.image


SIGMA = 0.1


@pytest.fixture
def clean(photograph: torch.Tensor) -> torch.Tensor:
    return photograph[..., :32, :32].contiguous()


@pytest.fixture
def problem(clean: torch.Tensor, generator: torch.Generator) -> Problem:
    y = clean + SIGMA * torch.randn(clean.shape, generator=generator)
    return Problem(y, Unchanged(), sigma=SIGMA).hold_out(0.05, generator)


def jittering(clean: torch.Tensor, jitter: Iterable[float], seed: int = 1) -> Iterator[Estimate]:
    """Estimates that move about the clean image by a given standard deviation."""
    generator = seeded(seed)
    for iteration, deviation in enumerate(jitter, start=1):
        image = clean + deviation * torch.randn(clean.shape, generator=generator)
        yield Estimate(image, loss=deviation, iteration=iteration)


def valley(length: int, bottom: int) -> list[float]:
    """Falls to 0.01 and rises again."""
    return [0.01 + 0.1 * abs(i - bottom) / length for i in range(length)]


def fitting(clean: torch.Tensor, y: torch.Tensor, steps: int) -> Iterator[Estimate]:
    """From grey to the clean image in the first half, from there to the noisy measurement in the second."""
    grey = torch.full_like(clean, 0.5)
    for iteration in range(1, steps + 1):
        place = 2 * iteration / steps
        image = torch.lerp(grey, clean, place) if place <= 1 else torch.lerp(clean, y, place - 1)
        yield Estimate(image, float((image - y).square().mean()), iteration)


def run(rule: StoppingRule, estimates: Iterable[Estimate]) -> Estimate | None:
    """The estimate at which the rule stops."""
    return next((estimate for estimate in estimates if rule.update(estimate)), None)


def variance_by_hand(images: list[torch.Tensor]) -> float:
    stack = torch.stack([image.double() for image in images])
    return float((stack - stack.mean(dim=0)).square().mean())


# Windowed and exponential variance


def test_the_windowed_variance_is_that_of_the_last_iterates(problem: Problem, clean: torch.Tensor) -> None:
    rule = WindowedMovingVariance(window=7)
    rule.start(problem)
    seen = []
    for estimate in jittering(clean, [0.1 / (i + 1) for i in range(30)]):
        rule.update(estimate)
        seen.append(estimate.image)
        if len(seen) < 7:
            assert rule.measures() == {}
        else:
            expected = variance_by_hand(seen[-7:])
            assert rule.measures()["variance"] == pytest.approx(expected, rel=1e-3, abs=1e-7)


def test_the_windowed_variance_does_not_drift(problem: Problem, clean: torch.Tensor) -> None:
    rule = WindowedMovingVariance(window=5, patience=10_000)
    rule.start(problem)
    for estimate in jittering(clean, [1e3, math.nan, *[0.1] * 500]):
        rule.update(estimate)
    for iteration in range(5):
        rule.update(Estimate(clean, 0.0, 1000 + iteration))
    assert rule.measures()["variance"] == pytest.approx(0, abs=1e-15)


def test_a_subset_of_the_pixels_has_about_the_same_variance(problem: Problem, clean: torch.Tensor) -> None:
    whole, part = WindowedMovingVariance(window=10), WindowedMovingVariance(window=10, pixels=200)
    for rule in (whole, part):
        rule.start(problem)
        run(rule, jittering(clean, [0.05] * 20))
    assert part.measures()["variance"] == pytest.approx(whole.measures()["variance"], rel=0.15)
    assert part.measures() != whole.measures()


def test_the_subset_is_the_same_every_time(problem: Problem, clean: torch.Tensor) -> None:
    measured = []
    for _ in range(2):
        rule = WindowedMovingVariance(window=10, pixels=50)
        rule.start(problem)
        run(rule, jittering(clean, [0.05] * 20))
        measured.append(rule.measures())
    assert measured[0] == measured[1]


@pytest.mark.parametrize(
    "rule",
    [WindowedMovingVariance(window=5, patience=40), ExponentialMovingVariance(alpha=0.3, patience=40)],
    ids=repr,
)
def test_the_variance_rules_find_the_valley(
    rule: StoppingRule, problem: Problem, clean: torch.Tensor
) -> None:
    rule.start(problem)
    estimates = list(jittering(clean, valley(200, bottom=100)))
    stopped = run(rule, estimates)
    assert stopped is not None
    best = rule.best()
    assert best is not None
    (found,) = [e.iteration for e in estimates if torch.equal(e.image, best)]
    assert abs(found - 100) <= 10
    assert stopped.iteration == found + 40
    assert f"at its minimum at iteration {found} (patience of 40 iterations)" in rule.reason


def test_the_exponential_variance_follows_its_recursion(problem: Problem, clean: torch.Tensor) -> None:
    rule = ExponentialMovingVariance(alpha=0.2)
    rule.start(problem)
    mean, variance = torch.zeros_like(clean), 0.0
    for estimate in jittering(clean, [0.1] * 20):
        rule.update(estimate)
        change = estimate.image - mean
        variance = 0.8 * variance + 0.2 * 0.8 * float(change.square().mean())
        mean = 0.8 * mean + 0.2 * estimate.image
        assert rule.measures()["exponential_variance"] == pytest.approx(variance, rel=1e-4)


def test_the_variance_is_of_the_iterates_and_the_best_image_of_the_averages(
    problem: Problem, clean: torch.Tensor
) -> None:
    rule = WindowedMovingVariance(window=5, patience=40)
    rule.start(problem)
    average = torch.full_like(clean, 0.25)
    for estimate in jittering(clean, valley(200, bottom=100)):
        if rule.update(Estimate(average, estimate.loss, estimate.iteration, iterate=estimate.image)):
            break
    else:
        pytest.fail("the rule did not stop")
    best = rule.best()
    assert best is not None
    assert torch.equal(best, average)


def test_patience_counts_iterations_where_a_step_makes_several(problem: Problem, clean: torch.Tensor) -> None:
    rule = WindowedMovingVariance(window=5, patience=40)
    rule.start(problem)
    steps = jittering(clean, valley(200, bottom=50))
    stopped = run(rule, (Estimate(e.image, e.loss, 10 * e.iteration) for e in steps))
    assert stopped is not None
    assert stopped.iteration < 10 * 70


def test_a_rule_without_a_full_window_has_no_opinion(problem: Problem, clean: torch.Tensor) -> None:
    rule = WindowedMovingVariance(window=10)
    rule.start(problem)
    assert run(rule, jittering(clean, [0.1] * 9)) is None
    assert rule.best() is None


# Held-out pixels, discrepancy, plateau, gap, limits


def test_held_out_pixels_stop_where_the_noise_begins_to_be_fitted(
    problem: Problem, clean: torch.Tensor
) -> None:
    rule = HeldOut(fraction=0.05, patience=30, smoothing=3)
    rule.start(problem)

    def blind() -> Iterator[Estimate]:
        """What a prior finds that does not see the held-out pixels, and fits noise of its own there."""
        generator = seeded(5)
        other = clean + SIGMA * torch.randn(clean.shape, generator=generator)
        return fitting(clean, other, 200)

    stopped = run(rule, blind())
    best = rule.best()
    assert stopped is not None
    assert best is not None
    assert stopped.iteration < 150
    assert float((best - clean).square().mean().sqrt()) < 0.25 * SIGMA


def test_held_out_measures_the_validation_loss(problem: Problem, clean: torch.Tensor) -> None:
    rule = HeldOut(smoothing=1)
    rule.start(problem)
    rule.update(Estimate(clean, 0.0, 1))
    assert rule.measures() == {"validation_loss": pytest.approx(float(problem.validation_loss(clean)))}


def test_held_out_says_what_it_needs(clean: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"problem.hold_out\(0.03, generator\)"):
        HeldOut().start(Problem(clean, Unchanged()))


def test_gains_that_add_up_keep_a_run_going_and_their_end_stops_it(
    problem: Problem, clean: torch.Tensor
) -> None:
    rule = HeldOutGain(fraction=0.05, patience=20, growth=0.5, smoothing=1)
    rule.start(problem)
    wrong = 0.3 * torch.randn(clean.shape, generator=seeded(3))

    def slow() -> Iterator[Estimate]:
        """Nearer to the truth by a little every time, for 100 iterations, then nothing but jitter."""
        generator = seeded(4)
        for iteration in range(1, 400):
            jitter = 1e-3 * torch.randn(clean.shape, generator=generator)
            image = clean + 0.97 ** min(iteration, 100) * wrong + jitter
            yield Estimate(image, 0.0, iteration)

    stopped = run(rule, slow())
    assert stopped is not None
    assert 60 <= stopped.iteration <= 240
    assert "no clear gain in the loss at the held-out pixels since iteration" in rule.reason


def test_the_last_image_that_nothing_tells_from_the_best_is_returned(
    problem: Problem, clean: torch.Tensor
) -> None:
    rule = HeldOutGain(fraction=0.05, patience=20, smoothing=1)
    rule.start(problem)
    images = [clean + 0.2, clean, clean + 1e-4, clean + 0.3]
    for iteration, image in enumerate(images, 1):
        rule.update(Estimate(image, 0.0, iteration))
    best = rule.best()
    assert best is not None
    assert torch.equal(best, images[2])


def test_a_rim_is_held_out_around_large_holes_alone(clean: torch.Tensor) -> None:
    known = torch.ones(1, 1, 64, 64)
    known[..., 20:44, 20:44] = 0
    known[..., 5, 5] = 0
    whole = torch.nn.functional.interpolate(clean, size=(64, 64))
    holed = Problem(whole * known, Mask(known), sigma=0.0, measured=known)
    rule = HeldOutGain(0.1, rim=4) | MaxIterations(9)
    held_out = rule.hold_out(holed, seeded()).held_out
    assert held_out is not None
    rim = held_out[0, 0] > 0
    assert not bool((rim & (known[0, 0] == 0)).any())
    assert bool(rim[16:20, 28:36].all())
    assert not bool(rim[:14].any())
    speckled = (torch.rand(1, 1, 64, 64, generator=seeded()) < 0.5).float()
    few = Problem(whole * speckled, Mask(speckled), sigma=0.0, measured=speckled)
    random = rule.hold_out(few, seeded()).held_out
    assert random is not None
    assert float(random[:, 0].sum()) == pytest.approx(0.1 * float(speckled.sum()), abs=1)


def test_discrepancy_stops_at_the_noise_level(problem: Problem, clean: torch.Tensor) -> None:
    rule = Discrepancy()
    rule.start(problem)
    steps = list(fitting(clean, problem.y, 400))
    stopped = run(rule, steps)
    assert stopped is not None
    assert problem.residual(stopped.image) <= SIGMA < problem.residual(steps[stopped.iteration - 2].image)
    assert rule.best() is not None
    assert torch.equal(rule.best(), stopped.image)
    assert "1 × sigma = 0.1" in rule.reason


def test_a_larger_factor_stops_earlier(problem: Problem, clean: torch.Tensor) -> None:
    stops = []
    for factor in (1.0, 1.5):
        rule = Discrepancy(factor)
        rule.start(problem)
        stopped = run(rule, fitting(clean, problem.y, 400))
        assert stopped is not None
        stops.append(stopped.iteration)
    assert stops[1] < stops[0]


@pytest.mark.parametrize(("sigma", "lack"), [(None, "unknown"), (0.0, "0")])
def test_discrepancy_needs_a_noise_level(clean: torch.Tensor, sigma: float | None, lack: str) -> None:
    with pytest.raises(ValueError, match=f"needs the noise level sigma of the measurement, which is {lack}"):
        Discrepancy().start(Problem(clean, Unchanged(), sigma=sigma))


def test_plateau_waits_while_the_loss_falls_and_stops_when_it_does_not(
    problem: Problem, clean: torch.Tensor
) -> None:
    rule = Plateau(window=10, tolerance=0.01)
    rule.start(problem)
    losses = [1 - 0.01 * i for i in range(50)] + [0.5] * 100
    stopped = run(rule, (Estimate(clean, loss, i) for i, loss in enumerate(losses, start=1)))
    assert stopped is not None
    assert 55 <= stopped.iteration <= 75


def test_plateau_works_on_negative_losses(problem: Problem, clean: torch.Tensor) -> None:
    rule = Plateau(window=10, tolerance=0.01)
    rule.start(problem)
    assert run(rule, (Estimate(clean, -1.0 - 0.1 * i, i) for i in range(1, 60))) is None


def test_the_duality_gap_stops_at_its_tolerance(problem: Problem, clean: torch.Tensor) -> None:
    rule = DualityGap(1e-3)
    rule.start(problem)
    gaps = [None, math.nan, 0.1, 2e-3, 1e-3, 1e-4]
    stopped = run(rule, (Estimate(clean, 0.0, i, gap=gap) for i, gap in enumerate(gaps)))
    assert stopped is not None
    assert stopped.gap == 1e-3
    assert rule.measures() == {"gap": 1e-3}


def test_max_iterations(problem: Problem, clean: torch.Tensor) -> None:
    rule = MaxIterations(17)
    rule.start(problem)
    stopped = run(rule, jittering(clean, [0.1] * 30))
    assert stopped is not None
    assert stopped.iteration == 17
    assert rule.reason == "reached the limit of 17 iterations"
    assert rule.best() is None


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    return clock


def test_the_time_budget_counts_from_the_start(problem: Problem, clean: torch.Tensor, clock: Clock) -> None:
    rule = TimeBudget(60)
    clock.now += 500
    rule.start(problem)
    clock.now += 59
    assert not rule.update(Estimate(clean, 0.0, 1))
    clock.now += 1
    assert rule.update(Estimate(clean, 0.0, 2))
    assert rule.reason == "used up its time budget of 60 s at iteration 2"


def test_the_time_before_an_interruption_counts(problem: Problem, clean: torch.Tensor, clock: Clock) -> None:
    first, resumed = TimeBudget(60), TimeBudget(60)
    first.start(problem)
    clock.now += 40
    state = first.state_dict()
    clock.now += 10_000
    resumed.start(problem)
    resumed.load_state_dict(state)
    clock.now += 19
    assert not resumed.update(Estimate(clean, 0.0, 1))
    clock.now += 1
    assert resumed.update(Estimate(clean, 0.0, 2))


# Combinations


def images(*values: float) -> list[torch.Tensor]:
    return [torch.full((1, 1, 2, 2), value) for value in values]


def steps(count: int) -> list[Estimate]:
    return [Estimate(torch.zeros(1, 1, 2, 2), 0.0, iteration) for iteration in range(1, count + 1)]


def test_either_stops_with_the_first(problem: Problem) -> None:
    a, b = images(0.1, 0.2)
    rule = FiresAt(9, a) | FiresAt(4, b)
    rule.start(problem)
    stopped = run(rule, steps(20))
    assert stopped is not None
    assert stopped.iteration == 4
    assert rule.best() is b
    assert rule.reason == "fired at 4"


def test_either_asks_the_others_where_the_one_that_fired_has_no_opinion(problem: Problem) -> None:
    (a,) = images(0.1)
    rule = MaxIterations(3) | FiresAt(100) | FiresAt(100, a)
    rule.start(problem)
    run(rule, steps(20))
    assert rule.best() is a


def test_without_any_opinion_there_is_no_best_image(problem: Problem) -> None:
    rule = MaxIterations(3) | FiresAt(100)
    rule.start(problem)
    run(rule, steps(20))
    assert rule.best() is None


def test_either_names_all_that_fired_together(problem: Problem) -> None:
    rule = FiresAt(3) | MaxIterations(3)
    rule.start(problem)
    run(rule, steps(20))
    assert rule.reason == "fired at 3 and reached the limit of 3 iterations"


def test_either_shows_every_rule_every_estimate(problem: Problem) -> None:
    parts = [FiresAt(5), FiresAt(5)]
    rule = parts[0] | parts[1]
    rule.start(problem)
    run(rule, steps(20))
    assert [part.seen for part in parts] == [5, 5]


def test_both_waits_for_the_last_and_returns_its_image(problem: Problem) -> None:
    a, b = images(0.1, 0.2)
    rule = FiresAt(9, a) & FiresAt(4, b)
    rule.start(problem)
    stopped = run(rule, steps(20))
    assert stopped is not None
    assert stopped.iteration == 9
    assert rule.best() is a
    assert rule.reason == "fired at 4 and fired at 9"


def test_both_remembers_a_rule_that_fired_only_once(problem: Problem, clean: torch.Tensor) -> None:
    rule = DualityGap(0.5) & MaxIterations(5)
    rule.start(problem)
    gaps = [1.0, 0.1, 1.0, 1.0, 1.0, 1.0]
    stopped = run(rule, (Estimate(clean, 0.0, i, gap=gap) for i, gap in enumerate(gaps, start=1)))
    assert stopped is not None
    assert stopped.iteration == 5


def test_at_least_so_many_iterations_keeps_the_image_of_the_rule_that_has_one(problem: Problem) -> None:
    (a,) = images(0.1)
    rule = FiresAt(4, a) & MaxIterations(9)
    rule.start(problem)
    run(rule, steps(20))
    assert rule.best() is a


def test_combinations_nest(problem: Problem) -> None:
    rule = (FiresAt(4) & FiresAt(8)) | MaxIterations(6)
    rule.start(problem)
    stopped = run(rule, steps(20))
    assert stopped is not None
    assert stopped.iteration == 6


def test_a_combination_measures_what_its_parts_do(problem: Problem, clean: torch.Tensor) -> None:
    rule = WindowedMovingVariance(window=2) | HeldOut(smoothing=1) | Discrepancy() | MaxIterations(9)
    rule.start(problem)
    run(rule, jittering(clean, [0.1] * 3))
    assert set(rule.measures()) == {"variance", "validation_loss", "residual"}


def test_a_combination_holds_out_what_the_neediest_part_wants() -> None:
    assert (MaxIterations(5) | HeldOut(0.03) | HeldOut(0.1)).holds_out == 0.1
    assert (MaxIterations(5) & HeldOut(0.03)).holds_out == 0.03
    assert (MaxIterations(5) | WindowedMovingVariance()).holds_out == 0


def test_the_representation_is_python_that_makes_the_rule() -> None:
    rule = (WindowedMovingVariance(window=50) | MaxIterations(n=3000)) & Plateau() | TimeBudget(60)
    text = repr(rule)
    assert "WindowedMovingVariance(window=50, patience=1000" in text
    assert repr(eval(text)) == text


@pytest.mark.parametrize("combine", [Either, Both])
def test_only_rules_combine(combine: Callable[..., StoppingRule]) -> None:
    with pytest.raises(TypeError, match="only stopping rules can be combined, got int"):
        combine(MaxIterations(3), 3)


def test_a_combination_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="Either needs at least one stopping rule"):
        Either()


def test_the_state_of_another_combination_is_refused(problem: Problem) -> None:
    two, three = MaxIterations(3) | FiresAt(4), MaxIterations(3) | FiresAt(4) | FiresAt(5)
    with pytest.raises(ValueError, match="saved state is of 2 stopping rules, here are 3"):
        three.load_state_dict(two.state_dict())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaxIterations(0), "n must be a whole number of at least 1, got 0"),
        (lambda: WindowedMovingVariance(window=1), "window must be a whole number of at least 2, got 1"),
        (lambda: ExponentialMovingVariance(alpha=1), "alpha must lie between 0 and 1, got 1"),
        (lambda: Discrepancy(math.nan), "factor must be a positive number, got nan"),
    ],
)
def test_impossible_settings_are_refused(make: Callable[[], StoppingRule], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
