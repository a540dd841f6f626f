"""What is looked at first: a picture that was brought is shown before one that was shown is inspected; downloads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from zeroshot.app import downloads, engine, workbench
from zeroshot.app.engine import Message
from zeroshot.app.entries import RunEntry
from zeroshot.app.workbench import Workbench


class Worker:
    """Takes down what it is to do."""

    def __init__(self, _log: Path, report: Callable[[Message], None]) -> None:
        self.jobs: list[Message] = []
        self.report, self.stops = report, 0

    def begin(self, job: Message) -> None:
        self.jobs.append(job)

    def stop(self) -> None:
        self.stops += 1

    def close(self) -> None:
        """There is nothing to end."""


async def one_byte() -> AsyncIterator[bytes]:
    yield b"x"


def test_an_inspection_makes_way_for_the_next_picture_and_is_done_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workbench, "Worker", Worker)
    shown = {"kind": "shown", "width": 4, "height": 3, "alpha": False}

    async def brought() -> None:
        bench = Workbench()
        looker: Any = bench._looker

        async def settle() -> None:
            for _ in range(10):
                await asyncio.sleep(0.01)

        first = asyncio.create_task(bench.bring("a.png", one_byte()))
        await settle()
        looker.report(shown)
        a = await first
        assert looker.stops == 0
        second = asyncio.create_task(bench.bring("b.png", one_byte()))
        await settle()
        assert looker.stops == 1
        looker.report({"kind": "done", "put_off": True})
        looker.report(shown)
        b = await second
        assert [(job["job"], Path(job["source"]).name) for job in looker.jobs] == [
            ("look", "a.png"),
            ("look", "b.png"),
            ("inspect", "a.png"),
        ]
        assert not a.looked
        for text in ("of b", "of a"):
            looker.report({"kind": "done", "found": [{"topic": text, "sentence": ""}], "remedies": []})
        await settle()
        assert (a.found[0]["topic"], b.found[0]["topic"]) == ("of a", "of b")
        assert a.looked
        bench.close()

    asyncio.run(brought())


def test_an_inspection_ends_between_two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)).save(path)
    job, stopped = {"job": "inspect", "source": str(path), "folder": str(tmp_path)}, threading.Event()
    assert engine._answer(job, lambda message: None, stopped)["found"]
    from zeroshot.inspection import inspection

    compression_of = inspection.compression_of
    steps = []

    def stopping(picture: Any) -> Any:
        steps.append("compression")
        stopped.set()
        return compression_of(picture)

    monkeypatch.setattr(inspection, "compression_of", stopping)
    monkeypatch.setattr(inspection, "estimate_noise", lambda *_args, **_options: steps.append("noise"))
    assert engine._answer(job, lambda message: None, stopped) == {"kind": "done", "put_off": True}
    assert steps == ["compression"]


def test_a_file_that_two_ask_for_at_once_is_written_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workbench, "Worker", Worker)
    (tmp_path / "photo.png").write_bytes(b"x")
    run = SimpleNamespace(folder=tmp_path, output="photo.png", result={"kind": "done"})

    async def asked() -> None:
        bench = Workbench()
        bench.runs["1"] = cast(RunEntry, run)
        looker: Any = bench._looker
        both = [asyncio.create_task(bench.download("1", "tiff")) for _ in range(2)]
        await asyncio.sleep(0.01)
        path = downloads.place(tmp_path, "photo.png", "tiff")
        path.parent.mkdir(parents=True)
        path.write_bytes(b"y")
        looker.report({"kind": "done"})
        assert await asyncio.wait_for(asyncio.gather(*both), 10) == [path, path]
        assert [job["format"] for job in looker.jobs] == ["tiff"]
        bench.close()

    asyncio.run(asked())
