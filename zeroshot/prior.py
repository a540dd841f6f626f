"""The contracts of a prior and of a run: what the loop needs to know of either.

A :class:`Prior` is a small configured object, a frozen dataclass of hyper-parameters. Begun on a problem it
gives a :class:`Run`, one optimisation in progress, which :class:`zeroshot.loop.Loop` steps until a stopping
rule says so. A new prior is its mathematics, in `start` and in the run's `step`; the rest has defaults here.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch

from zeroshot.estimate import Estimate
from zeroshot.problem import Problem
from zeroshot.registry import prior_class
from zeroshot.stopping import Finished, MaxIterations, StoppingRule
from zeroshot.volume_denoiser import VolumeDenoiser
from zeroshot.words import likeliest

_Prior = TypeVar("_Prior", bound="Prior")


class Run(ABC):
    """One optimisation in progress. It allocates at start, not per step.

    Attributes
    ----------
    device : torch.device
        Where its tensors are.
    state : tuple of str
        The names of the attributes that a continued run needs: tensors, numbers, strings, lists, tuples and
        dicts of them, and objects with a `state_dict` of their own, such as networks, optimisers and other
        runs.
    minds_time : bool
        Whether its steps end by themselves when the time is up (:func:`zeroshot.deadline.seconds_left`), which runs
        that are made of other runs do. The steps of all others are broken off by the loop.
    """

    device: torch.device
    state: ClassVar[tuple[str, ...]] = ()
    minds_time: ClassVar[bool] = False

    @property
    def finished(self) -> bool:
        """Whether a further step would change nothing; the loop then ends the run."""
        return False

    @abstractmethod
    def step(self) -> Estimate:
        """Advance by one step, the prior's natural unit of work, and return the estimate."""

    def state_dict(self) -> dict[str, Any]:
        """A copy of what `state` names, as tensors, numbers, strings, lists and dicts only."""
        return {name: copied(getattr(self, name)) for name in self.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        for name in self.state:
            setattr(self, name, _restored(state[name], getattr(self, name, None), self.device))

    def join(self, others: Sequence[Run]) -> bool:
        """Make the next steps by one call with those of other runs of the same prior, where that is possible.

        Each of the runs goes on to be stepped by itself, in this order, once a round. What they make is the same up to
        rounding. It holds until :meth:`leave`; False, and nothing is changed, where it is not possible.
        """
        return False

    def leave(self) -> None:  # noqa: B027
        """Make the next steps alone."""

    def shrink_step(self, factor: float) -> None:  # noqa: B027
        """Multiply the step size (learning rate) by `factor`; schemes without one ignore it."""

    def beginning(self) -> tuple[torch.Tensor, str] | None:
        """What the run has before its first step, and what that is called: "the bm3d guide".

        None where that is the operator's first estimate.
        """
        return None

    def findings(self) -> dict[str, Any]:
        """What the run chose or found out, for the provenance of a result: numbers, strings, lists, dicts."""
        return {}

    def remark(self) -> str:
        """What a user should know of the result beside why the run stopped, in one line; usually empty."""
        return ""

    def stage(self) -> str:
        """Where a run of several parts is, such as "tile 3/12", for the progress bar; usually empty."""
        return ""

    def share_done(self) -> float | None:
        """How much of a run of several parts is done, from 0 to 1, for the progress bar; None where nobody knows."""
        return None

    def keep_with_best(self, best: torch.Tensor | None, estimate: Estimate) -> None:  # noqa: B027
        """Called after each step with the image that the rule would return and the estimate that it has just judged.

        A run whose maps belong to an image rather than to its end keeps them where `best` is that estimate's.
        """

    @property
    def refit_seconds(self) -> float:
        """How much time has to be left for :meth:`refit`, so that the loop calls it in time; 0: it cannot go on."""
        return 0.0

    def refit(self, problem: Problem) -> bool:
        """Go on with all measurements, from the best so far: called where the rule or the time has ended the run.

        `problem` is that of the run with nothing held out. The run then goes on until it is :attr:`finished`. False,
        and nothing is changed, where it cannot, or has no time for it.
        """
        return False

    def maps(self) -> dict[str, torch.Tensor]:
        """Further images that the run has made, by name: (N, C, H, W) in [0, 1], such as an uncertainty."""
        return {}

    def arrays(self) -> dict[str, torch.Tensor]:
        """What else of the run is worth keeping and is no image, by name, such as the latent that was found."""
        return {}


def copied(value: Any, earlier: Any = None) -> Any:
    """A copy of a part of a run's state that later steps leave alone, as in :meth:`Run.state_dict`.

    `earlier` is a copy that nobody needs any more: its tensors become those of the new one where they fit.
    """
    targets: list[torch.Tensor] = []
    sources: list[torch.Tensor] = []
    result = _copied(value, earlier, targets, sources)
    overwrite(targets, sources)
    return result


def overwrite(targets: list[torch.Tensor], sources: list[torch.Tensor]) -> None:
    """Copy tensors into others; on a GPU in few launches, since those of single copies take longer than the copies."""
    by_type: dict[torch.dtype, tuple[list[torch.Tensor], list[torch.Tensor]]] = {}
    for target, source in zip(targets, sources, strict=True):
        pair = by_type.setdefault(target.dtype, ([], []))
        pair[0].append(target)
        pair[1].append(source)
    for pair in by_type.values():
        torch._foreach_copy_(*pair)


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """The tensors of a part of a run's state, in its order; those of objects with a state of their own too."""
    if isinstance(value, torch.Tensor):
        yield value.detach()
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(item)
    elif hasattr(value, "state_dict"):
        yield from tensors_in(value.state_dict())


def _copied(value: Any, earlier: Any, targets: list[torch.Tensor], sources: list[torch.Tensor]) -> Any:
    """:func:`copied` but for the tensors, whose copies are `targets` and whose values are still in `sources`."""
    if isinstance(value, torch.Tensor):
        fits = isinstance(earlier, torch.Tensor) and (
            (earlier.shape, earlier.dtype, earlier.device) == (value.shape, value.dtype, value.device)
        )
        if not fits:
            return value.detach().clone()
        targets.append(earlier)
        sources.append(value.detach())
        return earlier
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, dict):
        known = earlier if isinstance(earlier, dict) else {}
        return {key: _copied(item, known.get(key), targets, sources) for key, item in value.items()}
    if isinstance(value, list | tuple):
        alike = isinstance(earlier, list | tuple) and len(earlier) == len(value)
        known_items = earlier if alike else [None] * len(value)
        return [_copied(item, one, targets, sources) for item, one in zip(value, known_items, strict=True)]
    return _copied(value.state_dict(), earlier, targets, sources) if hasattr(value, "state_dict") else value


