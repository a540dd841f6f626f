"""The pictures that were brought and the runs on them, one at a time in their order, in a folder that ends with it.

All of it belongs to the loop of the server; the workers' threads hand their messages over to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from zeroshot.app import downloads
from zeroshot.app.engine import SHOWN, Message
from zeroshot.app.entries import DONE, FAILED, RUNNING, STOPPED, STOPPING, WAITING, PictureEntry, RunEntry
from zeroshot.app.orders import Order, order_of
from zeroshot.app.uploads import painted, received, safe_name
from zeroshot.app.wording import RefusedError
from zeroshot.app.worker import Worker
from zeroshot.files import write_atomically
from zeroshot.tasks import task_named

#: Pictures and runs that are kept at most.
MOST_PICTURES, MOST_RUNS = 50, 200


class Workbench:
    """Pictures, runs, and the two processes that look and restore; used within a running loop.

    Attributes
    ----------
    folder : pathlib.Path
        Holds all that was brought and made, for this user alone; removed by :meth:`close`.
    version : int
        Grows with every change.
    """

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="zeroshot-app-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self.pictures: dict[str, PictureEntry] = {}
        self.runs: dict[str, RunEntry] = {}
        self.version, self.closing = 0, False
        self._changed = asyncio.Event()
        self._numbers = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        self._at_work: RunEntry | None = None
        self._writing = asyncio.Lock()
        # What the looker was asked for, in that order: to look at a picture, or (None) to write a download.
        self._looking: list[tuple[PictureEntry | None, asyncio.Future[None]]] = []
        self._looker = Worker(
            self.folder / "looking.log", lambda message: self._hand_over(self._looked, message)
        )
        self._runner = Worker(
            self.folder / "running.log", lambda message: self._hand_over(self._told, message)
        )

    def leave(self) -> None:
        """Tell those who wait for news that there will be none."""
        self.closing = True
        self.change()

    def close(self) -> None:
        """End what runs, and remove everything that was brought and made."""
        self.leave()
        with contextlib.ExitStack() as ending:
            ending.callback(self._temporary.cleanup)
            ending.callback(self._looker.close)
            ending.callback(self._runner.close)

    # --- what the page is told ---

    def change(self) -> None:
        """Let those who wait know that something has changed."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed_since(self, version: int, seconds: float) -> None:
        """Wait until something is newer than `version`, for so long at most."""
        if self.version <= version and not self.closing:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)

    def described(self) -> dict[str, Any]:
        """All pictures and runs."""
        return {
            "version": self.version,
            "closing": self.closing,
            "pictures": [picture.described() for picture in self.pictures.values()],
            "runs": [run.described() for run in self.runs.values()],
        }

    def picture(self, id: str) -> PictureEntry:
        """The picture of this id; RefusedError where there is none."""
        if id not in self.pictures:
            raise RefusedError("this picture is not here any more", status=404)
        return self.pictures[id]

    def run(self, id: str) -> RunEntry:
        """The run of this id; RefusedError where there is none."""
        if id not in self.runs:
            raise RefusedError("this run is not here any more", status=404)
        return self.runs[id]

    # --- pictures ---

    async def bring(self, name: str, chunks: AsyncIterator[bytes]) -> PictureEntry:
        """Take a picture; it is there when it could be decoded, and then looked over.

        Raises
        ------
        RefusedError
            Where it is too large, is no picture, or there are too many.
        """
        if len(self.pictures) >= MOST_PICTURES:
            raise RefusedError(f"there are {MOST_PICTURES} pictures already; remove one first")
        id = f"p{next(self._numbers)}"
        entry = PictureEntry(id, safe_name(name), self.folder / id)
        entry.source.parent.mkdir(parents=True)
        shown: asyncio.Future[None] = self._loop.create_future()
        try:
            await received(chunks, entry.source)
            self._looking.append((entry, shown))
            self._look("look", entry)
            if self._looking[0][1].done():  # it is shown, and being inspected, which can wait
                self._looker.stop()
            await shown
        except BaseException:
            shutil.rmtree(entry.folder, ignore_errors=True)
            raise
        self.pictures[id] = entry
        self.change()
        return entry

    def remove_picture(self, id: str) -> None:
        """Forget a picture, with its runs."""
        picture = self.picture(id)
        for run in [one for one in self.runs.values() if one.picture is picture]:
            self.remove_run(run.id)
        del self.pictures[id]
        shutil.rmtree(picture.folder, ignore_errors=True)
        self.change()

    def _look(self, job: str, entry: PictureEntry) -> None:
        self._looker.begin({"job": job, "source": str(entry.source), "folder": str(entry.folder)})

    def _looked(self, message: Message) -> None:
        entry, shown = self._looking[0]
        if entry is None:
            self._written(message, shown)
        elif message["kind"] == "shown":
            entry.size, entry.alpha = (message["width"], message["height"]), message["alpha"]
            if not shown.done():
                shown.set_result(None)
        elif message["kind"] in ("done", "failed"):
            del self._looking[0]
            if message.get("put_off"):
                if entry.source.exists():  # it was not removed meanwhile
                    self._looking.append((entry, shown))
                    self._look("inspect", entry)
                return
            if message["kind"] == "failed" and not shown.done():
                shown.set_exception(RefusedError(message["text"]))
            entry.looked = True
            entry.found = message.get("found", [])
            entry.remedies = message.get("remedies", [])
            self.change()

    def _written(self, message: Message, written: asyncio.Future[None]) -> None:
        if message["kind"] not in ("done", "failed"):
            return
        del self._looking[0]
        if written.done():
            return
        if message["kind"] == "done":
            written.set_result(None)
        else:
            written.set_exception(RefusedError(message["text"]))

    # --- what is painted, and files of options ---

    def paint(self, id: str, task: str, option: str, data: bytes) -> str:
        """Keep what was painted for an option; nothing is what was there before. The name of the file."""
        picture = self.picture(id)
        kinds = {one.name: one.type for one in task_named(task).options}
        if option not in kinds or not kinds[option].painted:
            raise RefusedError(f"nothing is painted for {option}")
        name = f"{Path(picture.name).stem}.{option}.png"
        path = picture.folder / "layers" / name
        path.parent.mkdir(exist_ok=True)
        if data:
            write_atomically(path, painted(data, kinds[option], picture.size))
            picture.files[option] = name
        else:
            self.forget_file(id, option)
        picture.layers[option] = picture.layers.get(option, 0) + 1
        self.change()
        return name

    async def bring_file(
        self, id: str, task: str, option: str, name: str, chunks: AsyncIterator[bytes]
    ) -> str:
        """Keep a file that an option is given, such as a kernel; its name."""
        picture = self.picture(id)
        kinds = {one.name: one.type for one in task_named(task).options}
        if option not in kinds or not kinds[option].is_file:
            raise RefusedError(f"no file goes with {option}")
        folder = picture.folder / "layers"
        folder.mkdir(exist_ok=True)
        # What is brought for one option does not replace what was brought for another.
        safe = f"{option}-{safe_name(name, 'file')}"
        self.forget_file(id, option)
        await received(chunks, folder / safe)
        picture.files[option] = safe
        self.change()
        return safe

    def forget_file(self, id: str, option: str) -> None:
        """Forget what was painted or brought for an option."""
        picture = self.picture(id)
        name = picture.files.pop(option, None)
        if name is not None:
            (picture.folder / "layers" / name).unlink(missing_ok=True)
            self.change()

    # --- runs ---

    def order(self, form: Mapping[str, Any]) -> tuple[PictureEntry, Order]:
        """The order that a form makes for its picture; RefusedError where it makes none."""
        picture = self.picture(str(form.get("picture")))
        return picture, order_of(form, picture.files)

    def start(self, form: Mapping[str, Any]) -> RunEntry:
        """Put a run at the end of the queue."""
        picture, order = self.order(form)
        if len(self.runs) >= MOST_RUNS:
            raise RefusedError(f"there are {MOST_RUNS} runs already; remove some first")
        id = f"r{next(self._numbers)}"
        folder = picture.folder / id
        folder.mkdir()
        for name in picture.files.values():
            # As it is now: what is painted later is for later runs.
            if name in order.options.values():
                shutil.copyfile(picture.folder / "layers" / name, folder / name)
        run = RunEntry(id, picture, order, dict(form), folder)
        self.runs[id] = run
        self._next()
        return run

    def stop(self, id: str) -> None:
        """End a run after its step, with the best picture so far; a second time: at once."""
        run = self.run(id)
        if run.state == WAITING:
            self.remove_run(id)
        elif run.state == RUNNING:
            run.state = STOPPING
            self._runner.stop()
        elif run.state == STOPPING:
            self._runner.kill()
        self.change()

    def resume(self, id: str) -> None:
        """Put a run that was stopped back into the queue, to go on where it was."""
        run = self.run(id)
        if not run.can_continue:
            raise RefusedError("this run has ended; there is nothing to go on from")
        run.state, run.resume, run.error = WAITING, True, ""
        # The last of the queue.
        self.runs[id] = self.runs.pop(id)
        self._next()

    def remove_run(self, id: str) -> None:
        """Forget a run; the one at work ends."""
        run = self.runs.pop(self.run(id).id)
        if run is self._at_work:
            self._runner.kill()
        else:
            shutil.rmtree(run.folder, ignore_errors=True)
        self.change()

    def _next(self) -> None:
        """Begin the first run that waits, where none is at work."""
        waiting = next((run for run in self.runs.values() if run.state == WAITING), None)
        if self._at_work is None and waiting is not None:
            self._at_work = waiting
            waiting.state = RUNNING
            order = waiting.order
            self._runner.begin(
                {
                    "job": "restore",
                    "source": str(waiting.picture.source),
                    "folder": str(waiting.folder),
                    "output": waiting.output,
                    "task": order.task,
                    "prior": order.prior,
                    "options": order.options,
                    "settings": order.settings,
                    "seconds": order.seconds,
                    "seed": order.seed,
                    "tile": order.tile,
                    "samples": order.samples,
                    "value_range": order.value_range,
                    "resume": waiting.resume,
                }
            )
        self.change()

    def _told(self, message: Message) -> None:
        """Take a message of the run at work."""
        run = self._at_work
        if run is None:
            return
        kind = message["kind"]
        if kind == "course":
            run.add_points(message.pop("curve"))
            run.course = message
        elif kind == "preview":
            run.preview += 1
        elif kind == "note":
            run.notes.append(message["text"])
        else:
            self._ended(run, message)
        self.change()

    def _ended(self, run: RunEntry, message: Message) -> None:
        if message["kind"] == "done":
            run.result = message
            run.state = STOPPED if message["interrupted"] else DONE
            if run.state == STOPPED:
                run.course = {**run.course, "left": None}
        elif run.state == STOPPING and not run.result:
            run.state, run.error = STOPPED, "ended at once, without a result"
        else:
            run.state, run.error, run.error_field = FAILED, message["text"], message["field"]
        self._at_work = None
        shutil.rmtree(run.folder / downloads.FOLDER, ignore_errors=True)  # of the result before
        if run.id not in self.runs:
            shutil.rmtree(run.folder, ignore_errors=True)
        self._next()

    def _hand_over(self, take: Any, message: Message) -> None:
        """From a worker's thread to the loop."""
        try:
            self._loop.call_soon_threadsafe(take, message)
        except RuntimeError:  # the loop has ended
            return

    # --- files ---

    async def download(self, id: str, format: str) -> Path:
        """The file of a result, in the format of this name; "" is what the command line would have written.

        Raises
        ------
        RefusedError
            Where there is no result yet, or the format cannot hold it.
        """
        run = self.run(id)
        path = run.folder / run.output
        if run.result is None or not path.is_file():
            raise RefusedError("there is no result yet", status=404)
        if not format:
            return path
        path = downloads.place(run.folder, run.output, format)
        async with self._writing:  # who asks for the same file at the same time gets that one
            if not path.is_file():
                written: asyncio.Future[None] = self._loop.create_future()
                self._looking.append((None, written))
                self._looker.begin(
                    {"job": "write", "folder": str(run.folder), "output": run.output, "format": format}
                )
                await written
        return path

    def shown(self, folder: Path) -> Path:
        """What the page shows of a picture or of a result; RefusedError where there is none yet."""
        if not (folder / SHOWN).is_file():
            raise RefusedError("there is no picture yet", status=404)
        return folder / SHOWN
