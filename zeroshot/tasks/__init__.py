"""Tasks: kinds of damage, one file each, with their options, how they are undone and how they are made.

A task says what the damage is. Its options are checked against its table before any work starts; the tables are
read without PyTorch. :mod:`zeroshot.tasks.degrade` makes damaged images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeroshot import synonyms
from zeroshot.tasks.colorize import COLORIZE
from zeroshot.tasks.deblur import DEBLUR
from zeroshot.tasks.demosaic import DEMOSAIC
from zeroshot.tasks.denoise import DENOISE
from zeroshot.tasks.destripe import DESTRIPE
from zeroshot.tasks.inpaint import INPAINT
from zeroshot.tasks.jpeg import JPEG
from zeroshot.tasks.options import Option
from zeroshot.tasks.restore import RESTORE
from zeroshot.tasks.sharpen import SHARPEN
from zeroshot.tasks.super_resolution import SUPER_RESOLUTION
from zeroshot.tasks.task import Task

if TYPE_CHECKING:
    from zeroshot.images import Picture
    from zeroshot.problem import Problem

__all__ = ["Option", "Task", "TaskTable", "make_problem", "task_named", "tasks"]

_TASKS = (DENOISE, DESTRIPE, INPAINT, SUPER_RESOLUTION, COLORIZE, DEMOSAIC, DEBLUR, SHARPEN, JPEG, RESTORE)


class TaskTable(dict[str, Task]):
    """The tasks by name; prints as a readable list."""

    def __str__(self) -> str:
        return "\n\n".join(str(task) for task in self.values())

    __repr__ = __str__


def tasks() -> TaskTable:
    """The table of tasks with their options.

    Examples
    --------
    >>> import zeroshot
    >>> sorted(zeroshot.tasks())
    ['colorize', 'deblur', 'demosaic', 'denoise', 'destripe', 'inpaint', 'jpeg', 'restore', 'sharpen', 'sr']
    """
    return TaskTable({task.name: task for task in _TASKS})


def task_named(name: str) -> Task:
    """The task of this name, or of another name for the same thing (:mod:`zeroshot.synonyms`).

    Raises
    ------
    ValueError
        Where there is none; the message lists those that there are.
    """
    table = tasks()
    found = synonyms.canonical(name, table, synonyms.TASKS)
    if found is None:
        raise ValueError(synonyms.unknown_name("task", name, table, synonyms.TASKS))
    return table[found]


def make_problem(
    task: str, picture: Picture, options: dict[str, Any]
) -> tuple[Problem, Picture, dict[str, Any]]:
    """The problem that `task` with `options` poses for `picture`.

    Parameters
    ----------
    task : str
        A name in the table of tasks.
    picture : Picture
        The damaged image.
    options : dict
        The task's options by name.

    Returns
    -------
    problem : Problem
        On the CPU.
    picture : Picture
        The picture to put the result into: the input, less an alpha channel that was used up as a mask.
    options : dict
        All options with their defaults filled in.

    Raises
    ------
    ValueError, TypeError
        Where the task or an option is unknown, a required option is missing, or a value does not fit.
    """
    entry = task_named(task)
    complete = entry.completed(options)
    problem, picture = entry.pose(picture, complete)
    return problem, picture, complete