def _restored(saved: Any, current: Any, device: torch.device) -> Any:
    """What `saved` was a copy of; objects with a state of their own take it over in place."""
    if isinstance(current, torch.Generator):
        current.set_state(saved.cpu())
        return current
    if not isinstance(current, type) and hasattr(current, "load_state_dict"):
        # Optimisers would take the saved tensors themselves, and change them at the next step.
        current.load_state_dict(copied(saved))
        return current
    if isinstance(saved, torch.Tensor):
        # Copied: what is loaded may be kept by the caller to go back to.
        return saved.to(device, copy=True).requires_grad_(getattr(current, "requires_grad", False))
    if isinstance(saved, dict):
        known = current if isinstance(current, dict) else {}
        return {key: _restored(item, known.get(key), device) for key, item in saved.items()}
    if isinstance(saved, list | tuple):
        alike = isinstance(current, list | tuple) and len(current) == len(saved)
        objects = current if alike else [None] * len(saved)
        items = [_restored(item, one, device) for item, one in zip(saved, objects, strict=True)]
        return tuple(items) if isinstance(current, tuple) else items
    return saved


class CleanRun(Run):
    """The run of a problem that :attr:`~zeroshot.problem.Problem.is_clean`: one step, which returns y."""

    def __init__(self, problem: Problem) -> None:
        self.device = problem.y.device
        self.unclipped = problem.y.detach().clamp(0, 1)

    @property
    def finished(self) -> bool:
        """Whether a further step would change nothing, which is so from the beginning."""
        return True

    def step(self) -> Estimate:
        """The measurement, with a duality gap of 0."""
        return Estimate(self.unclipped, 0.0, 1, gap=0.0)

    def findings(self) -> dict[str, Any]:
        """The noise level, which is 0."""
        return {"noise": 0.0}


