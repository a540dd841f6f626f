"""The page's server as a process, and somebody who asks it."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from tests import pictures


class App:
    """A running server, asked as its page asks it.

    Attributes
    ----------
    address : str
        As it was printed, with the token.
    port : int
    token : str
    process : subprocess.Popen
    """

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "zeroshot", "app", "--no-browser"]
        self._errors = (folder / "errors.txt").open("w+")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment(folder)
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", first)
        assert found, first + self.errors()
        self.address, self.port, self.token = found[0], int(found[1]), found[2]

    def errors(self) -> str:
        """What it has said on standard error."""
        self._errors.seek(0)
        return self._errors.read()

    def ask(
        self, path: str, method: str = "GET", data: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of an answer."""
        given = {"Cookie": f"zeroshot-{self.port}={self.token}", **(headers or {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, data, given)
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def json(self, path: str, method: str = "GET", data: Any = None) -> Any:
        """The answer, which must be a good one."""
        body = data if isinstance(data, bytes | None) else json.dumps(data).encode()
        status, answer, _ = self.ask(path, method, body)
        assert status < 300, answer
        return json.loads(answer) if answer else None

    def refusal(self, path: str, method: str, data: Any) -> dict[str, Any]:
        """The answer, which must be an error of one line."""
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        status, answer, _ = self.ask(path, method, body)
        assert 400 <= status < 500, answer
        told = json.loads(answer)
        assert "\n" not in told["error"]
        assert "/tmp" not in told["error"]
        return told

    def bring(self, pixels: np.ndarray, name: str = "photo.png") -> str:
        """The id of a picture that the server is given."""
        return self.json(f"/pictures?name={quote(name)}", "POST", png(pixels))["id"]

    def start(self, picture: str, task: str = "denoise", prior: str = "tv", **form: Any) -> str:
        """The id of a run."""
        return self.json("/runs", "POST", {"picture": picture, "task": task, "prior": prior, **form})["id"]

    def run(self, id: str) -> dict[str, Any]:
        """A run as it is now."""
        return next(run for run in self.json("/news")["runs"] if run["id"] == id)

    def picture(self, id: str) -> dict[str, Any]:
        """A picture as it is now."""
        return next(picture for picture in self.json("/news")["pictures"] if picture["id"] == id)

    def ended(self, id: str) -> dict[str, Any]:
        """A run when it is neither waiting nor at work any more."""
        return until(lambda: self._ended(id))

    def _ended(self, id: str) -> dict[str, Any] | None:
        run = self.run(id)
        return None if run["state"] in ("waiting", "running", "stopping") else run

    def close(self) -> int:
        """End it as a system does; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def environment(folder: Path) -> dict[str, str]:
    """That of the test, with a folder of its own for temporary files, and without weights."""
    own = {name: value for name, value in os.environ.items() if name != "ZEROSHOT_WEIGHTS"}
    return {**own, "TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder), "OMP_NUM_THREADS": "1"}


def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """What the condition gives as soon as that is true; a failure where it takes longer than any machine."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)
    return found


def png(pixels: np.ndarray) -> bytes:
    """The bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def noisy(side: int = 64, sigma: float = 20.0) -> np.ndarray:
    """A crop of a photograph with noise."""
    clean = pictures.sample("astronaut")[60 : 60 + side, 180 : 180 + side].astype(float)
    noise = np.random.default_rng(0).normal(0, sigma, clean.shape)
    return (clean + noise).clip(0, 255).round().astype(np.uint8)


#: Settings with which `tgv` goes on for as long as nobody stops it.
ENDLESS = {"iterations": "1000000", "tolerance": "1e-12"}
