"""`zeroshot weights`: what a file of weights holds, safely; files in our own format; and the zoo."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from zeroshot.cli.messages import say, say_page
from zeroshot.spelling import CHOOSE_ANOTHER, OutputExistsError, visible


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "weights",
        help="look into files of pretrained generators, convert them, list and fetch published ones",
        examples=("zeroshot weights list", "zeroshot weights inspect ffhq.pkl"),
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    inspect = actions.add_parser("inspect", help="what the file holds; nothing from it is run")
    inspect.add_argument("file", type=Path, help="a checkpoint")
    inspect.add_argument("--mapping", type=Path, help="the mapping network, where it is a file of its own")
    convert = actions.add_parser("convert", help="write it as .safetensors, with its architecture")
    convert.add_argument("file", type=Path, help="a checkpoint")
    convert.add_argument("output", type=Path, metavar="OUT.safetensors", help="the file to write")
    convert.add_argument("--mapping", type=Path, help="the mapping network, where it is a file of its own")
    convert.add_argument("--overwrite", action="store_true", help="replace an output that exists")
    listed = actions.add_parser("list", help="the published weights that are known by name, with their terms")
    for one in (inspect, listed):
        one.add_argument("--json", action="store_true", help="print JSON, for programs")
    fetch = actions.add_parser("fetch", help="download published weights into the cache")
    fetch.add_argument("name", help="one of 'zeroshot weights list'")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what the command line asks; the exit code."""
    from zeroshot.generators import describe, formats, zoo

    if options.action == "list" and options.json:
        say_page(json.dumps({name: _facts(zoo.ENTRIES[name]) for name in zoo.names()}, indent=2))
        return 0
    if options.action == "list":
        for name in zoo.names():
            entry = zoo.ENTRIES[name]
            say_page(
                f"{name}: {entry.domain}; alignment: {entry.alignment}\n    {entry.licence}\n    {entry.source}"
            )
        return 0
    if options.action == "fetch":
        say(str(zoo.fetch(options.name)))
        return 0
    if options.action == "convert":
        _require_not_read(options)
        if options.output.exists() and not options.overwrite:
            raise OutputExistsError(f"{options.output} exists", CHOOSE_ANOTHER)
        formats.check_output(options.output, overwrite=options.overwrite)
    generator = formats.load(options.file, options.mapping)
    if options.action == "inspect":
        facts = describe(generator)
        if options.json:
            say_page(json.dumps(facts, indent=2, default=str))
            return 0
        width = max(map(len, facts))
        say_page("\n".join(f"{name:<{width}}  {visible(value)}" for name, value in facts.items()))
        return 0
    formats.save(generator, options.output, overwrite=options.overwrite)
    say(f"{options.output}: {generator.architecture}, {options.output.stat().st_size / 2**20:.1f} MiB")
    return 0


def _facts(entry: Any) -> dict[str, str]:
    """What is told of published weights."""
    return {name: getattr(entry, name) for name in ("domain", "alignment", "licence", "source")}


def _require_not_read(options: argparse.Namespace) -> None:
    """Refuse an output that is one of the files read, by whatever name."""
    output: Path = options.output
    for source in (options.file, options.mapping):
        if source is not None and source.exists() and output.exists() and output.samefile(source):
            raise ValueError(f"the output is the input, which is never overwritten: {output}")
