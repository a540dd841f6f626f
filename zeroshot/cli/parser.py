"""The arguments of the command line: the commands with their options, and the converters from words to values."""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zeroshot.app import command as command_app
from zeroshot.cli import align as command_align
from zeroshot.cli import background as command_background
from zeroshot.cli import compare as command_compare
from zeroshot.cli import completion, configuration, values
from zeroshot.cli import degrade as command_degrade
from zeroshot.cli import edit as command_edit
from zeroshot.cli import features as command_features
from zeroshot.cli import inspect as command_inspect
from zeroshot.cli import kernel as command_kernel
from zeroshot.cli import metrics as command_metrics
from zeroshot.cli import restore as command_restore
from zeroshot.cli import weights as command_weights
from zeroshot.cli.arguments import Files, Parser, named_command, refuse_pipes, refuse_unknown_options
from zeroshot.cli.batch import add_jobs
from zeroshot.cli.messages import say
from zeroshot.cli.task_options import add_task_options
from zeroshot.images.kinds import SUFFIXES
from zeroshot.registry import __version__, is_prior, setting_names, settings_of_priors
from zeroshot.tasks import Task, tasks

_MOST_THREADS = 1024


# --- converters --------------------------------------------------------------------------------------------


def _threads(text: str) -> int:
    wanted = f"a whole number from 1 to {_MOST_THREADS}"
    return values.whole(1, _MOST_THREADS, wanted)(text)


def _overlap(text: str) -> int | str:
    return text if text == "auto" else values.whole(0, wanted="'auto' or a whole number of at least 0")(text)


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"must be KEY=VALUE, got {text!r}")
    return name.strip(), values.literal(value)


