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

#: One process for all that is asked of it, since it loads everything first.
ITSELF = """
import json, sys
from pathlib import Path
from tests.fuzz import images, judging, running

with running.fuzzer("images") as cases:
    drawn = [[cases.run(seed).what for seed in range(5)] for _ in range(2)]

def misbehave(draw, prepared, folder):
    def run(streams):
        exec(act)
        return "read", []
    return judging.Case("misbehaviour", run, frozenset({"allowed"}))

images.prepare, images.case = lambda folder: None, misbehave
running.PROCESSOR_SECONDS, running.WALL_SECONDS = 2, 20
faults = {}
with running.fuzzer("images") as cases:
    for name, act in json.loads(sys.argv[1]).items():
        faults[name] = "; ".join(cases.run(0).faults)
print(json.dumps([drawn, faults]))
"""

ACTS = {
    "nothing": ("pass", ""),
    "what is allowed": ("(Path.cwd() / 'allowed').touch()", ""),
    "a program": ("import os; os.system('true')", "os.system"),
    "a file outside": ("open('/tmp/outside-of-the-case', 'w')", "/tmp/outside-of-the-case"),
    "a file beside the output": ("open('other', 'w').close()", "made 'other'"),
    "a hang": ("while True: pass", "more than 2 s of processor time"),
    "a wait": ("import time; time.sleep(60)", "did not end within 20 s"),
    "memory": ("bytearray(3 << 29)", "MiB of memory"),
    "a crash": ("import os; os.abort()", "signal 6"),
    "an exit": ("import os; os._exit(3)", "ended itself with 3"),
    "the environment": ("import os; os.environ['X'] = '1'", "left the environment changed"),
}


@pytest.fixture(scope="module")
def itself():
    """The cases that a few seeds make, twice, and what was found wrong with each misbehaviour."""
    acts = json.dumps({name: act for name, (act, _) in ACTS.items()})
    words = [sys.executable, "-c", ITSELF, acts]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads(ended.stdout)


def test_a_seed_makes_the_same_case_again(itself):
    first, second = itself[0]
    assert first == second
    assert len(set(first)) == len(first)


@pytest.mark.parametrize("name", ACTS)
def test_misbehaviour_is_noticed(name, itself):
    found, wanted = itself[1][name], ACTS[name][1]
    assert wanted in found
    assert bool(found) == bool(wanted)
