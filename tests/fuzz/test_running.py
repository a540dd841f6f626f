"""The fuzzer itself: a seed makes the same case again, and misbehaviour is noticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each case runs in a fork")

ROOT = Path(__file__).resolve().parents[2]

#: One process for all that is asked of it, since it loads everything first.
ITSELF = """
import json, sys
from pathlib import Path
from tests.fuzz import images, judging, running

with running.fuzzer("images") as cases:
    drawn = [[cases.run(seed).what for seed in range(3)] for _ in range(2)]

def misbehave(draw, prepared, folder):
    def run(streams):
        exec(act)
        return "read", []
    return judging.Case("misbehaviour", run, frozenset({"allowed"}))

images.prepare, images.case = lambda folder: None, misbehave
running.PROCESSOR_SECONDS, running.WALL_SECONDS = 6, 12
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
    "a hang": ("while True: pass", "more than 6 s of processor time"),
    "a wait": ("import time; time.sleep(60)", "did not end within 12 s"),
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
