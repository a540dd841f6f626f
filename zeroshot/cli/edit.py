"""`zeroshot edit`: change what was inverted, along a direction, towards another image, or by its styles."""

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
        "edit",
        help="edit an image that was inverted in a generator",
        description="Edit an image that was inverted in a generator: first 'zeroshot denoise me.png -o o.png --sigma 0 "
        "--prior inversion --weights ffhq.pkl --latent me.npz'.",
        usage="zeroshot edit LATENT.npz --weights FILE [-o OUT] [options]",
        examples=(
            "zeroshot edit me.npz --weights ffhq.pkl --direction smile.npy --strength 2",
            "zeroshot edit me.npz -o us.png --weights ffhq.pkl --towards you.npz",
        ),
    )
    add = parser.add_argument
    add("latent", type=Path, metavar="LATENT.npz", help="the file that --latent wrote")
    add("-o", "--output", type=Path, metavar="OUT",
        help="the image to write (default: me.edited.png for me.npz, in its folder)")  # fmt: skip
    add(
        "--weights",
        required=True,
        help="the generator in which it was inverted: a file, a name of the zoo, or python:FILE.py:FUNCTION",
    )
    add("--mapping", type=Path, help="PULSE's file with the mapping network")
    add("--sample", type=int, default=0, help="which of several solutions of LATENT.npz (default 0)")
    add("--direction", type=Path, metavar="FILE.npy", help="move along this direction")
    add("--strength", type=float, default=1.0, help="with --direction: how far (default 1)")
    add("--towards", type=Path, metavar="OTHER.npz", help="move towards this inverted image")
    add("--share", type=float, default=0.5, help="with --towards: how much of the way (default 0.5)")
    add("--mix", type=Path, metavar="OTHER.npz", help="take the styles of this inverted image")
    add("--layers", default=None, metavar="FIRST-LAST", help="with --mix: in these layers, counted from 0")
    add("--overwrite", action="store_true", help="replace an output that exists")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what the command line asks; the exit code."""
    from zeroshot.priors.latent import editing
    from zeroshot.priors.latent.weights import generator_for
    from zeroshot.provenance import described

    if options.direction is None and options.towards is None and options.mix is None:
        raise ValueError("edit needs --direction, --towards or --mix: what to change")
    if options.latent.suffix != ".npz":
        raise ValueError(f"edit takes the .npz file that --latent wrote, got {options.latent}")
    options.output = options.output or output_beside(options.latent, "edited")
    if (options.mix is None) != (options.layers is None):
        raise ValueError("--mix and --layers go together: whose styles, and in which layers")
    layers = None if options.layers is None else _range(options.layers)
    images.check_output(options.output, overwrite=options.overwrite)
    edited = editing.InvertedImage.load(options.latent, options.sample)
    network = generator_for(options.weights, options.mapping)
    edited.require_of(network)
    if options.direction is not None:
        edited = edited.moved(editing.load_direction(options.direction), options.strength)
    if options.towards is not None:
        edited = edited.between(editing.InvertedImage.load(options.towards), options.share)
    if layers is not None:
        edited = edited.mixed(editing.InvertedImage.load(options.mix), *layers)
    image = edited.image(network)
    changes = {
        name: described(value)
        for name, value in vars(options).items()
        if name not in ("command", "run", "output", "overwrite") and value is not None
    }
    provenance = {"zeroshot": __version__, "command": "edit", **changes}
    edited_image = images.load(image.mul(255).round().byte())
    images.save(edited_image, options.output, overwrite=options.overwrite, provenance=provenance)
    say(f"{options.output}: {image.shape[-1]} × {image.shape[-2]}")
    return 0


def _range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    try:
        return int(first), int(last if dash else first)
    except ValueError:
        raise ValueError(f"--layers must be a number or FIRST-LAST, got {text!r}") from None
