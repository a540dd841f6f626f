"""How many threads a run is given: the quicker number, whatever the user has said, and afterwards as before."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zeroshot
from zeroshot import threads
from zeroshot.threads import Timing, chosen, fixed

CPU = torch.device("cpu")


@pytest.fixture
def undecided(monkeypatch):
    """Three threads, of which nobody has said anything, and a timing at will; the number is put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_default", 3)
    monkeypatch.setattr(threads, "_asked", False)
    monkeypatch.setattr(threads, "_last", None)

    def timed(one: float, all_of_them: float) -> None:
        monkeypatch.setattr(threads, "_last", None)
        monkeypatch.setattr(threads, "timing", lambda most, longest=0.0: Timing(one, all_of_them, one))

    yield timed
    torch.set_num_threads(before)


def test_all_threads_are_taken_where_they_are_quicker_and_one_where_they_are_not(undecided):
    undecided(2.0, 1.0)
    with chosen(CPU) as count:
        assert count == torch.get_num_threads() == 3
    undecided(1.0, 1.0)
    with chosen(CPU) as count:
        assert count == torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_a_short_budget_gets_a_short_timing_that_is_not_kept(undecided, monkeypatch):
    undecided(2.0, 1.0)
    given = []

    def timing(most: int, longest: float) -> Timing:
        given.append(longest)
        return Timing(1.0, 1.0, 1.0)

    monkeypatch.setattr(threads, "timing", timing)
    for seconds in (2.0, None, None):
        with chosen(CPU, seconds=seconds) as count:
            assert count == 1
    assert given == [pytest.approx(0.02), threads._LONGEST]


def test_the_number_is_put_back_after_an_error(undecided):
    undecided(1.0, 5.0)
    with pytest.raises(ValueError, match="in the run"), chosen(CPU):
        raise ValueError("in the run")
    assert torch.get_num_threads() == 3


def test_what_the_user_has_said_holds(undecided, monkeypatch):
    undecided(1.0, 5.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with chosen(CPU) as count:
        assert count == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    with fixed(3), chosen(CPU) as count:
        assert count == 3
    torch.set_num_threads(2)
    with chosen(CPU) as count:
        assert count == 2


def test_numbers_that_pytorch_does_not_take_by_itself_were_asked_for():
    assert [count for count in range(1, 10) if threads._by_torch(count, 8)] == [4, 8]
    assert [count for count in range(1, 10) if threads._by_torch(count, 1)] == [1]


def test_nothing_is_chosen_for_a_gpu(undecided):
    undecided(1.0, 5.0)
    with chosen(torch.device("cuda")) as count:
        assert count == 3


def test_the_times_are_means_and_the_first_call_of_each_number_does_not_count():
    given = iter([100.0, 100.0, *[1.0, 2.0] * 5, 4.0, 5.0])
    found = threads.timing(2, lambda count, limit: next(given), clock=lambda: 0.0)
    assert found == pytest.approx((1.5, 2.5, 1.0))


def test_timing_ends_early_where_it_takes_long():
    calls, now = [], iter(range(100))
    threads.timing(
        2, lambda count, limit: calls.append((count, limit)) or 1.0, clock=lambda: float(next(now))
    )
    assert [count for count, _ in calls] == [1, 2, 1, 2]
    assert calls[-1][1] == pytest.approx(4.0), "a piece with all threads is broken off"


def test_the_provenance_tells_and_a_continued_run_has_as_many_threads(undecided, tmp_path):
    noisy = np.random.default_rng(0).random((24, 24)).astype(np.float32)
    checkpoint = tmp_path / "run.zs"

    def run(**options):
        return zeroshot.solve(
            noisy, "denoise", "tv", sigma=0.1, checkpoint=checkpoint, device="cpu", **options
        )

    undecided(1.0, 5.0)
    first = run(checkpoint_seconds=1e-9, keep_checkpoint=True)
    assert first.provenance["threads"] == 1
    undecided(5.0, 1.0)
    again = run(resume=True)
    assert again.provenance["threads"] == 1
    assert torch.equal(torch.as_tensor(again.image), torch.as_tensor(first.image))
    assert run().provenance["threads"] == 3
    assert torch.get_num_threads() == 3
