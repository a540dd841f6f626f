"""The process that looks at pictures and restores them for the page; :class:`zeroshot.app.worker.Worker` asks it.

It answers each job with messages: dicts with a ``kind``, of which the last is one of `ENDS`. While it restores it hears
"stop", and then ends after the step, with the best picture so far and a checkpoint to go on from.
"""

from __future__ import annotations

import io
import os
import queue
import re
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroshot.app import downloads
from zeroshot.app.wording import field_of, in_words
from zeroshot.child_process import become_child
from zeroshot.cli.messages import FAILURES
from zeroshot.files import write_atomically
from zeroshot.memory import tells_of_memory

if TYPE_CHECKING:
    from zeroshot.images import Picture
    from zeroshot.inspection import Inspection

Message = dict[str, Any]
Tell = Callable[[Message], None]

#: The kinds of message that end a job.
ENDS = ("done", "failed")
STOP = "stop"
CHECKPOINT = "checkpoint"
PREVIEW = "preview.jpg"
SHOWN = "shown.png"
#: What a picture may have at most.
MOST_PIXELS = 50_000_000
_TOLD_EVERY = 0.15
_SHOWN_EVERY = 0.6
#: A preview is made at most this share of the time.
_PREVIEW_SHARE = 0.1


def serve(pipe: Connection, log: Path) -> None:
    """Do one job after another until the parent is gone."""
    become_child(log)
    jobs: queue.Queue[Message] = queue.Queue()
    stopped = threading.Event()
    threading.Thread(target=_listen, args=(pipe, jobs, stopped), daemon=True).start()
    import zeroshot.inspection
    import zeroshot.solve  # noqa: F401 - so that the first job need not wait for it

    while True:
        job = jobs.get()
        with _told_warnings(pipe.send):
            pipe.send(_answer(job, pipe.send, stopped))


def _listen(pipe: Connection, jobs: queue.Queue[Message], stopped: threading.Event) -> None:
    """Take what the parent sends: a job, or the wish that the one at work ends."""
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            os._exit(0)
        if message == STOP:
            stopped.set()
        else:
            stopped.clear()
            jobs.put(message)


@contextmanager
def _told_warnings(tell: Tell) -> Iterator[None]:
    """Notes of the engine go to the page, each once."""
    said: set[str] = set()

    def show(message: Warning | str, *_args: object, **_kwargs: object) -> None:
        text = in_words(message)
        if text not in said:
            said.add(text)
            tell({"kind": "note", "text": text})

    with warnings.catch_warnings():
        warnings.showwarning = show
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        yield


def _answer(job: Message, tell: Tell, stopped: threading.Event) -> Message:
    """The last message of a job."""
    try:
        if job["job"] == "restore":
            return _restore(job, tell, stopped)
        if job["job"] == "write":
            downloads.write(Path(job["folder"]), job["output"], job["format"])
            return {"kind": "done"}
        if job["job"] == "look":
            _decode(job, tell)
        return _inspect(job, stopped)
    except Exception as error:
        if not isinstance(error, FAILURES):
            traceback.print_exc(file=sys.stderr)
        if isinstance(error, MemoryError) or (
            isinstance(error, RuntimeError) and tells_of_memory(str(error))
        ):
            text = "out of memory: try a smaller picture, or the prior tv"
        elif isinstance(error, OSError) and error.strerror:
            text = error.strerror
        else:
            text = in_words(error)
            if named := re.match(re.escape(job["folder"]) + r"[^:]*: ", text):
                text = text[named.end() :]
            text = text.replace(f"{job.get('source')}: ", "") or type(error).__name__
        return {"kind": "failed", "text": text, "field": field_of(error)}


# --- looking ---------------------------------------------------------------------------------------------------


def _decode(job: Message, tell: Tell) -> None:
    """Decode a picture, and write what the page shows of it."""
    from zeroshot import images

    source, folder = Path(job["source"]), Path(job["folder"])
    picture = images.load(source)
    height, width = picture.colours.shape[-2:]
    if height * width > MOST_PIXELS:
        size = f"{width} × {height} are {height * width / 1e6:.0f} megapixels"
        raise ValueError(
            f"{size}, and the page takes {MOST_PIXELS // 1_000_000}; the command line takes more, in tiles"
        )
    _write_shown(picture, folder / SHOWN)
    tell(
        {
            "kind": "shown",
            "width": width,
            "height": height,
            "alpha": picture.visible is not None,
        }
    )


class _PutOff(Exception):
    """Another picture was brought, which is to be shown first."""


def _inspect(job: Message, stopped: threading.Event) -> Message:
    """Find out what is wrong with a picture, unless something else is to be done first."""
    from zeroshot.inspection import inspect

    def unless_stopped() -> None:
        if stopped.is_set():
            raise _PutOff

    try:
        unless_stopped()
        return {"kind": "done", **_findings(inspect(Path(job["source"]), between_steps=unless_stopped))}
    except _PutOff:
        return {"kind": "done", "put_off": True}


