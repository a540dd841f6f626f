"""solve(): a damaged image and the name of the damage in, the restored image out; and the one loop."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeroshot import images, registry
from zeroshot.checkpoint import Checkpoint
from zeroshot.history import History
from zeroshot.prior import Estimate, Prior, Run
from zeroshot.problem import Problem
from zeroshot.restoration import Restoration
from zeroshot.stopping import StoppingRule, TimeBudget
from zeroshot.tasks import make_problem
from zeroshot.version import __version__
from zeroshot.watch import DivergenceWatch, Preview, Progress, interruption

Callback = Callable[[Estimate, Run], None]


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


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    image: torch.Tensor
    stopped_by: str
    iterations: int
    seconds: float
    history: History


def solve(
    image: Any,
    task: str,
    prior: str | Prior = "dip",
    *,
    settings: dict[str, Any] | None = None,
    stopping: StoppingRule | None = None,
    seconds: float | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    value_range: tuple[float, float] | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool | None = None,
    preview: str | Path | None = None,
    preview_seconds: float = 5.0,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
    resume: bool = False,
    **options: Any,
) -> Restoration:
    """Restore an image: ``min over θ of D(A(x(θ)), y) + λR(x)`` with A and D from the task, x and R from the prior.

    Parameters
    ----------
    image : path, PIL image, numpy array or torch tensor
        The damaged image: H×W or H×W×C arrays of uint8, uint16 or float in [0, 1]; C×H×W or N×C×H×W tensors.
        Each image of a batch is a run of its own.
    task : str
        What the damage is; :func:`zeroshot.tasks` lists the names and their options.
    prior : str or Prior
        What images look like; a registered name takes the family's defaults for the task.
    settings : dict, optional
        Hyper-parameters to put over those defaults, such as ``{"channels": 64}``.
    stopping : StoppingRule, optional
        When to stop; by default the prior's own rule.
    seconds : float, optional
        Stop after this time in any case, with the best image so far.
    seed : int
        The same seed, device and thread count give the same bytes.
    device : str or torch.device
        "auto" takes a GPU where there is one.
    value_range : tuple of float, optional
        For float images outside [0, 1]: the values that mean black and white.
    callbacks : sequence of callable
        Called as ``callback(estimate, run)`` after every step.
    progress : bool, optional
        Whether to show a progress bar; by default where standard error is a terminal.
    preview : path, optional
        An image file that is rewritten every `preview_seconds` with the estimate.
    checkpoint : path, optional
        A file that the run is saved to every `checkpoint_seconds`, and that is removed when it ends.
    resume : bool
        Continue from `checkpoint` where it exists.
    **options
        The task's options: ``sigma=25/255``, ``scale=4``, ``mask=…``

    Returns
    -------
    Restoration
        With `image` of the kind and dtype of the input.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        In one line, before any work, where something about the input does not fit.

    Examples
    --------
    >>> import zeroshot
    >>> from skimage.data import astronaut
    >>> noisy = astronaut()[:64, 200:264]
    >>> restored = zeroshot.solve(noisy, task="denoise", prior="tv", sigma=10 / 255)
    >>> restored.image.shape, restored.image.dtype
    ((64, 64, 3), dtype('uint8'))
    """
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ValueError(f"seconds must be a positive number, got {seconds}")
    if resume and checkpoint is None:
        raise ValueError("resume=True needs checkpoint=…: the file that the run was saved to")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}")
    target = resolve_device(device)
    picture = images.load(image, value_range=value_range)
    if preview is not None:
        images.check_output(preview, overwrite=True)
    problem, picture, options = make_problem(task, picture, options)
    watching = Watching(callbacks, progress, preview, preview_seconds, checkpoint, checkpoint_seconds, resume)
    job = _Job(prior, settings, stopping, seconds, int(seed), target, watching, options)
    count = problem.y.shape[0]
    if count == 1:
        return job.restore(problem, picture)
    if checkpoint is not None or preview is not None:
        raise ValueError("checkpoint and preview go with one image; give the images of a batch one by one")
    return _joined(picture, [job.share(count).restore(*_part(problem, picture, i)) for i in range(count)])


def resolve_device(device: str | torch.device) -> torch.device:
    """The torch device that `device` means; "auto" is a GPU where there is one, else the CPU.

    Raises
    ------
    ValueError
        Where there is no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"there is no device {str(device)!r} here; use 'cpu' or 'auto'") from error
    return found


