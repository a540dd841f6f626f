"""How much of our own code runs before a restoration makes its first step.

Traces ``zeroshot denoise in.png -o out.png --prior tv --sigma 10`` on a picture of 64 × 64 in this process, and counts
distinct functions: code objects of functions, methods, lambdas and comprehensions whose file lies in the trees
``zeroshot``, ``priors`` and ``generators``. What runs only because a module is being imported (its body, and what is
called from there) does not count, nor do methods that a dataclass writes for itself.

"before the loop" are those whose first call comes before that of the function that makes the first step, which is the
nearest function of another name that calls the first one named ``step``; "before the first step" are those before
``step`` itself, so that they include the start of the prior's run. ::

    python benchmarks/functions_before_first_step.py          # the numbers
    python benchmarks/functions_before_first_step.py --list   # and the functions in the order of their first call
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from PIL import Image
from skimage.data import astronaut

ROOT = Path(__file__).resolve().parent.parent
TREES = tuple(f"{ROOT / tree}{os.sep}" for tree in ("zeroshot", "priors", "generators"))
COMMAND = "denoise in.png -o out.png --prior tv --sigma 10"


def is_ours(code: CodeType) -> bool:
    """Whether the code is written in one of our trees."""
    return code.co_filename.startswith(TREES)


@dataclass
class Trace:
    """The distinct functions of ours in the order of their first call, as a profile function of the interpreter."""

    places: dict[CodeType, int] = field(default_factory=dict)
    loop: int | None = None
    step: int | None = None
    calls: int = 0

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call" or not is_ours(frame.f_code) or _while_importing(frame):
            return
        self.calls += 1
        place = self.places.setdefault(frame.f_code, len(self.places))
        if self.step is None and frame.f_code.co_name == "step":
            self.step = place
            caller = frame.f_back
            while caller is not None and (not is_ours(caller.f_code) or caller.f_code.co_name == "step"):
                caller = caller.f_back
            self.loop = None if caller is None else self.places.get(caller.f_code)


def _while_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "<module>" and is_ours(frame.f_code):
            return True
        frame = frame.f_back
    return False


def traced(command: str) -> Trace:
    """Run a command of zeroshot in a temporary folder that holds in.png, under a trace."""
    from zeroshot.cli import main

    trace = Trace()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as said:
        Image.fromarray(astronaut()[60:124, 190:254]).save(f"{folder}/in.png")
        words = [f"{folder}/{word}" if word.endswith(".png") else word for word in command.split()]
        sys.setprofile(trace)
        try:
            code = main(words)
        finally:
            sys.setprofile(None)
    if code != 0:
        raise RuntimeError(f"zeroshot {command} ended with {code}: {said.getvalue()}")
    return trace


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--list", action="store_true", help="print the functions in the order of their first call"
    )
    options = parser.parse_args()
    trace = traced(COMMAND)
    files = {code.co_filename for code in trace.places}
    if options.list:
        marks = {trace.loop: "  <- the loop", trace.step: "  <- the first step"}
        for code, place in trace.places.items():
            file = Path(code.co_filename).relative_to(ROOT)
            name = getattr(code, "co_qualname", code.co_name)
            print(f"{place:4}  {file}:{code.co_firstlineno}  {name}{marks.get(place, '')}")
    print(f"zeroshot {COMMAND}")
    print(f"{trace.loop} functions before the loop, {trace.step} before the first step")
    print(
        f"{len(trace.places)} functions in {len(files)} files and {trace.calls} calls over the whole command"
    )


if __name__ == "__main__":
    main()
