"""A net for moves within the code: what every task, prior and command gave, and whether it still does.

    python benchmarks/golden.py record             # what the code gives now, into results/golden.json
    python benchmarks/golden.py check              # what differs from it; exit code 1 if anything does
    python benchmarks/golden.py check --only 'pair/*/tv' --only 'tiles/*' --ignore text

Runs are small crops with few iterations, seed 0 and one thread; of each, the checksum of its pixels, how it ended
and what it said are kept. Bytes are comparable on the kind of machine and with the torch that recorded them. The
kinds of differences: entry (a case that vanished, appeared or took too long), pixels, iterations, reason (of
stopping), codes (of exit, a refusal, files written), text (messages, help, provenance).
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import multiprocessing
import os
import platform
import signal
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).resolve().parent / "results" / "golden.json"
#: For the processes that are started here; torch reads it when it is imported.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "NO_COLOR": "1"}
# Copies of a process end without telling the tracker of its parent.
ENVIRONMENT["PYTHONWARNINGS"] = "ignore::UserWarning:multiprocessing.resource_tracker"
_LONGEST = 600


def machine() -> dict[str, str]:
    """What the bytes of a result depend on beside the code."""
    import numpy as np
    import torch

    return {
        "torch": str(torch.__version__),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "numpy": np.__version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "system": f"{platform.system()} {platform.machine()}",
    }


def names() -> list[str]:
    """All cases, in the order in which they are started: commands and runs by turns."""
    from golden_cases import cases
    from golden_commands import commands

    return [*commands(), *cases()]


def run_case(name: str) -> tuple[str, dict[str, Any], float]:
    """Run one case in a folder of its own; its name, its record and the processor seconds it took."""
    import torch
    from golden_cases import cases
    from golden_commands import commands

    def too_long(_number: int, _frame: Any) -> None:
        raise TimeoutError(f"took longer than {_LONGEST} s")

    torch.set_num_threads(1)
    torch.manual_seed(0)
    began = sum(os.times()[:4])
    previous = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(_LONGEST)
    try:
        with tempfile.TemporaryDirectory(prefix="golden-") as folder:
            record = (commands() | cases())[name](Path(folder).resolve())
    except Exception as error:  # one case that cannot be run must not cost the others
        record = {"lost": f"{type(error).__name__}: {error}"}
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    return name, record, sum(os.times()[:4]) - began


def run_all(wanted: list[str], jobs: int, times: bool) -> dict[str, dict[str, Any]]:
    """The records of the cases by name, made by `jobs` processes of one thread each."""
    os.environ.update(ENVIRONMENT)
    found: dict[str, dict[str, Any]] = {}
    taken: dict[str, float] = {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        for future in as_completed([pool.submit(run_case, name) for name in wanted]):
            name, record, seconds = future.result()
            found[name], taken[name] = record, seconds
            if sys.stderr.isatty():
                print(f"\r{len(found)} of {len(wanted)}  ", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(f"{len(found)} cases, {sum(taken.values()):.0f} processor seconds")
    for name in sorted(taken, key=taken.__getitem__, reverse=True)[: 25 if times else 0]:
        print(f"{taken[name]:6.1f} s  {name}")
    return {name: found[name] for name in sorted(found)}


def matches(name: str, patterns: list[str]) -> bool:
    """Whether a case is asked for; all are where there is no pattern."""
    return not patterns or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def write(found: dict[str, dict[str, Any]], patterns: list[str], path: Path) -> None:
    """Keep the records; those that the patterns leave out stay as they are."""
    before = json.loads(path.read_text())["cases"] if path.exists() else {}
    kept = {name: record for name, record in before.items() if not matches(name, patterns)}
    content = sorted({**kept, **found}.items())
    lines = [f"{json.dumps(name)}: {json.dumps(one, ensure_ascii=False)}" for name, one in content]
    head = json.dumps(machine())
    path.write_text('{"machine": ' + head + ',\n"cases": {\n' + ",\n".join(lines) + "\n}}\n")


def compare(before: dict[str, Any], after: dict[str, Any], ignored: list[str]) -> int:
    """Print what differs; how many cases do."""
    from golden_records import KINDS, differences

    count: Counter[str] = Counter()
    differing = 0
    for name in sorted({*before, *after}):
        if "lost" in after.get(name, {}):
            found = [("entry", after[name]["lost"])]
        elif name not in before or name not in after:
            found = [("entry", "is new" if name in after else "is gone")]
        else:
            found = list(differences(before[name], after[name]))
        count.update(kind for kind, _ in found)
        shown = [(kind, what) for kind, what in found if kind not in ignored]
        differing += bool(shown)
        for kind, what in shown:
            print(f"{name:<44} {kind:<10} {what}")
    listed = ", ".join(
        f"{count[kind]} {kind}{' (ignored)' * (kind in ignored)}" for kind in KINDS if count[kind]
    )
    print(f"{len(before)} recorded, {differing} differ" + (f": {listed}" if listed else ""))
    return differing


def main() -> int:
    """Record or check; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("action", choices=["record", "check"])
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATTERN", help="e.g. 'pair/sr/*' (repeatable)"
    )
    parser.add_argument(
        "--file", type=Path, default=RECORDED, help="the record (default results/golden.json)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each (default 2)")
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="KIND", help="e.g. text (repeatable)"
    )
    parser.add_argument("--times", action="store_true", help="also print the cases that take longest")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and do nothing")
    options = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    wanted = [name for name in names() if matches(name, options.only)]
    if options.list:
        print("\n".join(wanted))
        return 0
    found = run_all(wanted, options.jobs, options.times)
    lost = [name for name, record in found.items() if "lost" in record]
    if lost:
        print("without a record: " + "; ".join(f"{name} ({found[name]['lost']})" for name in lost))
    if options.action == "record":
        found = {name: record for name, record in found.items() if name not in lost}
        write(found, options.only, options.file)
        return 1 if lost else 0
    recorded = json.loads(options.file.read_text())
    if recorded["machine"] != machine():
        print(f"recorded on another kind of machine, where bytes may differ: {recorded['machine']}")
    before = {name: one for name, one in recorded["cases"].items() if matches(name, options.only)}
    return 1 if compare(before, found, options.ignore) else 0


if __name__ == "__main__":
    raise SystemExit(main())
