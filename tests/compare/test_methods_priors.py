"""The priors of the engine as methods: what they are given, what they show and note."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import zeroshot
from zeroshot.compare.method import Case
from zeroshot.compare.methods import priors
from zeroshot.compare.specification import method_from
from zeroshot.estimate import Estimate

SIGMA = 25 / 255


@pytest.fixture
def noisy(photograph) -> np.ndarray:
    clean = photograph[0, :, :32, :32].permute(1, 2, 0).numpy()
    return clean + SIGMA * np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)


def case_of(noisy: np.ndarray, **given) -> Case:
    return Case.of(noisy, "denoise", {"sigma": SIGMA}, **given)


def test_it_is_what_solve_makes(noisy):
    restored = method_from("tv[iterations=40]").restore(noisy, case_of(noisy))
    ours = zeroshot.solve(noisy, "denoise", "tv", settings={"iterations": 40}, sigma=SIGMA)
    np.testing.assert_array_equal(restored, ours.image)
    assert restored.dtype == np.float32


def test_grey_stays_grey(noisy):
    assert method_from("tv[iterations=5]").restore(noisy[..., 0], case_of(noisy[..., 0])).shape == (32, 32)


def test_the_seed_of_the_case_is_used(noisy):
    method = method_from("dip[iterations=1,channels=8,scales=2,guide=none]")
    first, again, other = (method.restore(noisy, case_of(noisy, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_text_s_settings_come_before_the_case_s(noisy):
    notes: dict = {}
    case = case_of(noisy, settings={"iterations": 3, "channels": 8, "scales": 2}, note=notes.__setitem__)
    method_from("dip").restore(noisy, case)
    assert notes["iterations"] == 3
    method_from("dip[iterations=2]").restore(noisy, case)
    assert notes["iterations"] == 2


def test_it_notes_how_it_ended(noisy):
    notes: dict = {}
    method_from("dip[iterations=3,channels=8,scales=2,guide=none]").restore(
        noisy, case_of(noisy, note=notes.__setitem__)
    )
    assert notes["iterations"] == 3
    assert "3 iterations" in notes["stopped_by"]
    assert notes["sigma"] == SIGMA
    assert notes["guide"] == "none"
    method_from("dip[iterations=1,channels=8,scales=2,guide=tv]").restore(
        noisy, case_of(noisy, note=notes.__setitem__)
    )
    assert notes["guide"] == "tv"


class Clock:
    """A clock that stands still unless it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_images_are_shown_ever_more_rarely(noisy, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(priors, "time", clock)
    shown: list[float] = []
    case = case_of(noisy, show=lambda image: (shown.append(clock.now), setattr(clock, "now", clock.now + 5)))
    watch = priors._Watch(case)
    for _ in range(60_000):
        clock.now += 0.001
        watch(Estimate(case.problem.y, 0.0, 1), None)  # type: ignore[arg-type]
    own = [moment - 100 - 5 * index for index, moment in enumerate(shown)]
    assert own[0] == pytest.approx(0.02, abs=0.002)
    assert all(1.07 * earlier <= later + 1e-6 <= 1.08 * earlier + 0.002 for earlier, later in pairwise(own))
    assert own[-1] > 60 / 1.08
    assert len(own) < 130
    assert watch.away == pytest.approx(5 * len(own))


def test_what_showing_costs_is_no_part_of_the_time(noisy, clock):
    clock.tick = 0.01
    shown: list[np.ndarray] = []
    away: list[float] = []

    def show(image: np.ndarray) -> None:
        shown.append(image)
        clock.now += 0.2
        away.append(0.2)

    notes: dict = {}
    case = case_of(noisy, seconds=0.6, show=show, note=notes.__setitem__)
    began = clock.now
    unguided = "dip[iterations=100000,channels=8,scales=2,stopping=iterations,guide=none]"
    method_from(unguided).restore(noisy, case)
    spent = clock.now - began
    assert "time budget of 0.6 s" in notes["stopped_by"]
    assert spent >= 0.6 + sum(away[:-1])
    assert len(shown) >= 2
    assert all(image.shape == noisy.shape for image in shown)
    # Each is an image of its own: later steps do not change those that were shown.
    assert not np.array_equal(shown[0], shown[-1])


def test_it_says_what_its_prior_cannot_do(noisy):
    case = case_of(noisy)
    assert method_from("tv").supports(case) is None
    assert "missing pixels" in str(method_from("completion").supports(case))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tv[iterations=-3]", "tv: iterations must be"),
        ("dip[network=transformer]", "network must be 'skip'"),
        ("dip[channels=many]", "dip: channels"),
    ],
)
def test_a_value_that_the_prior_refuses_is_said_before_any_work(text, said):
    with pytest.raises(ValueError, match=said) as error:
        method_from(text)
    assert "\n" not in str(error.value)


def test_a_value_that_goes_with_some_task_only_is_not_refused_early(monkeypatch):
    class Fussy:
        name = "tv"

        @classmethod
        def for_problem(cls, problem, **settings):
            if problem.task != "inpaint":
                raise ValueError("for holes only")
            return cls()

    monkeypatch.setattr(priors, "prior_class", lambda name: Fussy)
    monkeypatch.setattr(priors, "require_known_settings", lambda prior, settings: None)
    assert method_from("tv[iterations=3]").name == "tv[iterations=3]"


def test_a_measurement_of_more_channels_than_the_image_is_restored():
    grey = np.random.default_rng(0).random((24, 24), dtype=np.float32)
    hints = np.zeros((24, 24, 4), np.float32)
    hints[::4, ::4] = 1
    case = Case.of(grey, "colorize", {"hints": hints})
    measured = case.problem.y[0].permute(1, 2, 0).numpy()
    assert measured.shape == (24, 24, 4)
    assert method_from("tv[iterations=5]").restore(measured, case).shape == (24, 24, 3)
