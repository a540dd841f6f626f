"""Whatever it is given, the program succeeds or says in one clean line why not; see :mod:`tests.fuzz.judging`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.running import KINDS, Result, Tally

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each case runs in a fork")

ROOT = Path(__file__).resolve().parents[2]


def tally_of(kind: str, first: int, count: int) -> Tally:
    """Run cases as by hand, in a process that has loaded nothing but what it needs."""
    words = [sys.executable, "-m", "tests.fuzz", kind, "--first", str(first), "--count", str(count), "--json"]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 1), ended.stderr[-2000:]
    tally = Tally(kind)
    for line in ended.stdout.splitlines():
        tally.add(Result(**json.loads(line)))
    assert sum(tally.outcomes.values()) == count, ended.stderr[-2000:]
    return tally


def require_clean(tally: Tally, record_property) -> None:
    record_property("fuzzed", str(tally))
    assert not tally.failed, "\n".join(
        f"{result.what}\n    {'; '.join(result.faults)}\n    python -m tests.fuzz {tally.kind} --seed {result.seed}"
        for result in tally.failed[:20]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_success_or_one_clean_line(kind, record_property):
    require_clean(tally_of(kind, 0, 200), record_property)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_times_success_or_one_clean_line(kind, record_property):
    require_clean(tally_of(kind, 1000, 10_000), record_property)


# --- the fuzzer itself -------------------------------------------------------------------------------------

MISBEHAVING = """
import sys
from pathlib import Path
from tests.fuzz import images, judging, running

def misbehave(draw, prepared, folder):
    def run(streams):
        {act}
        return "read", []
    return judging.Case("misbehaviour", run, frozenset({{"allowed"}}))

images.prepare, images.case = lambda folder: None, misbehave
running.PROCESSOR_SECONDS, running.WALL_SECONDS = 1, 4
with running.fuzzer("images") as cases:
    print(cases.run(0).faults)
"""

ACTS = {
    "nothing": ("pass", "()"),
    "what is allowed": ("(Path.cwd() / 'allowed').touch()", "()"),
    "a program": ("import os; os.system('true')", "os.system"),
    "a file outside": ("open('/tmp/outside-of-the-case', 'w')", "/tmp/outside-of-the-case"),
    "a file beside the output": ("open('other', 'w').close()", "made 'other'"),
    "a hang": ("while True: pass", "more than 1 s of processor time"),
    "a wait": ("import time; time.sleep(60)", "did not end within 4 s"),
    "memory": ("bytearray(2 << 30)", "MiB of memory"),
    "a crash": ("import os, signal; os.abort()", "signal 6"),
    "an exit": ("import os; os._exit(3)", "ended itself with 3"),
    "the environment": ("import os; os.environ['X'] = '1'", "left the environment changed"),
}


@pytest.mark.parametrize("name", ACTS)
def test_misbehaviour_is_noticed(name):
    act, wanted = ACTS[name]
    ended = subprocess.run(
        [sys.executable, "-c", MISBEHAVING.format(act=act)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert wanted in ended.stdout


def test_a_seed_makes_the_same_case_again():
    first, second = (tally_words("images", 5), tally_words("images", 5))
    assert first == second
    assert len(set(first)) == len(first)


def tally_words(kind: str, count: int) -> list[str]:
    words = [sys.executable, "-m", "tests.fuzz", kind, "--count", str(count), "--json"]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return [json.loads(line)["what"] for line in ended.stdout.splitlines()]
