"""The contracts of a prior and of a run: what the loop in :mod:`zeroshot.solve` needs to know of either.

A :class:`Prior` is a small configured object, a frozen dataclass of hyper-parameters. Started on a problem it
gives a :class:`Run`, one optimisation in progress, which the loop steps until a stopping rule says so.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

import torch

from zeroshot.estimate import Estimate
from zeroshot.problem import Problem
from zeroshot.stopping import StoppingRule
from zeroshot.words import unknown


class Run(ABC):
    """One optimisation in progress. It allocates at start, not per step."""

    device: torch.device

    @property
    def finished(self) -> bool:
        """Whether a further step would change nothing; the loop then ends the run."""
        return False

    @abstractmethod
    def step(self) -> Estimate:
        """Advance by one step, the prior's natural unit of work, and return the estimate."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything that a continued run needs, as tensors, numbers, strings, lists and dicts only."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""

    def shrink_step(self, factor: float) -> None:  # noqa: B027
        """Multiply the step size (learning rate) by `factor`; schemes without one ignore it."""

    def findings(self) -> dict[str, Any]:
        """What the run chose or found out, for the provenance of a result: numbers, strings, lists, dicts."""
        return {}

    def remark(self) -> str:
        """What a user should know of the result beside why the run stopped, in one line; mostly nothing."""
        return ""

    def stage(self) -> str:
        """Where a run of several parts is, such as "tile 3/12", for the progress bar; mostly nothing."""
        return ""

    def note_best(self, best: torch.Tensor | None, estimate: Estimate) -> None:  # noqa: B027
        """Told after each step which image the stopping rule would return, and what it has just looked at.

        A run whose maps belong to an image, and not to its end, keeps them where `best` is that estimate's.
        """

    def maps(self) -> dict[str, torch.Tensor]:
        """Further images that the run has made, by name: (N, C, H, W) in [0, 1], such as an uncertainty."""
        return {}

    def arrays(self) -> dict[str, torch.Tensor]:
        """What else of the run is worth keeping and is no image, by name, such as the latent that was found."""
        return {}


class Prior(ABC):
    """A family of images, written as a parametrization or a penalty. Subclasses are frozen dataclasses."""

    name: ClassVar[str]
    summary: ClassVar[str]
    #: Whether the arrays of its runs hold a latent that can be edited.
    finds_latent: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> Prior:
        """The family's defaults for this problem's task, with `settings` put over them."""

    @abstractmethod
    def supports(self, problem: Problem) -> str | None:
        """None where this prior can solve the problem, else the reason why not, in one line."""

    @abstractmethod
    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """Begin a run. All randomness comes from `generator` (a CPU generator)."""

    @abstractmethod
    def default_stopping(self, problem: Problem) -> StoppingRule:
        """The stopping rule to use where the caller names none."""

    def memory(self, problem: Problem) -> int | None:
        """About how many bytes a run needs on its device, or None where the prior does not know.

        What needs too much is restored in tiles, see :class:`zeroshot.tiling.Tiles`.
        """
        return None

    def within(self, seconds: float) -> Prior:
        """The same prior, prepared for a time budget; those that make no plans return themselves."""
        return self

    def settings(self) -> dict[str, Any]:
        """Every hyper-parameter by name, for the provenance of a result."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]


def require_known_settings(prior: type[Prior], settings: dict[str, Any]) -> None:
    """Raise a ValueError that lists the right names where `settings` holds one that `prior` does not have."""
    known = [f.name for f in dataclasses.fields(prior)]  # type: ignore[arg-type]
    for name in settings:
        if name not in known:
            raise ValueError(f"prior {prior.name!r} has no setting {name!r}; it has: {', '.join(known)}")


# --- the registry ---

_GROUP = "zeroshot.priors"


def _declared() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=_GROUP)}


def prior_names() -> list[str]:
    """The names of all installed priors, sorted."""
    return sorted(_declared())


def prior_class(name: str) -> type[Prior]:
    """The class of the prior of this name.

    Raises
    ------
    ValueError
        Where no prior of that name is installed; the message lists those that are.
    """
    declared = _declared()
    if name not in declared:
        raise ValueError(unknown("prior", name, declared))
    return declared[name].load()


def class_names() -> list[str]:
    """The names of the classes of all installed priors."""
    return [entry.attr for entry in _declared().values()]


def class_named(class_name: str) -> type[Prior] | None:
    """The prior class called `class_name` among the installed ones, or None."""
    for entry in _declared().values():
        if entry.attr == class_name:
            return entry.load()
    return None


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
    if not isinstance(prior, Prior):
        raise TypeError(f"prior must be a name or a Prior object, got {type(prior).__name__}")
    if settings:
        raise ValueError(
            f"settings ({', '.join(settings)}) go with a prior's name; configure the object itself"
        )
    return prior
