"""The contracts of a prior and of a run: what the loop in :mod:`zeroshot.solve` needs to know of either.

A :class:`Prior` is a small configured object, a frozen dataclass of hyper-parameters. Started on a problem it
gives a :class:`Run`, one optimisation in progress, which the loop steps until a stopping rule says so.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

if TYPE_CHECKING:
    from zeroshot.problem import Problem
    from zeroshot.stopping import StoppingRule


@dataclass(frozen=True)
class Estimate:
    """What one step of a run leaves behind.

    Attributes
    ----------
    image : torch.Tensor
        The restored image if the run ended here, (N, C, H, W) in [0, 1], detached. For priors that average
        over iterates this is the average. Valid until the next step: clone it to keep it.
    loss : float
        The objective at this step, in the prior's own units.
    iteration : int
        How many elementary iterations have been made, counted from 1. A step may make several.
    iterate : torch.Tensor or None
        The newest iterate, where it is not `image` itself.
    gap : float or None
        Relative duality gap, for convex schemes that know it.
    """

    image: torch.Tensor
    loss: float
    iteration: int
    iterate: torch.Tensor | None = None
    gap: float | None = None

    @property
    def newest(self) -> torch.Tensor:
        """The newest iterate: `iterate` where there is one, else `image`."""
        return self.image if self.iterate is None else self.iterate


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

        What needs too much is restored in tiles, see :class:`zeroshot.composite.Tiles`.
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
