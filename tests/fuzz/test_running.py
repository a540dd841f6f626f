"""Whatever it is given, the program succeeds or says in one clean line why not; a fuzzer notices where it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.outcomes import require_clean, tally_of
from tests.fuzz.running import KINDS, Result, Tally

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each case runs in a fork")

ROOT = Path(__file__).resolve().parents[2]
#: How many cases of each kind are tried by default.
QUICK = {"images": 6, "arguments": 6, "weights": 6, "checkpoints": 4}

#: One process for all that is asked of it, since it loads everything first.
ITSELF = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from tests.fuzz import images, judging, running

quick, acts = map(json.loads, sys.argv[1:])
results = {kind: [] for kind in quick}
for kind, count in quick.items():
    running.run_many(kind, 0, count, heard=lambda result: results[kind].append(asdict(result)))

with running.fuzzer("images") as cases:
    drawn = [[cases.run(seed).what for seed in range(3)] for _ in range(2)]

def misbehave(draw, prepared, folder):
    def run(streams):
        exec(act)
        return "read", []
    return judging.Case("misbehaviour", run, frozenset({"allowed"}))

images.prepare, images.case = lambda folder: None, misbehave
running.PROCESSOR_SECONDS, running.MOST_MEMORY, most_wall_seconds = 2, 1 << 28, running.WALL_SECONDS
faults = {}
with running.fuzzer("images") as cases:
    for name, act in acts.items():
        running.WALL_SECONDS = 3 if name == "a wait" else most_wall_seconds
        faults[name] = "; ".join(cases.run(0).faults)
print(json.dumps([results, drawn, faults]))
"""

ACTS = {
    "nothing": ("pass", ""),
    "what is allowed": ("(Path.cwd() / 'allowed').touch()", ""),
    "a program": ("import os; os.system('true')", "os.system"),
    "a file outside": ("open('/tmp/outside-of-the-case', 'w')", "/tmp/outside-of-the-case"),
    "a file beside the output": ("open('other', 'w').close()", "made 'other'"),
    "a hang": ("while True: pass", "more than 2 s of processor time"),
    "a wait": ("import time; time.sleep(60)", "did not end within 3 s"),
    "memory": ("bytearray(3 << 27)", "MiB of memory"),
    "a crash": ("import os; os.abort()", "signal 6"),
    "an exit": ("import os; os._exit(3)", "ended itself with 3"),
    "the environment": ("import os; os.environ['X'] = '1'", "left the environment changed"),
}


@pytest.fixture(scope="module")
def itself():
    """What came of the quick cases, those that a few seeds make, twice, and what was found wrong with each act."""
    acts = json.dumps({name: act for name, (act, _) in ACTS.items()})
    words = [sys.executable, "-c", ITSELF, json.dumps(QUICK), acts]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads(ended.stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_success_or_one_clean_line(kind, itself, record_property):
    tally = Tally(kind)
    for result in itself[0][kind]:
        tally.add(Result(**result))
    assert sum(tally.outcomes.values()) == QUICK[kind]
    require_clean(tally, record_property)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_times_success_or_one_clean_line(kind, record_property):
    require_clean(tally_of(kind, 1000, 10_000), record_property)


def test_a_seed_makes_the_same_case_again(itself):
    first, second = itself[1]
    assert first == second
    assert len(set(first)) == len(first)


@pytest.mark.parametrize("name", ACTS)
def test_misbehaviour_is_noticed(name, itself):
    found, wanted = itself[2][name], ACTS[name][1]
    assert wanted in found
    assert bool(found) == bool(wanted)
