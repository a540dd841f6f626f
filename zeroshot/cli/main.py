"""The command line: what each command does, and its exit codes.

Exit codes: 0 done, 1 some image failed, memory ran out or there is nothing to show, 2 bad input,
130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from zeroshot import images
from zeroshot.cli.listings import with_units
from zeroshot.cli.messages import (
    FAILURES,
    INTERRUPTED,
    flush,
    one_line_warnings,
    report,
    say,
    tolerate_narrow_terminals,
)
from zeroshot.cli.parser import parse_arguments
from zeroshot.cli.task_options import task_listing
from zeroshot.deadline import counting_start_up


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code.

    With the environment variable ZEROSHOT_TRACEBACK set, errors keep their traceback.
    """
    tolerate_narrow_terminals()
    # A command of its own began with the process; one within a program begins now.
    start = counting_start_up() if arguments is None else contextlib.nullcontext()
    try:
        with one_line_warnings(), start:
            return _dispatch(parse_arguments(sys.argv[1:] if arguments is None else arguments))
    except FAILURES as error:
        if os.environ.get("ZEROSHOT_TRACEBACK"):
            raise
        return report(error)
    except KeyboardInterrupt:
        say("zeroshot: interrupted; nothing was written", sys.stderr)
        return INTERRUPTED
    finally:
        flush()


def _dispatch(options: argparse.Namespace) -> int:
    # What loads PyTorch is imported by the command that needs it.
    if options.command == "tasks":
        say(task_listing())
        return 0
    if options.command == "priors":
        from zeroshot.cli.listings import prior_description, prior_listing

        say(prior_listing() if options.name is None else prior_description(options.name))
        return 0
    if options.command == "info":
        return max(_show_provenance(image, len(options.images) > 1) for image in options.images)
    return options.run(options)


def _show_provenance(path: Path, is_one_of_several: bool) -> int:
    provenance = images.read_provenance(path)
    if provenance is None:
        say(f"zeroshot: {path} was not written by zeroshot", sys.stderr)
        return 1
    text = json.dumps(with_units(provenance), indent=2, ensure_ascii=False)
    say(f"{path}: {text}" if is_one_of_several else text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
