"""Which command does what."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from zeroshot import images
from zeroshot.cli.listings import with_units
from zeroshot.cli.messages import say, say_page
from zeroshot.cli.task_options import task_facts, task_listing
from zeroshot.registry import prior_names
from zeroshot.spelling import visible
from zeroshot.standings import listing, standing_facts
from zeroshot.tasks import task_named


def run(options: argparse.Namespace) -> int:
    """Run the command that was parsed; the exit code."""
    # What loads PyTorch is imported by the command that needs it.
    if options.command == "tasks":
        say_page(_as_json(task_facts()) if options.json else task_listing())
        return 0
    if options.command == "priors":
        say_page(_priors(options))
        return 0
    if options.command == "info":
        return _info(options)
    return options.run(options)


def _priors(options: argparse.Namespace) -> str:
    from zeroshot.cli.listings import prior_description, prior_facts, prior_listing

    if options.task is not None:
        if options.name is not None:
            raise ValueError("give the name of a prior or --task, one of them")
        task = task_named(options.task)
        return _as_json(standing_facts(task.name)) if options.json else listing(task.name, task.prior)
    if options.json:
        names = prior_names() if options.name is None else [options.name]
        facts = [prior_facts(name) for name in names]
        return _as_json(facts if options.name is None else facts[0])
    return prior_listing() if options.name is None else prior_description(options.name)


def _info(options: argparse.Namespace) -> int:
    """Print how each image was made; the exit code, 1 where one was not made by this program."""
    several = len(options.images) > 1
    found = {path: images.read_provenance(path) for path in options.images}
    told = {path: with_units(facts) for path, facts in found.items() if facts is not None}
    for path in found.keys() - told.keys():
        say(f"zeroshot: {path} was not written by zeroshot", sys.stderr)
    if options.json and several:
        say_page(_as_json([{"file": str(path)} | facts for path, facts in told.items()]))
    else:
        for path, facts in told.items():
            say_page(f"{visible(path)}: {_as_json(facts)}" if several else _as_json(facts))
    return int(len(told) < len(found))


def _as_json(facts: Any) -> str:
    return json.dumps(facts, indent=2, ensure_ascii=False)
