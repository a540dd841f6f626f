"""The one loop: step a prior's run until the rule, the budget or the user says stop."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from zeroshot import images
from zeroshot.estimate import Estimate, History
from zeroshot.prior import Prior, Run
from zeroshot.problem import Problem
from zeroshot.stopping import StoppingRule, TimeBudget
from zeroshot.watch import Checkpoint, DivergenceWatch, Preview, Progress, interruption

Callback = Callable[[Estimate, Run], None]

_DIVERGED = "the loss was not finite twice, the second time with a smaller step"


@dataclass(frozen=True)
class Watching:
    """Who watches a run, and what is written while it goes on."""

    callbacks: Sequence[Callback] = ()
    progress: bool | None = None
    preview: str | Path | None = None
    preview_seconds: float = 5.0
    checkpoint: str | Path | None = None
    checkpoint_seconds: float = 60.0
    resume: bool = False
    keep_checkpoint: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    image: torch.Tensor
    stopped_by: str
    iterations: int
    seconds: float
    history: History
    findings: dict[str, Any] = field(default_factory=dict)
    maps: dict[str, torch.Tensor] = field(default_factory=dict)
    arrays: dict[str, torch.Tensor] = field(default_factory=dict)


def optimise(
    problem: Problem,
    prior: Prior,
    rule: StoppingRule,
    generator: torch.Generator,
    seconds: float | None = None,
    watching: Watching | None = None,
    picture: images.Picture | None = None,
    fingerprint: dict[str, Any] | None = None,
) -> Outcome:
    """The one loop: step the prior's run until the rule, the budget or the user says stop.

    Parameters
    ----------
    problem : Problem
        On the device where it is to be solved.
    prior : Prior
        A prior that supports the problem.
    rule : StoppingRule
        When to stop, the time apart.
    generator : torch.Generator
        The source of all randomness.
    seconds : float, optional
        The budget; time spent before a resumed checkpoint counts.
    watching : Watching, optional
        Progress bar, callbacks, preview and checkpoint.
    picture : Picture, optional
        The input, for previews of its kind.
    fingerprint : dict, optional
        What a checkpoint must agree with to be continued.
    """
    watching = watching or Watching()
    checkpoint = None
    saved = None
    if watching.checkpoint is not None:
        checkpoint = Checkpoint(watching.checkpoint, fingerprint or {}, watching.checkpoint_seconds)
        saved = checkpoint.load() if watching.resume else None
    preview = Preview(_preview_writer(watching.preview, picture), watching.preview_seconds)
    spent = 0.0 if saved is None else saved["seconds"]
    began = time.monotonic() - spent
    budget = None if seconds is None else TimeBudget(seconds)
    stop = rule if budget is None else rule | budget
    stop.start(problem)
    history = History()
    progress = Progress(watching.progress, seconds, getattr(prior, "iterations", None), problem.task)

    with interruption() as interrupted:
        first = problem.initial()
        run = prior.start(problem, generator)

        def snapshot() -> dict[str, Any]:
            return {
                "run": run.state_dict(),
                "rule": rule.state_dict(),
                "history": history.state_dict(),
            }

        def restore(state: dict[str, Any]) -> None:
            run.load_state_dict(state["run"])
            rule.load_state_dict(state["rule"])
            history.load_state_dict(state["history"])

        watch = DivergenceWatch(run, snapshot, restore, first)
        if saved is not None:
            restore(saved)
            watch.load_state_dict(saved["watch"])
        if budget is not None:
            budget.load_state_dict({"elapsed": time.monotonic() - began})

        def save() -> None:
            if checkpoint is not None:
                elapsed = time.monotonic() - began
                checkpoint.save({**snapshot(), "watch": watch.state_dict(), "seconds": elapsed})

        last = first
        while True:
            estimate = run.step()
            elapsed = time.monotonic() - began
            if not watch.accepts(estimate):
                if watch.restart():
                    continue
                last, stopped_by = watch.image, _DIVERGED
                break
            last = estimate.image
            stopping_now = stop.update(estimate)
            history.append(estimate, elapsed, stop.measures())
            run.note_best(stop.best(), estimate)
            watch.keep(estimate)
            progress.update(estimate, elapsed, run.stage())
            with _tolerated("the preview"):
                if preview.update(estimate):
                    history.previews.append(len(history) - 1)
            for callback in watching.callbacks:
                callback(estimate, run)
            if stopping_now:
                stopped_by = stop.reason or repr(stop)
                break
            if run.finished:
                stopped_by = f"finished after {estimate.iteration} iterations: nothing is left to do"
                break
            if interrupted.requested:
                stopped_by = "interrupted"
                with _tolerated("the checkpoint"):
                    save()
                break
            if checkpoint is not None and checkpoint.due():
                with _tolerated("the checkpoint"):
                    save()
    progress.close()
    if checkpoint is not None and stopped_by != "interrupted" and not watching.keep_checkpoint:
        checkpoint.remove()
    best = stop.best()
    iterations = int(history["iteration"][-1]) if len(history) else 0
    image = (last if best is None else best).clone()
    remark = run.remark()
    stopped_by = f"{stopped_by}; {remark}" if remark else stopped_by
    spent = time.monotonic() - began
    beside = run.findings(), run.maps(), run.arrays()
    return Outcome(image, stopped_by, iterations, spent, history, *beside)


@contextmanager
def _tolerated(what: str) -> Iterator[None]:
    """A full disk must not end a run: what could not be written is reported, and the run goes on."""
    try:
        yield
    except (OSError, images.ImageError) as error:
        warnings.warn(f"{what} could not be written: {error}", stacklevel=3)


def _preview_writer(
    path: str | Path | None, picture: images.Picture | None
) -> Callable[[torch.Tensor], None] | None:
    if path is None or picture is None:
        return None
    target, source = path, picture

    def write(image: torch.Tensor) -> None:
        images.save(source.with_colours(image.float().cpu()), target, overwrite=True)

    return write
