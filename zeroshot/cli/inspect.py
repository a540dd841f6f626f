"""The command ``zeroshot inspect``: what is wrong with pictures, and what would mend it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from zeroshot.cli import files
from zeroshot.cli.arguments import Files
from zeroshot.cli.batch import over_images
from zeroshot.cli.messages import say_page
from zeroshot.cli.values import value_range
from zeroshot.files import write_atomically


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    command = commands.add_parser(
        "inspect",
        help="find out what is wrong with images, and what would mend it",
        usage="zeroshot inspect IMAGE [IMAGE ...] [options]",
        description="Find out what is wrong with images: noise, impulses, stripes, compression, scaling, blur; and the "
        "command that would mend it. Only what is clear is told. ('zeroshot info' shows how an output was made.)",
        examples=("zeroshot inspect photo.jpg", "zeroshot inspect scans/ --json"),
    )
    add = command.add_argument
    add("inputs", nargs="+", type=Path, action=Files, metavar="IMAGE", help="images, or a folder of images")
    add(
        "--json",
        action="store_true",
        help="print all numbers as JSON: an object, or a list for several images",
    )
    add("--plot", type=Path, metavar="FILE.png", help="draw the noise of the one image (needs matplotlib)")
    add("--noise", type=Path, metavar="FILE.json",
        help="write the noise of the one image, for 'zeroshot denoise --noise FILE.json'")  # fmt: skip
    add("--overwrite", action="store_true", help="replace a plot or a noise model that exists")
    command.expert_options().add_argument(
        "--range", dest="value_range", type=value_range, metavar="LOW,HIGH",
        help="the values that mean black and white, where they are not the full range of the type")  # fmt: skip
    command.expert_options().add_argument("--scene", metavar="SCENE",
        help="which image of a microscope file, by number, from 1, or name (default: the first)")  # fmt: skip
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Inspect every image; the exit code.

    Raises
    ------
    ValueError, OSError
        In one line, before any work.
    """
    inputs = files.images_among(options.inputs)
    files.require_files(inputs)
    _check_written(options, inputs)
    from zeroshot.inspection import inspect

    found: list[dict[str, Any]] = []
    several = len(inputs) > 1

    def look(path: Path) -> int:
        inspection = inspect(path, value_range=options.value_range, scene=options.scene)
        if options.json:
            found.append(inspection.to_dict())
        else:
            say_page(str(inspection) + "\n" * several)
        if options.noise is not None:
            write_atomically(
                options.noise, lambda file: file.write(inspection.noise_model.to_json().encode())
            )
        if options.plot is not None:
            figure = inspection.plot()
            write_atomically(options.plot, lambda file: figure.savefig(file, format="png", facecolor="white"))
        return 0

    code = over_images([(path, path) for path in inputs], look) if several else look(inputs[0])
    if options.json:
        say_page(json.dumps(found if several else found[0], indent=2, ensure_ascii=False))
    return code


def _check_written(options: argparse.Namespace, inputs: list[Path]) -> None:
    """Whether the plot and the noise model can be written and may be."""
    written = [("--plot", options.plot), ("--noise", options.noise)]
    for name, path in written:
        if path is None:
            continue
        if len(inputs) > 1:
            raise ValueError(f"{name} goes with one image, got {len(inputs)}")
        files.check_found(f"the file of {name}", path, inputs, overwrite=options.overwrite)
    if options.plot is not None and options.plot.suffix.lower() != ".png":
        raise ValueError(f"--plot must name a PNG file, got {options.plot}")
    files.require_apart([], [(f"the file of {name}", path) for name, path in written if path is not None])
