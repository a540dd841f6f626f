"""Commands in processes of their own, forked from one that has loaded PyTorch already.

To load it takes longer than what most tests then do. A fork has streams, signals, limits and an end of its own, as what
a shell starts; what a command does before it has loaded anything is tested by fresh processes instead.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: What is loaded before anything forks; no more than that, since threads do not survive a fork.
_LOADED = (
    "torch",
    "zeroshot.cli.commands",
    "zeroshot.cli.parser",
    "zeroshot.cli.restore",
    "zeroshot.solve",
    "zeroshot.operators.jpeg_compression",
    "zeroshot.priors.self_similarity.bm3d.bm3d",
    "zeroshot.priors.sparse.dct",
    "zeroshot.priors.total_variation.tv",
    "zeroshot.priors.untrained.deep_image_prior",
    "zeroshot.tasks.cleaning",
    "zeroshot.tasks.posing",
)
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class Fork:
    """A command at work.

    Attributes
    ----------
    pid : int
    """

    def __init__(self, parent: socket.socket, words: list[str], given: bytes, before: str) -> None:
        self._parent, self._heard = parent, {"out": b"", "err": b""}
        pipes = [os.pipe() for _ in range(3)]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        order = {"words": words, "before": before, "folder": os.getcwd(), "environment": dict(os.environ)}
        socket.send_fds(parent, [json.dumps(order).encode()], theirs)
        for stream in theirs:
            os.close(stream)
        self.pid = int(parent.recv(100))
        self._threads = [
            threading.Thread(target=self._give, args=(pipes[0][1], given)),
            threading.Thread(target=self._hear, args=(pipes[1][0], "out")),
            threading.Thread(target=self._hear, args=(pipes[2][0], "err")),
        ]
        for thread in self._threads:
            thread.start()

    def _give(self, stream: int, given: bytes) -> None:
        with contextlib.suppress(BrokenPipeError), open(stream, "wb") as pipe:
            pipe.write(given)

    def _hear(self, stream: int, name: str) -> None:
        with open(stream, "rb") as pipe:
            self._heard[name] = pipe.read()

    def end(self) -> subprocess.CompletedProcess[bytes]:
        """Wait for its end; the exit code is less than 0 where a signal ended it."""
        code = os.waitstatus_to_exitcode(int(self._parent.recv(100)))
        for thread in self._threads:
            thread.join()
        return subprocess.CompletedProcess([], code, self._heard["out"], self._heard["err"])


class Forks:
    """Starts one command at a time, each in the folder and the environment that the test is in."""

    def __init__(self, parent: socket.socket) -> None:
        self._parent = parent

    def start(self, *words: object, given: bytes = b"", before: str = "") -> Fork:
        """Start ``zeroshot WORDS``, with `given` on standard input, once the Python code `before` has run there."""
        return Fork(self._parent, [*map(str, words)], given, before)

    def run(self, *words: object, given: bytes = b"", before: str = "") -> subprocess.CompletedProcess[bytes]:
        """Start a command, and wait for its end."""
        return self.start(*words, given=given, before=before).end()


@contextlib.contextmanager
def loaded() -> Iterator[Forks]:
    """A process that forks, for as long as the context lasts."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.cli.forks", str(theirs.fileno())]
    environment = {**os.environ, **_ONE_THREAD}
    with ours, subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        yield Forks(ours)
        ours.close()
        assert process.wait(60) == 0


# --- in the process that forks -------------------------------------------------------------------------------


def _next_order(parent: socket.socket) -> dict[str, Any] | None:
    """Fork for each order: what is to be done, in the fork; None in the process that forked, at its end."""
    while True:
        message, streams, _, _ = socket.recv_fds(parent, 1 << 20, 3)
        if not message:
            return None
        child = os.fork()
        if child == 0:
            parent.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            return json.loads(message)
        for stream in streams:
            os.close(stream)
        parent.send(str(child).encode())
        parent.send(str(os.waitpid(child, 0)[1]).encode())


def _become(order: dict[str, Any]) -> None:
    """Take the place of a process that was started with these words."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update({**order["environment"], **_ONE_THREAD})
    sys.argv = ["zeroshot", *order["words"]]
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    exec(order["before"], {})


def main() -> int:
    """Serve until nobody asks any more; in a fork, the exit code of the command."""
    for name in _LOADED:
        importlib.import_module(name)
    gc.freeze()  # or each fork would touch, and so copy, all that is shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the test
    order = _next_order(socket.socket(fileno=int(sys.argv[1])))
    if order is None:
        return 0
    _become(order)
    from zeroshot.cli.main import main as command

    return command()


if __name__ == "__main__":
    sys.exit(main())
