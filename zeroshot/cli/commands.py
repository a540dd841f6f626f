"""Which command does what."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from zeroshot import images
from zeroshot.cli.listings import with_units
from zeroshot.cli.messages import say, say_page
from zeroshot.cli.task_options import task_listing
from zeroshot.spelling import visible
from zeroshot.standings import listing
from zeroshot.tasks import task_named


def run(options: argparse.Namespace) -> int:
    """Run the command that was parsed; the exit code."""
    # What loads PyTorch is imported by the command that needs it.
    if options.command == "tasks":
        say_page(task_listing())
        return 0
    if options.command == "priors":
        say_page(_priors(options))
        return 0
    if options.command == "info":
        return max(_show_provenance(image, len(options.images) > 1) for image in options.images)
    return options.run(options)


def _priors(options: argparse.Namespace) -> str:
    from zeroshot.cli.listings import prior_description, prior_listing

    if options.task is None:
        return prior_listing() if options.name is None else prior_description(options.name)
    if options.name is not None:
        raise ValueError("give the name of a prior or --task, one of them")
    task = task_named(options.task)
    return listing(task.name, task.prior)


def _show_provenance(path: Path, is_one_of_several: bool) -> int:
    provenance = images.read_provenance(path)
    if provenance is None:
        say(f"zeroshot: {path} was not written by zeroshot", sys.stderr)
        return 1
    text = json.dumps(with_units(provenance), indent=2, ensure_ascii=False)
    say_page(f"{visible(path)}: {text}" if is_one_of_several else text)
    return 0
