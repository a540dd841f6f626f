"""The command ``zeroshot completion``: what makes a shell complete commands, options, priors and settings.

The shell asks by running the command with an environment variable set; the answer is argcomplete's, from the parser
itself, and loads no more than ``--help`` does.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from zeroshot.cli.messages import say_page
from zeroshot.registry import is_prior, prior_names, setting_names
from zeroshot.tasks import tasks

_SHELLS = ("bash", "zsh", "fish", "powershell")


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    command = commands.add_parser(
        "completion",
        help="let the shell complete commands, options and priors",
        description="Print what makes a shell complete commands, options, priors and their settings. It holds from the "
        "next shell on; in ~/.bashrc or ~/.zshrc 'eval \"$(zeroshot completion bash)\"' does the same.",
        examples=(
            "zeroshot completion bash >> ~/.bash_completion",
            "zeroshot completion fish > ~/.config/fish/completions/zeroshot.fish",
        ),
    )
    command.add_argument("shell", choices=_SHELLS, help=f"one of {', '.join(_SHELLS)}")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the script of the shell; the exit code.

    Raises
    ------
    ImportError
        Where argcomplete is missing; the message names the extra that brings it.
    """
    say_page(_argcomplete().shellcode(["zeroshot"], shell=options.shell).strip("\n"))
    return 0


def is_asked() -> bool:
    """Whether a shell has started this process to have its line completed."""
    return "_ARGCOMPLETE" in os.environ


def answer(parser: Any) -> None:
    """Complete the shell's line, and end the process."""
    for command in _all(parser):
        for action in command._actions:
            is_prior_named = action.dest == "name" and command.prog.endswith(" priors")
            complete = _priors if is_prior_named else _BY_NAME.get(action.dest)
            if complete is not None and action.choices is None and action.nargs != 0:
                action.completer = complete
    _argcomplete().autocomplete(parser)


def _all(parser: Any) -> list[Any]:
    """The parsers of the commands, and of theirs."""
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [one for command in action.choices.values() for one in _all(command)]
    return found


def _priors(**_asked: Any) -> list[str]:
    return prior_names()


def _settings(parsed_args: argparse.Namespace, **_asked: Any) -> list[str]:
    """The settings of the prior that the line names, or of the task's own."""
    task = tasks().get(getattr(parsed_args, "command", None) or "")
    prior = getattr(parsed_args, "prior", None) or (task.prior if task else "dip")
    return [f"{name}=" for name in setting_names(prior)] if is_prior(prior) else []


def _tasks(**_asked: Any) -> list[str]:
    return list(tasks())


_BY_NAME = {"prior": _priors, "settings": _settings, "task": _tasks}


def _argcomplete() -> Any:
    try:
        import argcomplete
    except ImportError as error:
        raise ImportError(
            'completion needs argcomplete: pip install "zeroshot-restore[completion]"'
        ) from error
    return argcomplete