@dataclass(frozen=True)
class _Job:
    """What solve() was asked for, less the image."""

    prior: str | Prior
    settings: dict[str, Any] | None
    stopping: StoppingRule | None
    seconds: float | None
    seed: int
    device: torch.device
    watching: Watching
    options: dict[str, Any]

    def share(self, count: int) -> _Job:
        """The same job with its budget split over `count` images."""
        return replace(self, seconds=None if self.seconds is None else self.seconds / count)

    def restore(self, problem: Problem, picture: images.Picture) -> Restoration:
        prior = registry.create(self.prior, problem, self.settings)
        reason = prior.supports(problem)
        if reason:
            raise ValueError(f"prior {prior.name!r} cannot do this: {reason}")
        rule = self.stopping or prior.default_stopping(problem)
        generator = torch.Generator().manual_seed(self.seed)
        if rule.holds_out:
            problem = problem.hold_out(rule.holds_out, generator)
        provenance = {
            "zeroshot": __version__,
            "torch": str(torch.__version__),
            "task": problem.task,
            "options": {name: _described(value) for name, value in self.options.items()},
            "operator": problem.operator.describe(),
            "data_term": repr(problem.data_term),
            "sigma": problem.sigma,
            "prior": prior.name,
            "settings": {name: _described(value) for name, value in prior.settings().items()},
            "stopping": repr(rule),
            "seed": self.seed,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "input_sha256": picture.sha256(),
        }
        outcome = optimise(
            problem.to(self.device), prior, rule, generator, self.seconds, self.watching, picture, provenance
        )
        # No wall-clock time in here: the same run must give the same file, byte for byte.
        provenance |= {
            "stopped_by": outcome.stopped_by,
            "iterations": outcome.iterations,
            "seconds_allowed": self.seconds,
        }
        restored = picture.with_colours(outcome.image.float().cpu())
        return Restoration(
            restored,
            outcome.stopped_by,
            outcome.iterations,
            outcome.seconds,
            outcome.history,
            problem.sigma,
            provenance,
            measurement=problem.y[:, :3],
        )


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

    spent = 0.0 if saved is None else saved["seconds"]
    began = time.monotonic() - spent
    first = problem.initial()
    run = prior.start(problem, generator)
    budget = None if seconds is None else TimeBudget(seconds)
    stop = rule if budget is None else rule | budget
    stop.start(problem)
    history = History()
    watch = DivergenceWatch(run, first)
    if saved is not None:
        run.load_state_dict(saved["run"])
        rule.load_state_dict(saved["rule"])
        if budget is not None:
            budget.load_state_dict({"elapsed": spent})
        history.load_state_dict(saved["history"])
        watch.load_state_dict(saved["watch"])

    preview = Preview(_preview_writer(watching.preview, picture), watching.preview_seconds)
    progress = Progress(watching.progress, seconds, getattr(prior, "iterations", None), problem.task)

    def save() -> None:
        if checkpoint is not None:
            checkpoint.save(
                {
                    "run": run.state_dict(),
                    "rule": rule.state_dict(),
                    "history": history.state_dict(),
                    "watch": watch.state_dict(),
                    "seconds": time.monotonic() - began,
                }
            )

    last = first
    with interruption() as interrupted:
        while True:
            estimate = run.step()
            elapsed = time.monotonic() - began
            if not watch.accepts(estimate):
                if watch.restart():
                    continue
                last, stopped_by = (
                    watch.image,
                    "the loss was not finite twice, the second time with a smaller step",
                )
                break
            last = estimate.image
            stopping_now = stop.update(estimate)
            history.append(estimate, elapsed, stop.measures())
            progress.update(estimate, elapsed)
            if preview.update(estimate):
                history.previews.append(len(history) - 1)
            for callback in watching.callbacks:
                callback(estimate, run)
            if stopping_now:
                stopped_by = stop.reason
                break
            if interrupted.requested:
                save()
                stopped_by = "interrupted"
                break
            if checkpoint is not None and checkpoint.due():
                save()
    progress.close()
    if checkpoint is not None and stopped_by != "interrupted":
        checkpoint.remove()
    best = stop.best()
    iterations = int(history["iteration"][-1]) if len(history) else 0
    image = (last if best is None else best).clone()
    return Outcome(image, stopped_by, iterations, time.monotonic() - began, history)


def _preview_writer(
    path: str | Path | None, picture: images.Picture | None
) -> Callable[[torch.Tensor], None] | None:
    if path is None or picture is None:
        return None
    target, source = path, picture

    def write(image: torch.Tensor) -> None:
        images.save(source.with_colours(image.float().cpu()), target, overwrite=True)

    return write


def _part(problem: Problem, picture: images.Picture, index: int) -> tuple[Problem, images.Picture]:
    """Image `index` of a batch, with its share of everything that is per image."""
    count = problem.y.shape[0]

    def select(tensor: torch.Tensor | None) -> torch.Tensor | None:
        return tensor if tensor is None or tensor.shape[0] != count else tensor[index : index + 1]

    y = problem.y[index : index + 1]
    part = replace(
        problem,
        y=y,
        operator=problem.operator.for_image(index, count),
        measured=select(problem.measured),
        reference_shape=(1, *problem.reference_shape[1:]),
    )
    return part, picture.part(index)


def _joined(picture: images.Picture, parts: list[Restoration]) -> Restoration:
    """The restorations of a batch as one."""
    colours = torch.cat([part.picture.colours for part in parts])
    first = parts[0]
    reasons = sorted({part.stopped_by for part in parts})
    return Restoration(
        picture.with_colours(colours),
        reasons[0] if len(reasons) == 1 else "several reasons: " + "; ".join(reasons),
        sum(part.iterations for part in parts),
        sum(part.seconds for part in parts),
        first.history,
        None if first.sigma is None else float(np.mean([part.sigma for part in parts])),
        first.provenance | {"batch": [part.provenance for part in parts]},
        measurement=torch.cat([part.measurement for part in parts]),
        parts=tuple(parts),
    )


def _described(value: Any) -> Any:
    """An option or setting as JSON can hold it: arrays by shape and checksum."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.number):
        return value.item()
    if isinstance(value, tuple | list):
        return [_described(item) for item in value]
    if isinstance(value, torch.Tensor | np.ndarray):
        array = np.ascontiguousarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value)
        digest = hashlib.sha256(array.tobytes()).hexdigest()[:16]
        return f"{type(value).__name__} {'×'.join(map(str, array.shape))} {array.dtype} sha256 {digest}"
    return repr(value) if not isinstance(value, Path) else str(value)
