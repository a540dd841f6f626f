"""compare(): every method on every image under the same budget, each in a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from zeroshot.compare.attempt import AttemptResult
from zeroshot.compare.compared_methods import ComparedMethod, compared_methods
from zeroshot.compare.inputs import Given, Inputs, Source, printable_options, sources
from zeroshot.compare.machine import described_machine, versions
from zeroshot.compare.measuring import Measures, default_metrics
from zeroshot.compare.method import Method
from zeroshot.compare.methods.arrays import to_tensor
from zeroshot.compare.process import Runner
from zeroshot.compare.records import Cell, Table, option_text
from zeroshot.compare.report import write_csv, write_report
from zeroshot.compare.report.measures import measure, seconds_text
from zeroshot.compare.store import Existing, Plan
from zeroshot.compare.store_images import ImageStore
from zeroshot.compare.worker import MARK, UnguardedScriptError
from zeroshot.notes import note
from zeroshot.spelling import OptionError, Wording
from zeroshot.tasks import task_named
from zeroshot.tasks.degrade import check

#: Whether cells that failed, crashed, ran out of memory or out of time in an earlier run are run again.
Failed = Literal["keep", "retry"]
#: Statuses of runs that should have had a result.
FAILURES = ("failed", "crashed", "memory", "timeout")
_SECONDS_BETWEEN_REPORTS = 60.0
# Writing the page takes at most this share of the time.
_REPORT_SHARE = 0.05
# A method without a notion of time may take this much longer than the budget, and always this long.
_PATIENCE, _LEAST_PATIENCE = 10.0, 600.0


def compare(
    images: Any,
    task: str,
    methods: str | Sequence[str | Method],
    *,
    report: str | os.PathLike,
    options: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    seed: int = 0,
    metrics: Sequence[str] | None = None,
    given: Given | None = None,
    truths: Any = None,
    threads: int | None = None,
    timeout: float | None = None,
    memory: float | None = None,
    existing: Existing = "continue",
    failed: Failed = "keep",
    progress: Callable[[str], None] | None = None,
) -> Table:
    """Run every method on every image, ``x̂ = method(y)`` with ``y = A x + n`` made once, and measure the results.

    Each method runs in a process of its own, image after image, and only one at a time, so that times can be
    compared. An exception, a crash, or a lack of memory or time costs one cell. A comparison resumes where an
    earlier run into the same folder ended; images and methods may be added to it.

    Parameters
    ----------
    images : path, sequence of paths and (name, image) pairs, or mapping of names to images
        The truths, or the damaged images, see `given`. A folder stands for its images.
    task : str
        What the damage is; :func:`zeroshot.tasks` lists the names.
    methods : sequence of str or Method
        Texts as :func:`zeroshot.compare.specification.method_from` takes them (one text may list several,
        separated by commas), or objects with ``name``, ``supports`` and ``restore``. An object that cannot be
        pickled runs in this process, with a warning.
    report : path
        The folder that receives ``report.html``, ``results.csv``, the images, and what is needed to resume.
    options : mapping, optional
        What :func:`zeroshot.tasks.degrade.degrade` takes for this task, or for damaged images what
        :func:`zeroshot.solve` does.
    seconds : float, optional
        The budget of each run; methods without a notion of time ignore it.
    seed : int
        Of the damage and of the methods.
    metrics : sequence of str, optional
        Names of :data:`zeroshot.metrics.METRICS`, the main one first, and "consistency": the root mean square of
        A x̂ − y. By default PSNR (for "sr" that of the published tables first), SSIM and consistency; without
        truths consistency and NIQE.
    given : {"truth", "damaged"}, optional
        What `images` are; by default the truths, unless `truths` are given beside them.
    truths : folder, or mapping of names to images, optional
        The truths of damaged images, found by name.
    threads : int, optional
        CPU threads of every method; by default as many as PyTorch uses here. A comparison can be continued
        only with the same number: times and, to the last digit, results depend on it.
    timeout : float, optional
        Seconds after which a restoration is ended without a result; by default ten times the budget and at
        least ten minutes, or never where there is no budget.
    memory : float, optional
        GiB that a method may allocate beside its libraries.
    existing : {"continue", "overwrite"}
        What happens to a comparison that `report` holds.
    failed : {"keep", "retry"}
        Whether cells that an earlier run marked as failed are run again.
    progress : callable, optional
        Called with a line of text after each cell.

    Returns
    -------
    Table
        All that the folder holds, earlier images and methods included.

    Raises
    ------
    ValueError, TypeError, ImportError, OSError
        In one line, before any work.
    KeyboardInterrupt
        On Ctrl-C, after what is finished has been written.

    Examples
    --------
    >>> import tempfile
    >>> from skimage.data import astronaut
    >>> from zeroshot.compare import compare
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     table = compare(
    ...         {"astronaut": astronaut()}, "sr", "bicubic,tv", options={"scale": 4}, report=folder
    ...     )
    """
    # A script that calls this outside of its guarded part is run again by the worker of a method that it defines.
    if os.environ.get(MARK):
        raise UnguardedScriptError
    task = task_named(task).name
    chosen = {name: value for name, value in (options or {}).items() if value is not None}
    given = _given(given, truths)
    limits = _Limits.checked(seconds, timeout, memory, threads)
    _check_choices(existing, failed)
    if given == "truth":
        check(task, seed=seed, **chosen)
    named = sources(images, truths)
    truth = "unknown" if given == "damaged" and truths is None else "known"
    names = default_metrics(task, chosen, truth=truth) if metrics is None else metrics
    measures = Measures.checked([names] if isinstance(names, str) else names, truth=truth)
    compared = compared_methods(methods)
    store = ImageStore(report)
    _require_apart(named, store.folder)
    terms = {
        "task": task,
        "given": given,
        "options": printable_options(chosen),
        "seconds": seconds,
        "seed": int(seed),
        "metrics": list(measures.names),
        "threads": limits.threads,
        "versions": versions(("zeroshot", "torch")),
    }
    plan = Plan(
        terms,
        {source.name: source.checksum() for source in named},
        {method.name: method.identity for method in compared},
    )
    inputs = Inputs(store, named, given, task, chosen, int(seed))
    store.require_ours()
    for source in named:
        if existing == "overwrite" or not store.has_measurement(source.name):
            inputs.make(source.name)
    with store.locked():
        store.open(plan, existing)
        for source in named:
            inputs.write(source.name)
        return _Comparison(store, inputs, measures, plan, limits, progress or (lambda line: None)).run(
            compared, [source.name for source in named], failed
        )


# --- what was asked for --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Limits:
    """What every run is allowed."""

    seconds: float | None
    timeout: float | None
    memory: int | None
    threads: int

    @classmethod
    def checked(
        cls, seconds: float | None, timeout: float | None, memory: float | None, threads: int | None
    ) -> _Limits:
        for name, value in (("seconds", seconds), ("timeout", timeout), ("memory", memory)):
            is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if value is not None and not (is_number and 0 < value < float("inf")):
                raise ValueError(f"{name} must be a positive number, got {value!r}")
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
            raise ValueError(f"threads must be a whole number of at least 1, got {threads!r}")
        if timeout is None and seconds is not None:
            timeout = max(_PATIENCE * seconds, _LEAST_PATIENCE)
        size = None if memory is None else int(memory * 2**30)
        return cls(seconds, timeout, size, threads or torch.get_num_threads())


def _given(given: Given | None, truths: Any) -> Given:
    if given is None:
        return "truth" if truths is None else "damaged"
    if given not in ("truth", "damaged"):
        raise ValueError(f"given must be 'truth' or 'damaged', got {given!r}")
    if given == "truth" and truths is not None:
        damaged = Wording("given='damaged'", "--damaged")
        raise OptionError("truths go with ", damaged, ": the images are the truths themselves")
    return given


def _check_choices(existing: str, failed: str) -> None:
    if existing not in ("continue", "overwrite"):
        raise ValueError(f"existing must be 'continue' or 'overwrite', got {existing!r}")
    if failed not in ("keep", "retry"):
        raise ValueError(f"failed must be 'keep' or 'retry', got {failed!r}")


def _require_apart(named: Sequence[Source], folder: Path) -> None:
    """Refuse images inside the folder that the comparison writes."""
    place = folder.resolve()
    for source in named:
        for image in (source.image, source.truth):
            if isinstance(image, str | os.PathLike) and place in Path(image).resolve().parents:
                raise ValueError(
                    f"the image {image} lies in the folder of the report, {folder}; choose another"
                )


# --- running -------------------------------------------------------------------------------------------------


@dataclass
class _Comparison:
    """A running comparison."""

    store: ImageStore
    inputs: Inputs
    measures: Measures
    plan: Plan
    limits: _Limits
    progress: Callable[[str], None]
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    reported: float = field(default_factory=time.monotonic)
    report_seconds: float = 0.0

    def run(self, compared: list[ComparedMethod], names: list[str], failed: Failed) -> Table:
        """Run what is missing, and write the report."""
        self.cells = {(cell.image, cell.method): cell for cell in self.store.cells()}
        missing = {
            method.name: [name for name in names if self._is_missing(name, method.name, failed)]
            for method in compared
        }
        todo, total = sum(map(len, missing.values())), len(compared) * len(names)
        self.progress(
            f"{self._title()}: {len(names)} image{'s' * (len(names) != 1)} × {len(compared)} "
            f"method{'s' * (len(compared) != 1)}"
            + (f", {total - todo} of {total} runs are finished already" if todo < total else "")
        )
        counter = iter(range(total - todo + 1, total + 1))
        try:
            for method in compared:
                if missing[method.name]:
                    self._run_method(method, missing[method.name], counter, total)
        except KeyboardInterrupt:
            self._write_report()
            raise
        self._write_report()
        return self.table()

    def _is_missing(self, image: str, method: str, failed: Failed) -> bool:
        cell = self.cells.get((image, method))
        if cell is None or (failed == "retry" and cell.status in FAILURES):
            return True
        return cell.file is not None and not (self.store.folder / cell.file).is_file()

    def _run_method(
        self, method: ComparedMethod, names: list[str], counter: Iterator[int], total: int
    ) -> None:
        log = self.store.log(method.name)
        runner = method.runner(log, threads=self.limits.threads, memory=self.limits.memory)
        try:
            for name in names:
                cell = self._run_cell(runner, name, method.name)
                self.store.keep(cell)
                self.cells[name, method.name] = cell
                self.progress(f"[{next(counter)}/{total}] {method.name} · {name}: {self._summary(cell)}")
                write_csv(self.table(), self.store.folder)
                self._write_report_if_due()
        finally:
            runner.close()
            if log.is_file() and not log.stat().st_size:
                log.unlink()

    def _run_cell(self, runner: Runner, name: str, method: str) -> Cell:
        material = self.inputs.material(name)
        job = material.job(seconds=self.limits.seconds, seed=self.plan.terms["seed"])
        result = runner.attempt(job, self.limits.timeout)
        if result.image is None:
            return _cell(name, method, result)
        image = to_tensor(result.image).clamp(0, 1)
        values, reasons = self.measures.of(image, material)
        file = self.store.save_restored(name, method, image)
        notes = {f"no {metric}": reason for metric, reason in reasons.items()}
        return _cell(name, method, result, metrics=values, notes={**result.notes, **notes}, file=file)

    # --- progress and report ---

    def table(self) -> Table:
        """All that the folder holds."""
        terms = self.plan.terms
        return Table(
            title=self._title(),
            task=terms["task"],
            options=terms["options"],
            images=self.store.images,
            methods=self.store.methods,
            metrics=self.measures.names,
            cells=tuple(
                self.cells[image, method]
                for method in self.store.methods
                for image in self.store.images
                if (image, method) in self.cells
            ),
            truths=self.store.shown("truth"),
            damaged=self.store.shown("damaged"),
            seconds=terms["seconds"],
            seed=terms["seed"],
            provenance=described_machine(self.limits.threads) | self._described_methods(),
        )

    def _described_methods(self) -> dict[str, str]:
        """The identities of methods whose names do not tell; the command only names those of the last run."""
        identities = self.store.identities
        return {f"method {name}": text for name, text in identities.items() if text != name}

    def _title(self) -> str:
        terms = self.plan.terms
        return ", ".join(filter(None, [terms["task"], option_text(terms["options"])]))

    def _summary(self, cell: Cell) -> str:
        if cell.status != "done":
            return f"{cell.status}: {cell.reason}"
        main = self.measures.names[0]
        value = cell.metrics.get(main)
        measured = f"no {main}" if value is None else f"{main} {measure(main).text(value)}"
        return f"{measured}, {seconds_text(cell.seconds)} s"

    def _write_report_if_due(self) -> None:
        since = time.monotonic() - self.reported
        if since > max(_SECONDS_BETWEEN_REPORTS, self.report_seconds / _REPORT_SHARE):
            # The page is a preview here; at the end an error in writing it is raised.
            try:
                self._write_report()
            except Exception as error:
                note(f"the report could not be written yet: {error}")
                self.reported = time.monotonic()

    def _write_report(self) -> None:
        began = time.monotonic()
        table = self.table()
        write_csv(table, self.store.folder)
        write_report(table, self.store.folder)
        self.reported = time.monotonic()
        self.report_seconds = self.reported - began


def _cell(image: str, method: str, result: AttemptResult, **more: Any) -> Cell:
    facts = {
        "seconds": result.seconds,
        "memory_mib": result.memory_mib,
        "notes": result.notes,
        "curve": result.curve,
    }
    return Cell(image, method, result.status, result.reason, **{**facts, **more})
