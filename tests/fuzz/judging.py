"""What a case may do: succeed, or say in one clean line why not; and nothing beside that.

A case runs in a process of its own (:mod:`tests.fuzz.running`). Here is what is looked at inside of that process:
the streams, the files of the case's folder, and, through an audit hook, whatever would start a program, open a
connection or write outside the folder; such an attempt is a fault and is not let through.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import sys
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Letters that turn the direction of a line in a terminal.
_BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LONGEST_LINE = 2000
_NOTE = re.compile(r"zeroshot( [a-z-]+)*: ")
_OF_MEMORY = re.compile(
    r"out of memory|MemoryError|not enough memory|can't allocate|bad_alloc", re.IGNORECASE
)


@dataclass(frozen=True)
class Case:
    """What one seed makes.

    Parameters
    ----------
    what : str
        The case in one line, for whoever has to repeat it.
    run : callable
        Does it; gives the name of the outcome and what is wrong with it.
    writes : frozenset of str
        The entries of the case's folder that may be made or changed.
    """

    what: str
    run: Callable[[Streams], tuple[str, list[str]]]
    writes: frozenset[str] = frozenset()


@dataclass
class Streams:
    """The files that the process's own streams are turned to, below Python, where C libraries write as well."""

    folder: Path

    def turn(self) -> None:
        """Turn streams 1 and 2 of this process to files."""
        for number, name in ((1, "out"), (2, "err")):
            file = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
            os.close(file)

    def read(self) -> tuple[str, str]:
        """What was written so far on both."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(ValueError, OSError):
                stream.flush()
        texts = [
            (self.folder / name).read_bytes().decode("utf-8", "backslashreplace") for name in ("out", "err")
        ]
        return texts[0], texts[1]


@dataclass
class Guard:
    """The audit hook: refuses programs, connections and files outside of `folder`, and remembers who asked."""

    folder: str = ""
    asked: list[str] = field(default_factory=list)

    def install(self) -> None:
        """From here on, for the rest of the process."""
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.folder:
            return
        if event in _PROGRAMS or event.startswith(("socket.connect", "socket.getaddrinfo", "ctypes.call")):
            self._refuse(f"{event}{arguments!r:.200}")
        elif event == "open" and _writes(arguments):
            self._require_inside(event, arguments[0])
        elif event in _CHANGES:
            for path in arguments[: _CHANGES[event]]:
                self._require_inside(event, path)

    def _require_inside(self, event: str, path: Any) -> None:
        if isinstance(path, int) or path is None:
            return
        name = os.path.abspath(os.fsdecode(path))
        if not (name == self.folder or name.startswith((self.folder + os.sep, "/dev/", "/proc/self/"))):
            self._refuse(f"{event} of {name}")

    def _refuse(self, what: str) -> None:
        self.asked.append(what)
        raise PermissionError(f"the fuzzer does not allow {what}")


_PROGRAMS = {
    "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
    "pty.spawn", "os.startfile", "webbrowser.open", "os.kill",
}  # fmt: skip
#: What changes files, and how many of its arguments are paths.
_CHANGES = {
    "os.remove": 1, "os.rename": 2, "os.rmdir": 1, "os.mkdir": 1, "os.truncate": 1, "os.link": 2, "os.symlink": 2,
    "os.utime": 1,
    "os.chmod": 1, "os.chown": 1, "shutil.rmtree": 1, "shutil.move": 2, "shutil.copyfile": 2, "os.mkfifo": 1,
}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _writes(arguments: tuple[Any, ...]) -> bool:
    flags = arguments[2] if len(arguments) > 2 and isinstance(arguments[2], int) else 0
    return bool(flags & _WRITING)


GUARD = Guard()


def tripped(*_arguments: Any, **_names: Any) -> None:
    """The canary: a file that has this called has run code of its own."""
    GUARD.asked.append("the canary was called: code of a file ran")


def judge(case: Case, folder: Path, streams: Streams) -> tuple[str, list[str]]:
    """Run a case in this process; the outcome, and everything that is wrong with it."""
    before = _contents(folder)
    streams.turn()
    os.chdir(folder)
    surroundings = _surroundings()
    GUARD.folder, GUARD.asked = str(folder), []
    try:
        outcome, faults = case.run(streams)
    finally:
        GUARD.folder = ""
    faults = [*faults, *(f"asked for {what}" for what in GUARD.asked)]
    after = _contents(folder)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name) and name.split(os.sep)[0] not in case.writes:
            how = "made" if name not in before else "removed" if name not in after else "changed"
            faults.append(f"{how} {name!r}")
    faults += [
        f"left {name} changed" for name, value in _surroundings().items() if value != surroundings[name]
    ]
    return outcome, faults


def _surroundings() -> dict[str, Any]:
    return {"the environment": dict(os.environ), "the current folder": os.getcwd()}


def _contents(folder: Path) -> dict[str, Any]:
    """What is in a folder, by name: the kind of each entry, and of files the content."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        content: Any = stat.S_IFMT(mode)
        if stat.S_ISREG(mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        elif stat.S_ISLNK(mode):
            content = os.readlink(path)
        found[str(path.relative_to(folder))] = content
    return found


# --- the two ways in ---------------------------------------------------------------------------------------


def command(
    arguments: list[str], output: Path | None = None, check: Callable[[], list[str]] | None = None
) -> Callable[[Streams], tuple[str, list[str]]]:
    """A run of the command line. Where it says that it is done, `output` must be there and `check` find nothing."""

    def run(streams: Streams) -> tuple[str, list[str]]:
        from zeroshot.cli.main import main

        faults: list[str] = []
        code: Any = None
        try:
            code = main(arguments)
        except SystemExit as stopped:
            code = stopped.code or 0
        except BaseException:
            faults.append("escaped: " + _last_of(traceback.format_exc()))
        said, complained = streams.read()
        if not faults and code not in (0, 1, 2):
            faults.append(f"exit code {code!r}")
        faults += in_streams(said, complained)
        if code in (1, 2) and not complained.strip():
            faults.append(f"exit code {code} without a word")
        if code == 0 and ": error: " in complained:
            faults.append("an error, and exit code 0")
        if code == 0 and output is not None and not output.exists():
            faults.append("exit code 0 without an output")
        if code == 0 and check is not None and not faults:
            faults += check()
        return ("escaped" if code is None else "done" if code == 0 else f"exit code {code}"), faults

    return run


def call(
    function: Callable[[], Any], refusals: tuple[type[BaseException], ...], check: Callable[[Any], list[str]]
) -> Callable[[Streams], tuple[str, list[str]]]:
    """A call from Python that gives something that `check` finds nothing wrong with, or raises a refusal."""

    def run(streams: Streams) -> tuple[str, list[str]]:
        faults: list[str] = []
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                faults += check(function())
                outcome = "read"
            except refusals as error:
                outcome = "refused"
                faults += in_line(str(error), f"the {type(error).__name__}")
            except BaseException:
                outcome = "escaped"
                faults.append("escaped: " + _last_of(traceback.format_exc()))
        for warning in heard:
            faults += in_line(str(warning.message), f"the {warning.category.__name__}")
            if not issubclass(warning.category, UserWarning):
                faults.append(f"a {warning.category.__name__}: {str(warning.message)[:200]}")
        for name, text in zip(("standard output", "standard error"), streams.read(), strict=True):
            if text.strip():
                faults.append(f"words on {name}: {text.strip()[:200]!r}")
        return outcome, faults

    return run


def in_streams(said: str, complained: str) -> list[str]:
    """What is wrong with the output of a command."""
    faults: list[str] = []
    for line in complained.splitlines():
        if not _NOTE.match(line):
            faults.append(f"a line that is not ours: {line[:200]!r}")
        faults += in_line(line, "a line")
    if complained.count(": error: ") > 1 and "of" not in complained:
        faults.append("more than one error")
    letters = said.replace("\n", "").replace("\t", "")
    if any(_moves_the_terminal(letter) for letter in letters):
        faults.append(f"standard output moves the terminal: {said[:200]!r}")
    return faults[:4]


def in_line(text: str, name: str) -> list[str]:
    """What is wrong with one line for the user."""
    faults = []
    if any(_moves_the_terminal(letter) for letter in text):
        faults.append(f"{name} is not one clean line: {text[:200]!r}")
    if not text.strip():
        faults.append(f"{name} is empty")
    if len(text) > _LONGEST_LINE:
        faults.append(f"{name} has {len(text)} letters: {text[:100]!r}…")
    if _OF_MEMORY.search(text):
        faults.append(f"{name} is about memory, which small input must not need: {text[:200]!r}")
    if "Traceback" in text:
        faults.append(f"{name} is a traceback")
    return faults


def _moves_the_terminal(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter in _BIDI


def _last_of(text: str) -> str:
    """The last frames of a traceback in our own code, in one line."""
    lines = [line.strip() for line in text.strip().splitlines()]
    frames = [
        line for line in lines if (line.startswith("File ") and "zeroshot" in line) or "generators" in line
    ]
    where = [re.sub(r'File ".*/([^/]+/[^/]+)", line (\d+), in (.*)', r"\1:\2 \3", line) for line in frames]
    return " < ".join([lines[-1][:200], *where[-2:][::-1]])


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Make files without the words of the libraries that make them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
