"""Work of the test of several jobs, in processes that load no PyTorch."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from zeroshot.cli.messages import say
from zeroshot.memory import available_memory, sharers


@dataclass(frozen=True)
class MoodyWork:
    """Does to an image what the image's name says."""

    folder: Path
    preparing: str = "well"
    is_again: bool = False

    def prepare(self) -> None:
        if self.preparing == "badly":
            raise ValueError("no such prior")
        if self.preparing == "never":
            os.kill(os.getpid(), signal.SIGKILL)

    def again(self) -> MoodyWork:
        return replace(self, is_again=True)

    def __call__(self, name: str) -> int:
        mood = name.partition("-")[0]
        if mood == "mortal":
            if not self.is_again:
                os.kill(os.getpid(), signal.SIGKILL)
            say(f"{name}: gone on with")
        say(f"zeroshot: how {mood}s are gone about", sys.stderr)
        if mood == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if mood == "crashed":
            ctypes.string_at(0)
        if mood == "ended":
            print("std::bad_alloc", file=sys.stderr, flush=True)
            os._exit(3)
        if mood == "refused":
            raise ValueError("a bad\nmood")
        if mood == "bug":
            raise KeyError("nobody thought of that")
        if mood == "noted":
            warnings.warn("a remark", UserWarning, stacklevel=2)
            print("what a library prints", flush=True)
        if mood == "slow":
            (self.folder / f"{name}.begun").touch()
            time.sleep(600)
        (self.folder / name).write_text(f"{os.getpid()} {sharers()} {available_memory()}")
        say(f"{name}: first line")
        say(f"{name}: second line")
        return 0