# --- the parser --------------------------------------------------------------------------------------------


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments as values; SystemExit with status 2 and one line on stderr where they do not fit."""
    parser, commands = _parser()
    if completion.is_asked():
        completion.answer(parser)
    chosen = parser
    try:
        words = named_command(_joined_ranges(arguments), commands, list(tasks()))
        chosen = commands.get(words[0], parser)
        defaults = configuration.lay_under(chosen, words[0], commands) if words[0] in commands else []
        prior = chosen.get_default("prior")
        refuse_unknown_options(
            words[1:], chosen, lambda: _settings_of_chosen(words, prior), settings_of_priors
        )
        options, unknown = parser.parse_known_args(words)
        if unknown:
            left = " ".join(unknown)
            raise ValueError(f"{left!r} was not understood; '{chosen.prog} --help' shows what it takes")
        refuse_pipes(options)
    except (ValueError, OSError) as error:
        chosen.error(str(error))
    told = configuration.in_effect(defaults, options)
    if told and not getattr(options, "quiet", False):
        say(f"zeroshot: {told}", sys.stderr)
    return options


def _settings_of_chosen(words: Sequence[str], default: str | None) -> list[str]:
    """The names of the settings of the prior that the words choose, or else the default, without its import."""
    chosen = [word.partition("=")[2] for word in words if word.startswith("--prior=")]
    chosen += [after for word, after in itertools.pairwise(words) if word == "--prior"]
    table = tasks()
    prior = (chosen or [default or (table[words[0]].prior if words[0] in table else "dip")])[-1]
    return setting_names(prior) if is_prior(prior) else []


def _joined_ranges(arguments: Sequence[str]) -> list[str]:
    """`--range -100,900` as one argument: argparse would take -100,900 for an option."""
    joined: list[str] = []
    for argument in arguments:
        if (
            joined
            and joined[-1] == "--range"
            and argument[:1] == "-"
            and argument[1:2] in tuple("0123456789.")
        ):
            joined[-1] = f"--range={argument}"
        else:
            joined.append(argument)
    return joined


def _parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser, and those of the commands by name."""
    parser = Parser(
        prog="zeroshot",
        description="Restore damaged images with nothing but the image itself.",
        examples=(
            "zeroshot denoise photo.png                 # writes photo.denoised.png",
            "zeroshot sr small.png --scale 4 -o large.png --seconds 120",
            "zeroshot denoise --help                    # what a command takes",
        ),
    )
    parser.add_argument("--version", action="version", version=f"zeroshot {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for task in tasks().values():
        _add_task(commands, task)
    listed = commands.add_parser(
        "tasks",
        help="list the tasks and their options",
        examples=("zeroshot tasks", "zeroshot tasks --json"),
    )
    _add_json(listed)
    priors = commands.add_parser(
        "priors",
        help="list the priors and their settings",
        examples=("zeroshot priors dip", "zeroshot priors --task sr"),
    )
    priors.add_argument("name", nargs="?", help="one prior: also show its settings")
    priors.add_argument(
        "--task", help="what priors and other packages reach on a task, and how long they take"
    )
    _add_json(priors)
    info = commands.add_parser(
        "info",
        help="show how an output was made",
        examples=("zeroshot info clean.png", "zeroshot info restored/*.png"),
    )
    info.add_argument(
        "images", nargs="+", type=Path, action=Files, metavar="IMAGE", help="images that zeroshot wrote"
    )
    info.add_argument("--json", action="store_true", help="an object, or a list for several images")
    command_inspect.add_parser(commands)
    command_kernel.add_parser(commands)
    command_compare.add_parser(commands)
    command_degrade.add_parser(commands)
    command_metrics.add_parser(commands)
    command_background.add_parser(commands)
    command_weights.add_parser(commands)
    command_edit.add_parser(commands)
    command_align.add_parser(commands)
    command_features.add_parser(commands, _add_solver_options)
    completion.add_parser(commands)
    command_app.add_parser(commands)
    return parser, dict(commands.choices)


def _add_json(command: Parser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON, for programs")


def _add_task(commands: Any, task: Task) -> None:
    needed = "".join(f" {option.flag} {option.name.upper()}" for option in task.options if option.required)
    command = commands.add_parser(
        task.name,
        help=task.summary,
        usage=f"zeroshot {task.name} IN [IN ...]{needed} [-o OUT] [options]",
        description=task.summary[0].upper() + task.summary[1:] + ".",
        examples=task.examples,
    )
    command.write_details = task.more_help
    add = command.add_argument
    add(
        "inputs",
        nargs="+",
        type=Path,
        action=Files,
        metavar="IN",
        help="images or a folder; - is standard input, -o - output",
    )
    add("-o", "--output", metavar="OUT",
        help=f"a file; for several images a folder; 'FOLDER/' makes the folder (default: photo.{task.outcome}.png "
        "for photo.png or photo.jpg, in its folder)")  # fmt: skip
    add_task_options(command, task)
    _add_run_options(command, task)
    command.set_defaults(run=command_restore.run)


def _add_run_options(command: Parser, task: Task) -> None:
    _add_solver_options(command, task)
    add = command.add_argument
    add("--preview", type=Path, metavar="FILE", help="rewrite this image with the estimate while it runs")
    add_jobs(command)
    add("--resume", action="store_true",
        help="continue from OUT.checkpoint; what is finished stays as it is")  # fmt: skip
    add("--overwrite", action="store_true",
        help="replace an output, preview or trace that exists (never an input)")  # fmt: skip
    expert = command.expert_options().add_argument
    expert("--range", dest="value_range", type=values.value_range, metavar="LOW,HIGH",
        help="the values that mean black and white, for any image where they are not the full range of its "
        "type: 0,4095 for 12-bit counts in 16 bits, 0,255 or -100,900 for floats")  # fmt: skip
    expert("--format", choices=[suffix[1:] for suffix in SUFFIXES], metavar="FORMAT",
        help="with -o -: png, tif, jpg … (default: that of the input, PNG for what loses)")  # fmt: skip
    expert("--axes", metavar="AXES",
        help="the axes of a stack, such as TZCYX, in place of what the file says")  # fmt: skip
    expert("--scene", metavar="SCENE",
        help="which image of a microscope file, by number, from 1, or name (default: the first)")  # fmt: skip
    expert("--volume", metavar="AXIS",
        help="of a stack: denoise the planes along this axis, Z or T, together (bm3d, nlm, tv, wavelet)")  # fmt: skip
    expert("--spacing", type=values.positive("a positive number of pixels"), metavar="PIXELS",
        help="with --volume: how far planes are apart (default: what the file says, else 1)")  # fmt: skip
    expert("--channels", choices=["auto", "joint", "separate"], default="auto",
        help="of a stack: denoise its channels together (default auto: where that is better)")  # fmt: skip
    expert("--linear", action="store_true",
        help="of a raw photograph: write the camera's colours, linear in the light, instead of sRGB")  # fmt: skip
    expert("--tile", type=values.tile, default="auto", metavar="PIXELS",
        help="restore overlapping tiles of this height and width one after the other: auto does so where the "
        "memory is short, none never does (default auto)")  # fmt: skip
    expert("--overlap", type=_overlap, default="auto", metavar="PIXELS",
        help="with tiles: what neighbours share at least (default auto)")  # fmt: skip
    expert("--samples", type=values.samples, default=1, metavar="N",
        help="the mean of N runs from different seeds; --maps writes their deviation (default 1)")  # fmt: skip
    expert("--checkpoint-seconds", type=values.number("a number of seconds of at least 0", 0, math.inf),
        default=60.0, metavar="SECONDS", help="seconds between checkpoints (default 60)")  # fmt: skip
    expert("--json", action="store_true",
        help="say how it went as JSON on standard output, a line for each output")  # fmt: skip
    expert("--trace", type=Path, metavar="FILE.json", help="write the history of the run as JSON")
    expert("--maps", type=Path, metavar="FOLDER",
        help="write what the prior makes beside the image: deviations, importances, further solutions")  # fmt: skip
    expert("--latent", type=Path, metavar="FILE.npz",
        help="write the latent that was found, for 'zeroshot edit'")  # fmt: skip


def _add_solver_options(command: Parser, task: Task | None = None) -> None:
    """The options of a command that solves something: of a task, or of what is posed by other means."""
    add = command.add_argument
    if task is None:
        add("--prior", default="dip", help="what images look like: see 'zeroshot priors' (default dip)")
    else:
        one_of = command.add_mutually_exclusive_group().add_argument
        one_of("--prior", help=f"what images look like: see 'zeroshot priors' (default {task.prior})")
        one_of("--fast", dest="prior", action="store_const", const="fast", default=argparse.SUPPRESS,
            help="the best prior under 2 s for 256 x 256 pixels")  # fmt: skip
        one_of("--best", dest="prior", action="store_const", const="best", default=argparse.SUPPRESS,
            help="the best prior, with --seconds the best in time")  # fmt: skip
    add("--set", dest="settings", action="append", type=_setting, default=[], metavar="KEY=VALUE",
        help="a setting of the prior, e.g. --set channels=64 (repeatable)")  # fmt: skip
    add(
        "--seconds",
        type=values.positive("a positive number of seconds"),
        help="stop after this time, with the best image so far",
    )
    add("--quiet", action="store_true", help="print errors only")
    expert = command.expert_options().add_argument
    expert("--weights", metavar="FILE",
        help="the pretrained generator of priors that need one: a checkpoint, a name of 'zeroshot weights list', or "
        "python:FILE.py:FUNCTION, a function of yours that returns it")  # fmt: skip
    expert(
        "--mapping", metavar="FILE", help="with --weights: the mapping network, where it is a file of its own"
    )
    expert("--seed", type=values.whole(0), default=0, help="same seed, same image (default 0)")
    expert(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:1 …; auto takes a GPU where there is one (cuda, then mps)",
    )
    expert(
        "--threads",
        type=_threads,
        help=f"CPU threads, 1 to {_MOST_THREADS} (default: all cores, or 1 where other programs keep them busy)",
    )
