"""The page of the tasks: each with its function, its options in Python and on the command line, and an example."""

from __future__ import annotations

import html

from prior_cards import markdown
from sphinx.application import Sphinx

from zeroshot.spelling import Text
from zeroshot.standings import ranked
from zeroshot.tasks import Task, tasks

PAGE = "api/tasks"


def section(task: Task) -> str:
    """A task as Markdown."""
    roles = {"default": task.prior}
    for role in ("fast", "best"):
        order = ranked(role, task.name)
        if order:
            roles[f"`--{role}`"] = order[0]
    priors = ", ".join(f"{role} [`{prior}`](../priors/{prior}.md)" for role, prior in roles.items())
    lines = [
        f"## {task.name}",
        "",
        f"{task.summary[0].upper()}{task.summary[1:]}. Prior: {priors}.",
        "",
        f"```{{eval-rst}}\n.. py:function:: zeroshot.{task.name}{signature(task)}\n   :no-typesetting:\n```",
        "",
        "```sh",
        *task.examples,
        "```",
        "",
        f"`zeroshot.{task.name}(image, …)` takes",
        "",
    ]
    for option in task.options:
        default = "needed" if option.required else f"default `{option.default!r}`"
        lines += [f"`{option.name}`, {default}; `{option.flag}`", f": {_meaning(option.meaning)}", ""]
    return "\n".join(lines)


def signature(task: Task) -> str:
    """The arguments that are the task's own."""
    given = ", ".join(
        option.name if option.required else f"{option.name}={option.default!r}" for option in task.options
    )
    return f"(image, {given}, **solving)"


def _meaning(text: Text) -> str:
    told = html.unescape(markdown(str(text)))
    return f"{told[0].upper()}{told[1:]}."


def _complete(app: Sphinx, name: str, source: list[str]) -> None:
    if name == PAGE:
        source[0] += "\n" + "\n".join(section(task) for task in tasks().values())


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