class Prior(ABC):
    """A family of images, written as a parametrization or a penalty. Subclasses are frozen dataclasses.

    Attributes
    ----------
    name : str
        The name that users type.
    summary : str
        What it is, in one line.
    TASK_DEFAULTS : mapping of str to mapping
        Task → the hyper-parameters that differ there from the fields' defaults, each with its source.
    knows_sigma_maps : bool
        Whether it denoises with a noise level that differs from place to place.
    finds_latent : bool
        Whether the arrays of its runs hold a latent that can be edited.
    bytes_per_value : int or None
        About how many bytes a run needs on its device for every value of the image, each channel of a pixel being
        one; None where it is not known, or hardly grows with the image. `python -m benchmarks.large_images --whole`
        measures it.
    least_bytes : int
        What it needs beside that, however large the image: that of strips, batches of patches and networks.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    TASK_DEFAULTS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    finds_latent: ClassVar[bool] = False
    knows_sigma_maps: ClassVar[bool] = False
    bytes_per_value: ClassVar[int | None] = None
    least_bytes: ClassVar[int] = 0

    @classmethod
    def for_problem(cls: type[_Prior], problem: Problem, **settings: Any) -> _Prior:
        """The family's defaults for this problem, with `settings` put over them.

        Raises
        ------
        ValueError
            Where a setting is unknown or out of range.
        """
        require_known_settings(cls, settings)
        return cls(**{**cls.task_defaults(problem), **settings})

    @classmethod
    def task_defaults(cls, problem: Problem) -> dict[str, Any]:
        """The hyper-parameters that differ for this problem: the row of its task in `TASK_DEFAULTS`."""
        return dict(cls.TASK_DEFAULTS.get(problem.task, {}))

    def supports(self, problem: Problem) -> str | None:
        """None where this prior can solve the problem, else the reason why not, in one line."""
        return None

    def suited(self, problem: Problem) -> Prior:
        """The prior that solves the problem in this one's name: itself, unless it has to be wrapped.

        A denoiser answers with itself for plain noise, and with plug and play around itself for anything else.
        """
        return self

    def innermost(self) -> Prior:
        """The prior that makes the single runs, where this one makes several of another's."""
        return self

    def begin(self, problem: Problem, generator: torch.Generator) -> Run:
        """Begin a run, the one way in which a run comes about.

        Parameters
        ----------
        problem : Problem
            On the device where it is to be solved.
        generator : torch.Generator
            The source of all randomness, a CPU generator.

        Raises
        ------
        ValueError
            Where the prior does not support the problem, with the reason.
        """
        self.require_support(problem)
        return CleanRun(problem) if problem.needs_nothing else self.start(problem, generator)

    def require_support(self, problem: Problem) -> None:
        """Raise a ValueError with the reason where the prior does not support the problem."""
        if problem.needs_nothing:
            return
        reason = self.supports(problem)
        mapped = problem.is_denoising and self.innermost().knows_sigma_maps
        if reason is None and problem.sigma_map is not None and not mapped:
            reason = "it knows one noise level for the whole image; bm3d, dct, nlm and wavelet take an image of levels"
        if reason is not None:
            raise ValueError(f"prior {self.innermost().name!r} cannot do this: {reason}")

    @abstractmethod
    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """The run of a supported problem; callers use :meth:`begin`."""

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """The stopping rule where the caller names none: after `iterations`, or where the run has ended."""
        iterations = getattr(self, "iterations", None)
        return Finished() if iterations is None else MaxIterations(iterations)

    def memory(self, problem: Problem) -> int | None:
        """About how many bytes a run needs on its device, or None where the prior does not know.

        What needs too much is restored in tiles, see :class:`zeroshot.tiling.Tiles`.
        """
        if self.bytes_per_value is None:
            return None
        return self.least_bytes + self.bytes_per_value * math.prod(problem.reference_shape)

    def volume_denoiser(self, spacing: float = 1.0) -> VolumeDenoiser | None:
        """What denoises volumes by this prior and its settings; None where it restores planes only.

        Parameters
        ----------
        spacing : float
            How many pixels of a plane two planes are apart.

        Raises
        ------
        ValueError
            Where a setting means nothing in volumes.
        """
        return None

    def runs_abreast(self, problem: Problem) -> int:
        """How many runs on problems like this one are worth stepping in turn, since they may make steps by one call."""
        return 1

    def within(self, seconds: float) -> Prior:
        """The same prior, prepared for a time budget; those that make no plans return themselves."""
        return self

    def settings(self) -> dict[str, Any]:
        """Every hyper-parameter by name, for the provenance of a result, which holds no numbers of numpy."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {name: v.item() if isinstance(v, np.number) else v for name, v in values.items()}


def require_known_settings(prior: type[Prior], settings: Mapping[str, Any]) -> None:
    """Raise a ValueError that lists the right names where `settings` holds one that `prior` does not have."""
    known = [f.name for f in dataclasses.fields(prior)]  # type: ignore[arg-type]
    for name in settings:
        if name not in known:
            near = likeliest(str(name), known)
            hint = f" (did you mean {near!r}?)" if near else ""
            raise ValueError(
                f"prior {prior.name!r} has no setting {name!r}{hint}; it has: {', '.join(known)}"
            )


def configured_prior(prior: str | Prior, problem: Problem, settings: dict[str, Any] | None = None) -> Prior:
    """A configured prior: `prior` itself, or the defaults of the family of that name for `problem`.

    Parameters
    ----------
    prior : str or Prior
        A registered name, or an object configured by the caller.
    problem : Problem
        What is to be solved; names are given the defaults of its task.
    settings : dict, optional
        Hyper-parameters to put over the defaults; only with a name.

    Raises
    ------
    ValueError
        Where the name or a setting is unknown, a value is out of range, or settings are given for an object.
    """
    if isinstance(prior, str):
        return prior_class(prior).for_problem(problem, **(settings or {}))
    if isinstance(prior, type) and issubclass(prior, Prior):
        raise TypeError(f"prior is the class {prior.__name__}; make one of it: prior={prior.__name__}(…)")
    if not isinstance(prior, Prior):
        raise TypeError(f"prior must be a name or a Prior object, got {type(prior).__name__}")
    if settings:
        raise ValueError(
            f"settings ({', '.join(settings)}) go with a prior's name; configure the object itself"
        )
    return prior
