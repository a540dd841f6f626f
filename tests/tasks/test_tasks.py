"""Every task is described once: parser, listings, damage and errors come from its table."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zeroshot
from zeroshot.cli.arguments import Parser
from zeroshot.cli.parser import parse_arguments
from zeroshot.cli.task_options import add_damage_options, add_task_options, task_listing
from zeroshot.images import load
from zeroshot.priors.auto.candidates import CANDIDATES
from zeroshot.spelling import OptionError, OptionTypeError
from zeroshot.tasks import Option, Task, make_problem, tasks
from zeroshot.tasks.degrade import degrade
from zeroshot.tasks.noise import NOISE
from zeroshot.tasks.options import Choice, GreyLevels, OptionType, Positive, Scale, Share, Switch

TASKS = list(tasks().values())
DAMAGE: dict[str, dict[str, Any]] = {
    "destripe": {"stripes": 0.1},
    "jpeg": {"quality": 20},
    "denoise": {"sigma": 0.1},
    "inpaint": {"missing": 0.3},
    "sr": {"scale": 2},
    "colorize": {"hints": 0.1},
    "demosaic": {},
    "deblur": {"kernel": "disk=2"},
    "sharpen": {"radius": 1.0},
    "restore": {"operator": "mosaic(RGGB) @ downsample(2)"},
}
#: Runs commands without what `import zeroshot` brings by itself; tells whether PyTorch was loaded after each.
BARE = """
import json, sys, types
package = types.ModuleType("zeroshot")
package.__path__ = [{folder!r}]
sys.modules["zeroshot"] = package
from zeroshot.cli.main import main
loaded = {{}}
for words in {commands!r}:
    try:
        main(words.split())
    except SystemExit:
        pass
    loaded[words] = "torch" in sys.modules
print("\\n" + json.dumps(loaded))
"""
LIGHT = [
    "tasks",
    "--help",
    "sr --help",
    "sr a.png -o b.png --magic",
    "sr none.png -o b.png --scale 1.5",
    "denoise none.png -o b.png",
    "degrade none.png -o b.png --task sr",
    "degrade none.png -o b.png --task sr --scale 2",
    "background none.png -o b",
]


def flat(text: str) -> str:
    return " ".join(text.split())


def help_of(add: Any, *arguments: Any) -> str:
    parser = Parser(prog="zeroshot", formatter_class=lambda prog: argparse.HelpFormatter(prog, width=500))
    add(parser, *arguments)
    return flat(parser.format_everything())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_option_is_in_the_parser_and_in_the_listings_once(task: Task) -> None:
    shown, listed = help_of(add_task_options, task), flat(task_listing())
    own = flat(task_listing()).split(f"{task.name}: {task.summary}")[1]
    for option in task.options:
        meaning = flat(option.meaning.for_command_line())
        assert shown.count(meaning) == 1
        assert (
            option.flag if isinstance(option.type, Switch) else f"{option.flag} {option.name.upper()}"
        ) in shown
        assert f"{option.flag}: {meaning}{option.typed_default}" in own
        assert str(task).count(str(option)) == 1
    assert f"{task.name}: {task.summary}" in listed
    assert str(task) in str(zeroshot.tasks())


def test_every_option_of_every_damage_is_in_the_parser() -> None:
    shown = help_of(add_damage_options)
    for option in NOISE:
        assert flat(option.meaning.for_command_line()) in shown
    for task in TASKS:
        for option in task.damage_options:
            assert f"{task.name}: {flat(option.meaning.for_command_line())}{option.typed_default}" in shown


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_example_can_be_parsed(task: Task) -> None:
    for example in task.examples:
        assert parse_arguments(shlex.split(example)[1:]).command == task.name


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_damage_of_a_task_can_be_posed(task: Task, photograph: torch.Tensor) -> None:
    result = degrade(photograph[..., :32, :32], task.name, **DAMAGE[task.name])
    problem, _, options = make_problem(task.name, load(result.measurement), result.options)
    assert tuple(problem.reference_shape) == tuple(result.truth.shape)
    assert set(options) == {option.name for option in task.options}


def test_the_suited_priors_are_the_candidates_of_the_choice() -> None:
    assert {task.name for task in TASKS} == set(CANDIDATES)
    for task in TASKS:
        candidates = CANDIDATES[task.name]
        assert task.suited[: len(candidates)] == candidates
        assert set(task.suited) <= set(zeroshot.prior_names())


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (GreyLevels(), [0, 0.1, np.float32(0.5), 1], [-0.1, float("nan"), True, "x"]),
        (GreyLevels(estimated=False), [0, 0.1, 1], [-0.1, 25, True, "x"]),
        (Positive(), [1, 0.5, np.int64(3)], [0, -1, float("inf"), True, "x"]),
        (Share(), [0.5, np.float32(0.1)], [0, 1, 50, True]),
        (Scale(), [2, 16, 4.0, np.int32(3)], [1, 17, 2.5, float("nan"), float("inf"), True, "2"]),
    ],
)
def test_one_rule_for_numbers(kind: OptionType, good: list[Any], bad: list[Any]) -> None:
    option = Option("x", kind, "something")
    for value in [*good, None]:
        option.check(value)
    for value in bad:
        with pytest.raises((OptionError, OptionTypeError), match=r"^x must") as caught:
            option.check(value)
        assert caught.value.argument == "x"


@pytest.mark.parametrize(
    ("kind", "word", "value"),
    [
        (GreyLevels(), "25", 25 / 255),
        (GreyLevels(), "auto", None),
        (Positive(), "1.5", 1.5),
        (Positive(), "4", 4),
        (Share(), "0.5", 0.5),
        (Scale(), "4", 4),
        (Choice(words=("a", "b")), "b", "b"),
    ],
)
def test_words_become_values_and_values_words(kind: OptionType, word: str, value: Any) -> None:
    option = Option("x", kind, "something")
    assert option.parse(word) == value
    assert isinstance(option.parse(word), type(value))
    assert kind.typed(value) == word


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (GreyLevels(), "300"),
        (GreyLevels(estimated=False), "auto"),
        (Positive(), "0"),
        (Share(), "1"),
        (Scale(), "inf"),
        (Choice(words=("a", "b")), "c"),
    ],
)
def test_words_that_are_no_values(kind: OptionType, word: str) -> None:
    with pytest.raises(OptionError, match=rf"^x must be .*, got '{word}'$"):
        Option("x", kind, "something").parse(word)


def test_what_needs_no_network_loads_none() -> None:
    script = BARE.format(folder=str(Path(zeroshot.__file__).parent), commands=LIGHT)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "Traceback" not in run.stderr
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == dict.fromkeys(LIGHT, False)
