"""Runs cases by their seeds: each in a process of its own, with little memory and time to spend.

One process imports what there is to import and prepares whole files; every case is a fork of it. So a case knows
nothing of those before it, a hang or a blow-up is one failed case, and a seed alone repeats it.
"""

from __future__ import annotations

import faulthandler
import functools
import gc
import importlib
import json
import os
import pkgutil
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np

from tests.fuzz import judging

KINDS = ("images", "arguments", "weights", "checkpoints")
#: What a case may take: seconds of processor time, seconds of the wall clock (it may wait for ever for a pipe), and
#: memory beyond what the process has when it begins; above the last the system gives no more.
PROCESSOR_SECONDS = 30
WALL_SECONDS = 180
MOST_MEMORY = 1 << 30
NO_MORE_MEMORY = 3 << 30


@dataclass(frozen=True)
class Result:
    """What came of one case; `faults` is empty where it behaved."""

    seed: int
    what: str
    outcome: str
    faults: tuple[str, ...] = ()


@dataclass
class Tally:
    """What came of many."""

    kind: str
    outcomes: Counter[str] = field(default_factory=Counter)
    failed: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count it."""
        self.outcomes[result.outcome] += 1
        if result.faults:
            self.failed.append(result)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items()))
        return f"{sum(self.outcomes.values())} {self.kind}: {counts}; {len(self.failed)} at fault"


class Fuzzer:
    """Makes and runs the cases of one kind.

    Parameters
    ----------
    kind : str
        One of `KINDS`: the name of the module here that makes the cases.
    folder : Path
        Where whole files are prepared, and where each case gets a folder of its own.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder.resolve()
        self.module: ModuleType = importlib.import_module(f"tests.fuzz.{kind}")
        self.prepared = self.folder / "prepared"
        self.prepared.mkdir()
        _load_once()
        # In a process of its own, since PyTorch's threads do not survive a fork.
        self._in_fork(lambda report: self.module.prepare(self.prepared), prepares=True)
        gc.freeze()  # or each case would touch, and so copy, all that is shared

    def run(self, seed: int, keep: Path | None = None, tell: Callable[[str], None] | None = None) -> Result:
        """Run the case of one seed; `keep` keeps its folder, `tell` hears what it printed."""
        place = Path(tempfile.mkdtemp(dir=self.folder))
        folder = place / "case"
        folder.mkdir()
        (place / "temporary").mkdir()

        def act(report: Callable[[dict[str, object]], None]) -> None:
            case = self.module.case(
                np.random.default_rng([KINDS.index(self.kind), seed]), self.prepared, folder
            )
            report({"what": case.what})
            outcome, faults = judging.judge(case, folder, judging.Streams(place))
            report({"outcome": outcome, "faults": faults})

        try:
            said, fault = self._in_fork(act, place)
            if tell is not None:
                for name in ("out", "err"):
                    if (place / name).exists():
                        tell((place / name).read_text(errors="backslashreplace").strip())
            if fault:
                err = place / "err"
                trace = err.read_text(errors="replace").strip().splitlines() if err.exists() else []
                where = [line.strip() for line in trace if "zeroshot" in line or "File" in line][:4]
                fault = " < ".join([fault, *where])
        finally:
            if keep is not None:
                shutil.copytree(folder, keep, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
        faults = [*said.get("faults", []), *([fault] if fault else [])]
        outcome = said.get("outcome", "died")
        return Result(seed, str(said.get("what", "while it was made")), str(outcome), tuple(faults))

    def _in_fork(self, act: Callable[..., None], place: Path | None = None, prepares: bool = False):
        """What `act` reported from a process of its own, and what that process did wrong."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try:
                if not prepares:
                    _limit(place)
                act(lambda report: os.write(writing, json.dumps(report).encode() + b"\n"))
                os._exit(0)
            except BaseException:
                import traceback

                os.write(writing, json.dumps({"faults": [traceback.format_exc()[-1500:]]}).encode() + b"\n")
                os._exit(99)
        os.close(writing)
        with open(reading, "rb") as pipe:
            reports = [json.loads(line) for line in pipe.read().splitlines()]
        _, status, usage = os.wait4(child, 0)
        said = {name: value for report in reports for name, value in report.items()}
        if prepares:
            if status:
                raise RuntimeError(f"the files could not be prepared: {said}")
            return said, ""
        taken = (usage.ru_maxrss << 10) - _resident()
        fault = ""
        if os.WIFSIGNALED(status):
            fault = _death(os.WTERMSIG(status))
        elif os.WEXITSTATUS(status) not in (0, 99):
            fault = f"the process ended itself with {os.WEXITSTATUS(status)}"
        elif taken > MOST_MEMORY:
            fault = f"took {taken >> 20} MiB of memory"
        return said, fault


def _death(number: int) -> str:
    return {
        signal.SIGXCPU: f"took more than {PROCESSOR_SECONDS} s of processor time",
        signal.SIGALRM: f"did not end within {WALL_SECONDS} s",
    }.get(signal.Signals(number), f"died of signal {number}")


def _limit(place: Path) -> None:
    faulthandler.disable()
    traces = open(place / "err", "wb")  # noqa: SIM115 – it must outlive this function
    for number in (signal.SIGXCPU, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
        faulthandler.register(number, file=traces, all_threads=False, chain=True)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + NO_MORE_MEMORY,) * 2)
    tempfile.tempdir = str(place / "case")
    os.environ["HOME"] = os.environ["XDG_CACHE_HOME"] = str(place / "case")
    sys.dont_write_bytecode = True


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@functools.cache
def _load_once() -> None:
    """Whatever a process has to be given before the first of its cases."""
    _import_everything()
    judging.GUARD.install()


def _import_everything() -> None:
    """So that no case does it again."""
    import torch

    import zeroshot

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        torch.ones(2, device="meta").div(2)  # loads the compiler
    for module in pkgutil.walk_packages(zeroshot.__path__, "zeroshot."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ImportError:  # what needs an extra of the package
                continue
    from PIL import Image

    Image.init()


@contextmanager
def fuzzer(kind: str) -> Iterator[Fuzzer]:
    """A fuzzer with a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        yield Fuzzer(kind, Path(folder))


def run_many(
    kind: str,
    first: int,
    count: int,
    seconds: float | None = None,
    heard: Callable[[Result], None] | None = None,
) -> Tally:
    """Run `count` cases from the seed `first` on, or as many as begin within `seconds`."""
    tally, began = Tally(kind), time.monotonic()
    with fuzzer(kind) as cases:
        for seed in range(first, first + count):
            if seconds is not None and time.monotonic() - began > seconds:
                break
            result = cases.run(seed)
            tally.add(result)
            if heard is not None:
                heard(result)
    return tally
