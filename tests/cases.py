"""Run every script in ../shared/cases and print which pass: ``make cases``.

A script prints lines that begin with PASS or FAIL; one that fails,
ends with an error or says neither is a FAIL.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT.parent / "shared" / "cases"


def main() -> int:
    """Print the table; 1 where a script fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only the scripts whose names hold one of these words")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help=f"where the scripts are (default {FOLDER})"
    )
    parser.add_argument("--timeout", type=float, default=1200, help="seconds for each script (default 1200)")
    parser.add_argument("--verbose", action="store_true", help="print all that the scripts print")
    options = parser.parse_args()
    if not options.folder.is_dir():
        print(f"skipped: the scripts are in {options.folder}, and there is no such folder")
        return 0
    scripts = [
        script
        for script in sorted(options.folder.glob("*.py"))
        if not options.names or any(word in script.stem for word in options.names)
    ]
    if not scripts:
        print(f"no script in {options.folder} has such a name")
        return 2
    width = max(len(script.stem) for script in scripts)
    failed = 0
    for script in scripts:
        began = time.monotonic()
        verdict, lines = judge(script, options.timeout)
        failed += verdict == "FAIL"
        print(f"{script.stem:<{width}}  {verdict}  {time.monotonic() - began:6.1f} s", flush=True)
        for line in (
            lines
            if options.verbose
            else [line for line in lines if line.startswith("FAIL")] or lines[-1:] * (verdict == "FAIL")
        ):
            print(f"    {line}")
    print(f"{len(scripts) - failed} of {len(scripts)} pass")
    return int(failed > 0)


def judge(script: Path, timeout: float) -> tuple[str, list[str]]:
    """PASS or FAIL, and what the script printed."""
    # The commands that a script runs are those of this environment.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    try:
        ended = subprocess.run(
            [sys.executable, str(script)],
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "FAIL", [f"did not end within {timeout:g} s"]
    lines = ended.stdout.splitlines()
    passes = any(line.startswith("PASS") for line in lines) and not any(
        line.startswith("FAIL") for line in lines
    )
    return ("PASS" if passes and ended.returncode == 0 else "FAIL"), lines


if __name__ == "__main__":
    sys.exit(main())
