"""A function for each task: ``zeroshot.denoise(image, sigma=25 / 255)`` is :func:`zeroshot.solve` with its task.

The functions are made from the table of tasks, so that their options are the tasks'. What editors and type
checkers see of them stands in ``task_functions.pyi``, which ``make stubs`` writes from the same table.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from zeroshot.restoration import Restoration
from zeroshot.solve import solve
from zeroshot.tasks import Task, tasks


def signature_of(task: Task) -> inspect.Signature:
    """The image, the task's own options, of which the first may be given by its place, and what `solve` takes."""
    solving = inspect.signature(solve).parameters
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [
        inspect.Parameter(
            option.name,
            keyword if index else inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if option.required else option.default,
        )
        for index, option in enumerate(task.options)
    ]
    common = [one for one in solving.values() if one.kind is keyword]
    prior = solving["prior"].replace(kind=keyword, default=task.prior)
    return inspect.Signature(
        [solving["image"], *own, prior, *common], return_annotation=inspect.signature(solve).return_annotation
    )


def _function(task: Task) -> Callable[..., Restoration]:
    first = task.options[0].name

    def restored(image: Any, *told: Any, **arguments: Any) -> Restoration:
        if len(told) > 1 or (told and first in arguments):
            raise TypeError(
                f"{task.name}(image, {first}, …) takes one {first}, and everything else by its name"
            )
        arguments.setdefault("prior", task.prior)
        return solve(image, task.name, **dict(zip([first], told, strict=False)), **arguments)

    restored.__name__ = restored.__qualname__ = task.name
    restored.__signature__ = signature_of(task)  # type: ignore[attr-defined]
    restored.__doc__ = _documented(task)
    return restored


def _documented(task: Task) -> str:
    lines = [
        f"{task.summary[0].upper()}{task.summary[1:]}; :func:`zeroshot.solve` with the task {task.name!r}.",
        "",
        "Parameters",
        "----------",
        "image : path, PIL image, numpy array or torch tensor",
        "    The damaged image.",
    ]
    for option in task.options:
        default = "" if option.required else f", default {option.default!r}"
        lines += [option.name, f"    {str(option.meaning)[0].upper()}{str(option.meaning)[1:]}{default}."]
    lines += [
        "prior, settings, seconds, seed and all else",
        "    As for :func:`zeroshot.solve`.",
        "",
        "Returns",
        "-------",
        "Restoration",
        "    With `image` of the kind and dtype of the input.",
    ]
    return "\n".join(lines)


# By name, for the lazy names of the package and for `from zeroshot import denoise`.
globals().update({name: _function(task) for name, task in tasks().items()})
