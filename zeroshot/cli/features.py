"""`zeroshot invert-features`: what a network still knows of an image after some layer, drawn as an image."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from zeroshot import images
from zeroshot.cli.messages import INTERRUPTED, say
from zeroshot.cli.output_names import output_beside
from zeroshot.cli.restore import prepare_solver
from zeroshot.cli.results import reserved, save_image


def add_parser(commands: Any, add_run_options: Any) -> None:
    """Add the command to the parser, with the options of a run that the tasks have."""
    parser = commands.add_parser(
        "invert-features",
        help="find the image that has the VGG features of a given one",
        description="Draw what VGG still knows of an image after one of its layers, as an image.",
        usage="zeroshot invert-features IMAGE --features WEIGHTS [-o OUT] [options]",
        examples=(
            "zeroshot invert-features building.jpg --features vgg19",
            "zeroshot invert-features a.jpg -o b.png --features vgg.pth --layer relu3_1",
        ),
    )
    parser.add_argument("image", type=Path, metavar="IMAGE", help="the picture whose features are kept")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="the image to write (default: photo.features.png for photo.jpg, in its folder)",
    )
    parser.add_argument(
        "--features",
        required=True,
        metavar="WEIGHTS",
        help="VGG16 or VGG19: a file of torchvision's, or vgg16, vgg19",
    )
    parser.add_argument(
        "--layer", default="relu4_1", help="the layer whose features are kept (default relu4_1)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an output that exists")
    add_run_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do what the command line asks; the exit code."""
    prepare_solver(options)
    options.output = options.output or output_beside(options.image, "features")
    from zeroshot.priors.latent.weights import extractor_for

    images.check_output(options.output, overwrite=options.overwrite, source=options.image)
    extractor = extractor_for(options.features)
    extractor.index(options.layer)
    with reserved([options.output]):
        return _invert(options, extractor)


def _invert(options: argparse.Namespace, extractor: Any) -> int:
    from zeroshot.cli.feature_inversion import invert_features

    result = invert_features(
        options.image,
        extractor,
        options.layer,
        options.prior,
        settings=dict(options.settings),
        seconds=options.seconds,
        seed=options.seed,
        device=options.device,
        progress=False if options.quiet else None,
    )
    written = save_image(result, options.output, overwrite=options.overwrite)
    if result.interrupted:
        if written:
            say(f"zeroshot: interrupted; the best image so far is {options.output}", sys.stderr)
        return INTERRUPTED
    if not written:
        return 1
    if not options.quiet:
        say(
            f"{options.output}: {result.iterations} iterations in {result.seconds:.1f} s; {result.stopped_by}"
        )
    return 0
