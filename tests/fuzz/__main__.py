"""Run fuzzers by hand.

One case again, with what it is, what it printed and what is wrong with it, and its files kept::

    python -m tests.fuzz images --seed 123 --keep folder

Many, with the failed ones and the count of each outcome::

    python -m tests.fuzz arguments --first 0 --count 1000
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

# Before PyTorch is loaded: threads do not survive a fork, and a limit of memory counts their stacks.
os.environ["OMP_NUM_THREADS"] = "1"

from tests.fuzz.running import KINDS, Result, fuzzer, run_many


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seed", type=int, help="run this case only")
    parser.add_argument("--keep", type=Path, help="with --seed: keep the files of the case in this folder")
    parser.add_argument("--first", type=int, default=0, help="the first seed of many (default 0)")
    parser.add_argument("--count", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--seconds", type=float, help="begin no case after this time")
    parser.add_argument("--json", action="store_true", help="print every result as a line of JSON")
    options = parser.parse_args()
    if options.seed is not None:
        with fuzzer(options.kind) as cases:
            result = cases.run(options.seed, options.keep, tell=print)
        _show(result)
        return bool(result.faults)

    def heard(result: Result) -> None:
        if options.json:
            print(json.dumps(asdict(result)), flush=True)
        elif result.faults:
            _show(result)

    tally = run_many(options.kind, options.first, options.count, options.seconds, heard)
    if not options.json:
        print(tally)
    return bool(tally.failed)


def _show(result: Result) -> None:
    print(f"seed {result.seed}: {result.what}\n    {result.outcome}")
    for fault in result.faults:
        print(f"    AT FAULT: {fault}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
