"""A task: one kind of damage, how it is undone, and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zeroshot.spelling import Argument, OptionError, Text, Wording
from zeroshot.tasks.noise import DATA_TERM, NOISE, check_data_term, check_noise
from zeroshot.tasks.options import Option, check_options

if TYPE_CHECKING:  # what a task is, is told without PyTorch
    import torch

    from zeroshot.images import Picture
    from zeroshot.operators import Operator
    from zeroshot.problem import Problem

Options = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Damage:
    """The operator of a damage, and what the task that undoes it is told.

    Attributes
    ----------
    operator : Operator
        A.
    options : dict
        Those of the task, less the noise.
    kept : torch.Tensor or None
        1 where there is a measurement and 0 where there is none, not even noise; None: everywhere.
    added : torch.Tensor or None
        What is added to the measurement beside the noise, broadcastable to it.
    margin : tuple of int
        How many rows at the top and the bottom, and columns at the left and the right, the operator needs of the
        image beyond the truth.
    """

    operator: Operator
    options: Options
    kept: torch.Tensor | None = None
    added: torch.Tensor | None = None
    margin: tuple[int, int] = (0, 0)


def no_check(options: Mapping[str, Any]) -> None:
    """All combinations of values go together."""


@dataclass(frozen=True)
class Task:
    """A kind of damage.

    Attributes
    ----------
    name : str
        Of the task and of its command.
    summary : str
        What it does, in a few words.
    options : tuple of Option
        What it is told.
    pose : callable
        (picture, options) → the problem, and the picture to put the result into. All options are there.
    damage_options : tuple of Option
        What makes its damage, beside the noise.
    damage : callable
        (picture, options, generator) → :class:`Damage`. Only options with a value are there.
    suited : tuple of str
        Names of priors that do well, the preferred first.
    examples : tuple of str
        Lines of the command line, the plainest first.
    outcome : str
        What its results are called: of photo.png it makes photo.OUTCOME.png.
    prior : str
        The name of the one that its command and its function take where none is chosen.
    check, check_damage : callable
        Refuse values that do not go together, as far as that shows without an image.
    more_help : callable
        What else its help should tell.
    """

    name: str
    summary: str
    options: tuple[Option, ...]
    pose: Callable[[Picture, Options], tuple[Problem, Picture]]
    damage_options: tuple[Option, ...]
    damage: Callable[[Picture, Options, torch.Generator], Damage]
    suited: tuple[str, ...]
    examples: tuple[str, ...]
    outcome: str = "restored"
    prior: str = "dip"
    check: Callable[[Mapping[str, Any]], None] = no_check
    check_damage: Callable[[Mapping[str, Any]], None] = no_check
    more_help: Callable[[], str] = str

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.summary}"]
        return "\n".join(lines + [f"    {option}" for option in self.options])

    @property
    def noise_and_damage(self) -> tuple[Option, ...]:
        """What makes its damage and the noise."""
        return (*self.damage_options, *NOISE)

    def completed(self, given: Mapping[str, Any]) -> Options:
        """All options with their defaults filled in.

        Raises
        ------
        OptionError, OptionTypeError
            Where one is unknown or missing, or a value does not fit.
        """
        whose = Text(f"task {self.name!r}")
        check_options(whose, self.options, given)
        _require(whose, self.options, given)
        complete = {option.name: given.get(option.name, option.default) for option in self.options}
        check_data_term(complete)
        self.check(complete)
        return complete

    def checked_damage(self, given: Mapping[str, Any]) -> Options:
        """The options of a damage that have a value.

        Raises
        ------
        OptionError, OptionTypeError
            Where one is unknown or missing, or a value does not fit.
        """
        check_options(Text(f"the damage of task {self.name!r}"), (*self.noise_and_damage, DATA_TERM), given)
        present = {name: value for name, value in given.items() if value is not None}
        check_noise(present)
        self.check_damage(present)
        _require(told(self.name), self.damage_options, present)
        return present


def told(name: str) -> Wording:
    """The task as those call it who choose it by an argument."""
    return Wording(f"task {name!r}", f"--task {name}")


def _require(whose: Text | Wording, options: tuple[Option, ...], given: Mapping[str, Any]) -> None:
    for option in options:
        if option.required and given.get(option.name) is None:
            raise OptionError(whose, " needs ", Argument(option.name, ...), ": ", option.meaning)
