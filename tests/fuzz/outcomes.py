"""What became of many cases, for the tests of each kind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.running import Result, Tally

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


def require_clean(tally: Tally, record_property: Callable[[str, object], None]) -> None:
    """Fail with how to repeat each case that was at fault."""
    record_property("fuzzed", str(tally))
    assert not tally.failed, "\n".join(
        f"{result.what}\n    {'; '.join(result.faults)}\n    python -m tests.fuzz {tally.kind} --seed {result.seed}"
        for result in tally.failed[:20]
    )