def _findings(found: Inspection) -> Message:
    return {
        "found": [{"topic": one.topic, "sentence": one.sentence} for one in found.told],
        "remedies": [{"task": one.task, "options": one.options} for one in found.remedies],
    }


def _write_shown(picture: Picture, path: Path) -> None:
    """The picture in 8 bits, as a browser shows it."""
    from zeroshot.display import image_of

    image = image_of(picture.colours[:1], None if picture.alpha is None else picture.alpha[:1])
    icc = picture.form.metadata.icc_for(picture.colours.shape[1])
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1, icc_profile=icc)
    write_atomically(path, buffer.getvalue())


# --- restoring -------------------------------------------------------------------------------------------------


def _restore(job: Message, tell: Tell, stopped: threading.Event) -> Message:
    """Restore a picture, and write the result as the command line does."""
    from zeroshot.solve import solve

    folder, source = Path(job["folder"]), Path(job["source"])
    # What was painted lies here, and is called by its name alone in what the result says of itself.
    with _within(folder):
        restoration = solve(
            source,
            job["task"],
            job["prior"],
            settings=job["settings"],
            seconds=job["seconds"],
            seed=job["seed"],
            tile=job["tile"],
            samples=job["samples"],
            value_range=job["value_range"],
            callbacks=[_watching(tell, stopped, folder, job["seconds"])],
            progress=False,
            checkpoint=folder / CHECKPOINT,
            checkpoint_seconds=30,
            resume=job["resume"],
            keep_checkpoint=True,
            **job["options"],
        )
    restoration.save(folder / job["output"], overwrite=True)
    downloads.keep_depth(restoration, folder)
    _write_shown(restoration.picture, folder / SHOWN)
    if not restoration.interrupted:
        (folder / CHECKPOINT).unlink(missing_ok=True)
    height, width = restoration.picture.colours.shape[-2:]
    return {
        "kind": "done",
        "width": width,
        "height": height,
        "prior": restoration.provenance["prior"],
        "stopped_by": in_words(restoration.stopped_by),
        "interrupted": restoration.interrupted,
        "seconds": restoration.seconds,
        "iterations": restoration.iterations,
        "noise": restoration.noise_in_words,
    }


@contextmanager
def _within(folder: Path) -> Iterator[None]:
    """With this current folder; Windows removes none that is current somewhere."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _watching(tell: Tell, stopped: threading.Event, folder: Path, seconds: float | None) -> Any:
    """A listener of the loop that tells of it, shows the estimate, and ends it when that is asked for."""
    from zeroshot.display import image_of
    from zeroshot.estimate import Estimate
    from zeroshot.loop import INTERRUPTED, Listener, Loop
    from zeroshot.watch import course

    class Watching(Listener):
        def __init__(self) -> None:
            self.curve: list[tuple[int, float]] = []
            self.first: tuple[float, float] | None = None
            self.told = self.shown_until = -float("inf")
            self.previews = 0

        def stepped(self, loop: Loop, estimate: Estimate) -> None:
            if stopped.is_set() and not loop.reason:
                loop.end(INTERRUPTED)
            now = time.monotonic()
            position, total = course(loop, estimate, seconds)
            self.first = self.first or (now, position)
            self.curve.append((estimate.iteration, estimate.loss))
            if now - self.told >= _TOLD_EVERY or loop.reason:
                tell(self._told(loop, estimate, position, total, now))
                self.told, self.curve = now, []
            if now >= self.shown_until and not loop.reason:
                self._show(loop.problem.framed(estimate.image))

        def _told(
            self, loop: Loop, estimate: Estimate, position: float, total: float | None, now: float
        ) -> Message:
            began, start = self.first or (now, position)
            left = None
            if seconds is not None:
                left = max(0.0, seconds - loop.seconds)
            elif total and position > start:
                left = (now - began) * max(0.0, total - position) / (position - start)
            return {
                "kind": "course",
                "iteration": estimate.iteration,
                "loss": estimate.loss,
                "curve": self.curve,
                "share": min(1.0, position / total) if total else None,
                "left": left,
                "seconds": loop.seconds,
                "stage": loop.run.stage(),
            }

        def _show(self, colours: Any) -> None:
            begun = time.monotonic()
            buffer = io.BytesIO()
            image_of(colours[:1].float()).save(buffer, format="JPEG", quality=90, subsampling=0)
            write_atomically(folder / PREVIEW, buffer.getvalue())
            self.previews += 1
            tell({"kind": "preview", "width": colours.shape[-1], "height": colours.shape[-2]})
            now = time.monotonic()
            self.shown_until = now + max(_SHOWN_EVERY, (now - begun) / _PREVIEW_SHARE)

    return Watching()
