"""`zeroshot align`: a face out of a photograph, upright and of one size, and back into it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from zeroshot import images
from zeroshot.cli.messages import say
from zeroshot.cli.output_names import output_beside
from zeroshot.registry import __version__


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "align",
        help="cut a face out for a generator of faces, and put it back",
        description="Cut a face out of a photograph, upright and of one size; with --back, put a restored one in "
        "its place.",
        usage="zeroshot align PHOTOGRAPH --landmarks POINTS [-o OUT] [options]",
        examples=(
            "zeroshot align group.jpg --landmarks '31,24 37,24 34,28 32,30 36,30'",
            "zeroshot align group.jpg -o done.jpg --landmarks points.json --back large.png",
        ),
    )
    add = parser.add_argument
    add("photograph", type=Path, metavar="PHOTOGRAPH", help="the picture with the face in it")
    add("-o", "--output", type=Path, metavar="OUT",
        help="the image to write (default: photo.aligned.png for photo.jpg, in its folder; with --back "
        "photo.merged.png)")  # fmt: skip
    add("--landmarks", required=True, metavar="POINTS",
        help="left eye, right eye, nose, left and right mouth corner as they appear in the picture: "
        "'x,y x,y x,y x,y x,y' in pixels from the upper left corner, or a .json file of them")  # fmt: skip
    add("--size", type=int, default=1024, help="side of the face in pixels (default 1024)")
    add("--back", type=Path, metavar="FACE", help="put this face into its place in the photograph")
    add("--border", type=float, default=0.1,
        help="with --back: share of half the side over which the face fades in (default 0.1)")  # fmt: skip
    add("--overwrite", action="store_true", help="replace an output that exists (never an input)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what the command line asks; the exit code."""
    from zeroshot.generators.alignment import LARGEST_SIDE, read_landmarks
    from zeroshot.images.value_range import on_range, say_range

    alignment = read_landmarks(options.landmarks)
    outcome = "aligned" if options.back is None else "merged"
    options.output = options.output or output_beside(options.photograph, outcome)
    images.check_output(options.output, overwrite=options.overwrite, source=options.photograph)
    picture = images.load(options.photograph)
    say_range(picture)
    height, width = picture.colours.shape[-2:]
    if not (0 <= alignment.centre[0] <= width and 0 <= alignment.centre[1] <= height):
        raise ValueError(f"the landmarks lie outside the photograph, which is {width} × {height}")
    if options.back is None:
        if not 1 <= options.size <= LARGEST_SIDE:
            raise ValueError(f"--size must be a whole number from 1 to {LARGEST_SIDE}, got {options.size}")
        result = alignment.crop(picture.colours, options.size)
        # Transparency would be stretched, not warped.
        picture = picture.without_alpha()
    else:
        images.check_not_input(options.output, options.back)
        back = images.load(options.back)
        if back.samples is not None and picture.samples is not None:
            back = on_range(back, picture.form)
        face = back.colours
        channels = picture.colours.shape[1]
        if face.shape[1] not in (1, channels):
            raise ValueError(f"the face has {face.shape[1]} channels and the photograph {channels}")
        result = alignment.paste(picture.colours, face.expand(-1, channels, -1, -1), options.border)
    provenance = {
        "zeroshot": __version__,
        "command": "align" if options.back is None else "align --back",
        "landmarks": options.landmarks,
        "input_sha256": picture.sha256(),
    }
    restored = picture.with_colours(result.clamp(0, 1))
    images.save(restored, options.output, overwrite=options.overwrite, provenance=provenance)
    say(f"{options.output}: {result.shape[-1]} × {result.shape[-2]}")
    return 0
