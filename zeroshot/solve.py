"""solve(): a damaged image and the name of the damage in, the restored image out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeroshot import images
from zeroshot.estimate import History
from zeroshot.loop import Callback, Outcome, Watching, optimise
from zeroshot.operators.operator import Operator
from zeroshot.prior import Prior, configured_prior
from zeroshot.problem import Problem
from zeroshot.provenance import described
from zeroshot.restoration import Restoration
from zeroshot.stopping import StoppingRule
from zeroshot.tasks import make_problem
from zeroshot.tiling.planning import Composite, description, innermost, is_tiled
from zeroshot.version import __version__


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
    keep_checkpoint: bool = False,
    tile: int | str | None = "auto",
    overlap: int | str = "auto",
    samples: int = 1,
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
        On a CPU the same seed and thread count give the same bytes.
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
    keep_checkpoint : bool
        Leave the checkpoint in place at the end, for a caller who removes it once the result is safe.
    tile : int, "auto" or None
        Restore overlapping tiles of this height and width one after the other, each with its own stopping,
        and blend them. "auto" does so where the run would need more memory than 6 GiB, or than is free.
    overlap : int or "auto"
        What neighbouring tiles share at least, in pixels of the restored image.
    samples : int
        Make so many runs from different seeds, side by side: the image is their mean, and
        ``maps["deviation"]`` their standard deviation, which is large where the image is uncertain.
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
    _check_arguments(settings, stopping, seconds, seed, callbacks, preview_seconds, checkpoint, resume)
    target = resolve_device(device)
    picture = images.load(image, value_range=value_range)
    _check_preview(preview, image)
    watching = Watching(
        tuple(callbacks),
        progress,
        preview,
        preview_seconds,
        checkpoint,
        checkpoint_seconds,
        resume,
        keep_checkpoint,
    )
    composite = Composite(tile, overlap, samples)
    job = _Job(task, prior, settings, stopping, seconds, int(seed), target, watching, composite)
    count = picture.colours.shape[0]
    if count == 1:
        return job.prepare(picture, options).restore()
    if checkpoint is not None or preview is not None:
        raise ValueError("checkpoint and preview go with one image; give the images of a batch one by one")
    share = replace(job, seconds=None if seconds is None else seconds / count)
    return _restore_batch(
        picture, [share.prepare(picture.part(i), _options_of(options, i, count)) for i in range(count)]
    )


def solve_problem(
    image: Any,
    problem: Problem,
    prior: str | Prior = "dip",
    *,
    task: str = "restore",
    settings: dict[str, Any] | None = None,
    stopping: StoppingRule | None = None,
    seconds: float | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    callbacks: Sequence[Callback] = (),
    progress: bool | None = None,
    preview: str | Path | None = None,
    **options: Any,
) -> Restoration:
    """Solve a problem that is no task of the table, such as one in the features of a network.

    Parameters
    ----------
    image : path, PIL image, numpy array or torch tensor
        One image: what the result is to be a picture like.
    problem : Problem
        What is to be solved, on the CPU.
    prior, settings, stopping, seconds, seed, device, callbacks, progress, preview
        As for :func:`solve`.
    task : str
        What the provenance calls it.
    **options
        What the provenance says of how the problem was posed.
    """
    _check_arguments(settings, stopping, seconds, seed, callbacks, 5.0, None, False)
    picture = images.load(image)
    watching = Watching(tuple(callbacks), progress, preview)
    target, untiled = resolve_device(device), Composite(tile=None)
    job = _Job(task, prior, settings, stopping, seconds, int(seed), target, watching, untiled)
    return job.prepare_problem(picture, problem, picture, options).restore()


def _check_arguments(
    settings: Any,
    stopping: Any,
    seconds: Any,
    seed: Any,
    callbacks: Any,
    preview_seconds: Any,
    checkpoint: Any,
    resume: bool,
) -> None:
    def is_number(value: Any) -> bool:
        return isinstance(value, int | float | np.number) and not isinstance(value, bool)

    if settings is not None and not isinstance(settings, dict):
        raise TypeError(f"settings must be a dict of hyper-parameters, got {type(settings).__name__}")
    if stopping is not None and not isinstance(stopping, StoppingRule):
        raise TypeError(f"stopping must be a StoppingRule such as MaxIterations(500), got {stopping!r}")
    for name, value in (("seconds", seconds), ("preview_seconds", preview_seconds)):
        if value is not None and not (is_number(value) and 0 < value < float("inf")):
            raise ValueError(f"{name} must be a positive number, got {value!r}")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}")
    if not isinstance(callbacks, Sequence) or not all(callable(callback) for callback in callbacks):
        raise TypeError("callbacks must be a list of functions (estimate, run) → None")
    if resume and checkpoint is None:
        raise ValueError("resume=True needs checkpoint=…: the file that the run was saved to")


def _check_preview(preview: str | Path | None, image: Any) -> None:
    if preview is None:
        return
    images.check_output(preview, overwrite=True)
    is_file = isinstance(image, str | Path) and Path(preview).exists()
    if is_file and Path(preview).samefile(image):
        raise ValueError(f"the preview is the input, which is never overwritten: {preview}")


def _options_of(options: dict[str, Any], index: int, count: int) -> dict[str, Any]:
    """The options for image `index` of a batch: what holds one thing per image gives that image's."""

    def own(value: Any) -> Any:
        if isinstance(value, Operator):
            return value.for_image(index, count)
        per_image = isinstance(value, torch.Tensor) and value.ndim == 4 and value.shape[0] == count
        return value[index : index + 1] if per_image else value

    return {name: own(value) for name, value in options.items()}


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
        torch.zeros(1, device=found).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"there is no device {str(device)!r} here; use 'cpu' or 'auto'") from error
    return found


