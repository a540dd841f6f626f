"""Rounds of steps: by one call where that turns out to be faster, and tiles at hand side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import pytest
import torch

from tests.doubles import drifting
from tests.pictures import seeded, uniform
from zeroshot.estimate import Estimate
from zeroshot.operators import Identity
from zeroshot.prior import Run
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.priors.untrained.deep_image_run import DeepImageRun
from zeroshot.problem import Problem
from zeroshot.tiling import bands as bands_module
from zeroshot.tiling import planning, rounds
from zeroshot.tiling import tiles as tiles_module
from zeroshot.tiling.bands import bands
from zeroshot.tiling.planning import Tiling
from zeroshot.tiling.rounds import Rounds
from zeroshot.tiling.tiles import Tiles, TilesRun


class _Timed(Run):
    """A run that takes a second for a step alone, and another time for one by one call."""

    device = torch.device("cpu")

    def __init__(self, clock: list[float], joined: float | None) -> None:
        self.clock, self.joined = clock, joined
        self.is_joined = False

    def join(self, others: Sequence[Run]) -> bool:
        if self.joined is None:
            return False
        for run in (self, *others):
            assert isinstance(run, _Timed)
            run.is_joined = True
        return True

    def leave(self) -> None:
        self.is_joined = False

    def step(self) -> Estimate:
        self.clock[0] += 1.0 if self.joined is None or not self.is_joined else self.joined
        return Estimate(torch.zeros(1, 1, 2, 2), 0.0, 1)


def _after_many_rounds(joined: float | None) -> tuple[list[bool], dict[str, str]]:
    clock = [0.0]
    taking = Rounds(lambda: clock[0])
    runs = [_Timed(clock, joined) for _ in range(3)]
    kinds = []
    for _ in range(2 * (rounds._SETTLING + rounds._TIMED) + 10):
        with taking.round(runs):
            for run in runs:
                run.step()
        kinds.append(runs[0].is_joined)
    return kinds, taking.findings()


@pytest.mark.parametrize(("joined", "kept"), [(0.6, True), (1.4, False)])
def test_the_faster_kind_of_step_is_kept(joined: float, kept: bool) -> None:
    kinds, findings = _after_many_rounds(joined)
    assert set(kinds) == {True, False}
    assert set(kinds[-5:]) == {kept}
    assert findings == {"steps": "together" if kept else "in turn"}


def test_runs_that_cannot_join_are_stepped_in_turn_and_nothing_is_said() -> None:
    assert _after_many_rounds(None) == ([False] * (2 * (rounds._SETTLING + rounds._TIMED) + 10), {})


def test_another_number_of_runs_is_tried_anew() -> None:
    clock = [0.0]
    taking = Rounds(lambda: clock[0])
    runs = [_Timed(clock, 0.6) for _ in range(3)]
    seen = []
    for count, times in ((3, 60), (2, 60)):
        for _ in range(times):
            with taking.round(runs[:count]):
                for run in runs[:count]:
                    run.step()
            seen.append(runs[0].is_joined)
    assert False in seen[60:]
    assert seen[-1]


@pytest.fixture
def problem() -> Problem:
    return Problem(uniform(1, 3, 80, 100), Identity(), sigma=0.1, task="denoise")


def _steps(tiles: Tiles, problem: Problem) -> list[tuple[torch.Tensor, int]]:
    run = tiles.begin(problem, seeded())
    made = []
    while not run.finished:
        estimate = run.step()
        made.append((estimate.image.clone(), estimate.iteration))
    return made


def test_tiles_side_by_side_make_the_picture_that_they_make_one_by_one(problem: Problem) -> None:
    one_by_one = Tiles(drifting(), 48, 12)
    alone, abreast = _steps(one_by_one, problem), _steps(dataclasses.replace(one_by_one, abreast=4), problem)
    assert torch.allclose(abreast[-1][0], alone[-1][0], atol=1e-6)
    assert abreast[-1][1] == alone[-1][1] == 60
    # Six tiles of ten steps, four of them at a time.
    assert (len(alone), len(abreast)) == (60, 20)


def test_tiles_side_by_side_go_on_where_they_were(problem: Problem) -> None:
    tiles = Tiles(drifting(), 48, 12, abreast=4)
    whole = _steps(tiles, problem)
    run = tiles.begin(problem, seeded())
    for _ in range(13):
        run.step()
    state = run.state_dict()
    other = tiles.begin(problem, seeded(5))
    other.load_state_dict(state)
    images = [other.step().image.clone() for _ in range(len(whole) - 13)]
    assert torch.equal(images[0], whole[13][0])
    assert torch.equal(images[-1], whole[-1][0])
    while not run.finished:
        run.step()
    assert other.finished
    assert other.findings() == run.findings()


def test_bands_of_tiles_side_by_side_are_those_of_tiles_one_by_one(problem: Problem) -> None:
    told: list[tuple[int, int]] = []
    one_by_one = Tiles(drifting(), 48, 12)
    alone = torch.cat(list(bands(one_by_one, problem, seeded(), problem.y.device)), dim=-2)
    several = dataclasses.replace(one_by_one, abreast=2)
    made = bands(several, problem, seeded(), problem.y.device, lambda *counts: told.append(counts))
    assert torch.equal(torch.cat(list(made), dim=-2), alone)
    assert told == [(done, 6) for done in range(1, 7)]


class _Planning(type(drifting())):  # type: ignore[misc]
    """One that keeps what time it was told to plan for."""

    told: ClassVar[list[float]] = []

    def within(self, seconds: float) -> _Planning:
        assert seconds > 0
        self.told.append(seconds)
        return self


@pytest.mark.parametrize("abreast", [1, 4])
def test_tiles_share_the_time_evenly(problem: Problem, abreast: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles_module, "seconds_left", lambda: 12.0)
    monkeypatch.setattr(_Planning, "told", [])
    prior = _Planning(rate=0.1, iterations=10, noise=0.0)
    run = Tiles(prior, 48, 12, abreast=abreast).begin(problem, seeded())
    assert isinstance(run, TilesRun)
    shares = []
    for _ in range(2):
        run.step()
        shares = [part.share for part in run._parts]
    # Six tiles: one by one each has a sixth; four at a time have a half together, and plan for a quarter of that.
    assert shares == pytest.approx([2.0] if abreast == 1 else [6.0] * 4)
    assert prior.told == pytest.approx([2.0] if abreast == 1 else [1.5] * 4)


def test_bands_without_time_are_first_estimates(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands_module, "seconds_left", lambda: -0.003)
    monkeypatch.setattr(_Planning, "told", [])
    tiles = Tiles(_Planning(rate=0.1, iterations=10, noise=0.0), 48, 12, abreast=2)
    made = torch.cat(list(bands(tiles, problem, seeded(), problem.y.device)), dim=-2)
    assert torch.allclose(made, problem.y, atol=1e-6)
    assert not _Planning.told


@dataclasses.dataclass(frozen=True)
class _Sociable(type(drifting())):  # type: ignore[misc]
    """One whose runs are worth stepping side by side."""

    def runs_abreast(self, problem: Problem) -> int:
        return 3 if max(problem.reference_shape[-2:]) < 64 else 1


@pytest.mark.parametrize(("tiles_that_fit", "expected"), [(100, 3), (2, 2), (0, 1)])
def test_as_many_tiles_are_at_hand_as_are_worth_it_and_fit(
    problem: Problem, tiles_that_fit: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Beside the tiles there are copies of the whole.
    free = int((tiles_that_fit + 0.5) * 1000 * 48 * 48) + 5 * 4 * 3 * 80 * 100
    monkeypatch.setattr(planning, "allowed_memory", lambda device: free)
    prior = _Sociable(rate=0.1, iterations=10, noise=0.0, bytes_per_pixel=1000)
    tiled = Tiling(tile=48, overlap=12).applied(prior, problem, None, problem.y.device)
    assert isinstance(tiled, Tiles)
    assert tiled.abreast == expected


@pytest.mark.parametrize(("side", "expected"), [(256, 8), (512, 4), (2000, 1)])
def test_deep_priors_run_abreast_on_a_gpu_only(
    side: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = Problem(uniform(1, 1, 8, 8), Identity(), sigma=0.1, reference_shape=(1, 1, side, side))
    assert DeepImagePrior().runs_abreast(problem) == 1
    monkeypatch.setattr(DeepImageRun, "joins_on", ("cpu",))
    assert DeepImagePrior().runs_abreast(problem) == expected
