"""Processor seconds of the commands that need no network: user and system time of a process, the best of several.

::

    python benchmarks/start_up.py
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from skimage.data import astronaut

COMMANDS = {
    "--help": "--help",
    "--version": "--version",
    "tasks": "tasks",
    "priors": "priors",
    "priors tv": "priors tv",
    "info": "info restored.png",
    "a missing file": "denoise none.png -o out.png",
    "a misspelt option": "denoise in.png -o out.png --sgima 5",
}


def processor_seconds(words: list[str], folder: Path) -> float:
    """User and system time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, cwd=folder, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="of which the best counts (default 5)")
    options = parser.parse_args()
    zeroshot = [sys.executable, "-m", "zeroshot"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.fromarray(astronaut()[60:92, 190:222]).save(folder / "in.png")
        restoring = "denoise in.png -o restored.png --prior tv --quiet"
        subprocess.run([*zeroshot, *restoring.split()], cwd=folder, check=True)
        print("| command | processor seconds |\n|---|---|")
        for what, command in {"python -c pass": "", **COMMANDS}.items():
            words = [*zeroshot, *command.split()] if command else [sys.executable, "-c", "pass"]
            best = min(processor_seconds(words, folder) for _ in range(options.repeats))
            print(f"| {what} | {best:.2f} |")


if __name__ == "__main__":
    main()