@dataclass(frozen=True)
class _Job:
    """What solve() was asked for, less the image."""

    task: str
    prior: str | Prior
    settings: dict[str, Any] | None
    stopping: StoppingRule | None
    seconds: float | None
    seed: int
    device: torch.device
    watching: Watching
    composite: Composite

    def prepare(self, picture: images.Picture, options: dict[str, Any]) -> _Prepared:
        """Everything checked and configured, nothing computed yet."""
        problem, inner, complete = make_problem(self.task, picture, options)
        return self.prepare_problem(picture, problem, inner, complete)

    def prepare_problem(
        self, picture: images.Picture, problem: Problem, inner: images.Picture, complete: dict[str, Any]
    ) -> _Prepared:
        """The same for a problem that is posed already, with the options that posed it."""
        source = picture.sha256()
        prior = configured_prior(self.prior, problem, self.settings)
        prior = self.composite.applied(prior, problem, self.stopping, self.device)
        if self.seconds is not None:
            prior = prior.within(self.seconds)
        reason = prior.supports(problem)
        single = innermost(prior)
        if reason:
            raise ValueError(f"prior {single.name!r} cannot do this: {reason}")
        # Each tile has a rule of its own; the run over all of them ends with the last.
        own_rule = self.stopping or single.default_stopping(problem)
        rule = prior.default_stopping(problem) if is_tiled(prior) else own_rule
        generator = torch.Generator().manual_seed(self.seed)
        if rule.holds_out:
            problem = problem.hold_out(rule.holds_out, generator)
        provenance = {
            "zeroshot": __version__,
            "torch": str(torch.__version__),
            "task": self.task,
            "options": {name: described(value) for name, value in complete.items()},
            "operator": described(problem.operator),
            "data_term": repr(problem.data_term),
            "sigma": problem.sigma,
            "prior": single.name,
            "settings": {name: described(value) for name, value in single.settings().items()},
            "stopping": repr(own_rule),
            **description(prior),
            "seed": self.seed,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "input_sha256": source,
        }
        return _Prepared(self, picture, inner, problem, prior, rule, generator, provenance)


@dataclass(frozen=True)
class _Prepared:
    """One image, ready to be restored."""

    job: _Job
    before: images.Picture
    picture: images.Picture
    problem: Problem
    prior: Prior
    rule: StoppingRule
    generator: torch.Generator
    provenance: dict[str, Any]

    def restore(self) -> Restoration:
        """Run the optimisation."""
        job = self.job
        outcome = optimise(
            self.problem.to(job.device),
            self.prior,
            self.rule,
            self.generator,
            job.seconds,
            job.watching,
            self.picture,
            self.provenance,
        )
        return self.result(outcome)

    def untouched(self) -> Restoration:
        """The operator's first estimate, for an image whose turn did not come."""
        return self.result(Outcome(self.problem.initial(), "interrupted before its turn", 0, 0.0, History()))

    def result(self, outcome: Outcome) -> Restoration:
        """The outcome as the caller gets it."""
        # No wall-clock time in here: the same run must give the same file, byte for byte.
        provenance = self.provenance | {
            "stopped_by": outcome.stopped_by,
            "iterations": outcome.iterations,
            "seconds_allowed": self.job.seconds,
        }
        if outcome.findings:
            provenance["findings"] = described(outcome.findings)
        return Restoration(
            self.picture.with_colours(outcome.image.float().cpu()),
            outcome.stopped_by,
            outcome.iterations,
            outcome.seconds,
            outcome.history,
            self.problem.sigma,
            provenance,
            before=self.before,
            maps={name: image.float().cpu() for name, image in outcome.maps.items()},
            arrays={name: array.detach().cpu() for name, array in outcome.arrays.items()},
        )


def _restore_batch(picture: images.Picture, prepared: list[_Prepared]) -> Restoration:
    parts: list[Restoration] = []
    for one in prepared:
        interrupted = bool(parts) and parts[-1].interrupted
        parts.append(one.untouched() if interrupted else one.restore())
    return _joined(picture, parts)


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
        before=picture,
        parts=tuple(parts),
    )
