"""The command ``zeroshot background``: frames of a fixed camera into what stays and what moves."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from zeroshot import images
from zeroshot.cli import files
from zeroshot.cli.arguments import Files
from zeroshot.cli.messages import say
from zeroshot.cli.output_names import folder_beside
from zeroshot.cli.values import number
from zeroshot.files import make_folder, require_writable
from zeroshot.spelling import CHOOSE_ANOTHER, OutputExistsError
from zeroshot.terminal import is_terminal

#: The folders that the output folder receives, and what is in them.
PARTS = ("background", "foreground", "mask")


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    command = commands.add_parser(
        "background",
        help="separate what moves from the background in a video",
        description="Separate the frames of a fixed camera into a background of low rank and what moves before "
        "it (robust principal component analysis). All frames are looked at together.",
        usage="zeroshot background FRAMES [FRAMES ...] [-o OUT] [options]",
        examples=("zeroshot background frames/", "zeroshot background frame*.png -o separated/"),
    )
    add = command.add_argument
    add("inputs", nargs="+", type=Path, action=Files, metavar="FRAMES",
        help="images of one size in the order of time, or a folder of images, in the order of their names")  # fmt: skip
    add("-o", "--output", metavar="OUT",
        help="a folder; it receives background/NAME.png, foreground/NAME.png (mid-grey where nothing moves) and "
        "mask/NAME.png (white where something does) (default: of the folder frames, frames.separated)")  # fmt: skip
    add("--weight", type=number("a number from 0.1 to 10", 0.1, 10), metavar="WEIGHT",
        help="the price of what moves, as a multiple of the default; a smaller one leaves less of it in the "
        "background: 0.1 to 10, usually 0.5 to 2 (default 1)")  # fmt: skip
    add("--overwrite", action="store_true", help="replace outputs that exist (never an input)")
    add("--quiet", action="store_true", help="print errors only")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check everything, separate the frames and write them; the exit code.

    Raises
    ------
    ValueError, OSError
        In one line, before any work.
    """
    for given in options.inputs:
        if not given.exists():
            raise FileNotFoundError(f"there is no file or folder {given}")
    sources = files.images_among(options.inputs)
    folder = _folder(options)
    if any(given.is_dir() and folder.is_dir() and given.samefile(folder) for given in options.inputs):
        raise ValueError(f"the output folder is the folder of the frames: {folder}; give another one")
    outputs = _outputs(folder, sources)
    _check_outputs(folder, sources, outputs, overwrite=options.overwrite)
    pictures = _frames(sources)
    separation = _separate(pictures, options)
    for part in PARTS:
        make_folder(folder / part)
    for index, picture in enumerate(pictures):
        _write(picture, separation, index, outputs[index], overwrite=options.overwrite)
    if not options.quiet:
        share = 100 * separation.mask.mean().item()
        say(
            f"{folder}: {len(sources)} frames in {separation.iterations} iterations; "
            f"background of rank {separation.rank}, {share:.1f} % of the pixels move"
        )
    return 0


def _folder(options: argparse.Namespace) -> Path:
    """Where the frames go: what was said, or beside the one folder of frames."""
    if options.output is not None:
        return Path(options.output)
    if len(options.inputs) > 1 or not options.inputs[0].is_dir():
        raise ValueError("give the folder that receives the frames: -o separated/")
    return folder_beside(options.inputs[0], "separated")


def _outputs(folder: Path, sources: list[Path]) -> list[dict[str, Path]]:
    """For each frame, its outputs by part; PNG whatever the frames are."""
    if len(sources) < 2:
        raise ValueError(f"a background is what several frames share; give at least two, got {len(sources)}")
    if folder.suffix.lower() in images.SUFFIXES and not folder.is_dir():
        raise ValueError(f"the output is a folder, got {folder}")
    names = [source.stem + ".png" for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two frames would be written to the same output: {', '.join(twice)}")
    return [{part: folder / part / name for part in PARTS} for name in names]


def _check_outputs(
    folder: Path, sources: list[Path], outputs: list[dict[str, Path]], *, overwrite: bool
) -> None:
    """Refuse what cannot be written, or must not be replaced, before anything is made."""
    written = [(f"a {part}", path) for parts in outputs for part, path in parts.items()]
    files.require_apart([("an input", source) for source in sources], written)
    for place in (folder, *(folder / part for part in PARTS)):
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(f"the output must be a folder, but is a file: {place}")
    for _, path in written:
        if path.is_dir():
            raise IsADirectoryError(f"{path}: is a folder")
        if (path.exists() or path.is_symlink()) and not overwrite:
            raise OutputExistsError(f"{path}: exists already", CHOOSE_ANOTHER)
    make_folder(folder)
    for place in (folder, *(folder / part for part in PARTS)):
        if place.is_dir():
            require_writable(place)


def _frames(sources: list[Path]) -> list[images.Picture]:
    """The frames, all of one size and number of channels."""
    from zeroshot.images.value_range import say_range, share_range
    from zeroshot.solvers.robust_pca import require_memory

    pictures: list[images.Picture] = []
    for source in sources:
        picture = images.load(source)
        if not pictures:
            require_memory(picture.colours.numel() * len(sources))
        first = picture if not pictures else pictures[0]
        if picture.colours.shape != first.colours.shape:
            raise ValueError(
                f"{source} is {_described(picture)} and {sources[0]} {_described(first)}; "
                "all frames must have one size and be all grey or all in colour"
            )
        # Which file is never overwritten has been checked; transparency has no place in a background.
        pictures.append(replace(picture.without_alpha(), form=replace(picture.form, source=None)))
    pictures = share_range(pictures)
    say_range(pictures[0])
    return pictures


def _described(picture: images.Picture) -> str:
    _, channels, height, width = picture.colours.shape
    return f"{height} × {width} {'grey' if channels == 1 else 'in colour'}"


def _separate(pictures: list[images.Picture], options: argparse.Namespace) -> Any:
    import torch
    from tqdm import tqdm

    from zeroshot.solvers.robust_pca import noise_in_time, separate_background

    frames = torch.cat([picture.colours for picture in pictures])
    relative = 1.0 if options.weight is None else options.weight
    weight = relative / math.sqrt(max(frames[0].numel(), frames.shape[0]))
    hidden = options.quiet or not is_terminal(sys.stderr)
    with tqdm(desc="background", disable=hidden, leave=False) as bar:

        def show(iteration: int, residual: float) -> None:
            bar.set_postfix_str(f"residual {residual:.1e}", refresh=False)
            bar.update()

        noise = noise_in_time(frames)
        return separate_background(frames, weight, noise=noise, progress=show)


def _write(
    picture: images.Picture, separation: Any, index: int, paths: dict[str, Path], *, overwrite: bool
) -> None:
    shown = {
        "background": separation.background[index : index + 1],
        "foreground": (separation.foreground[index : index + 1] + 0.5).clamp(0, 1),
        "mask": separation.mask[index : index + 1],
    }
    for part, path in paths.items():
        images.save(picture.with_colours(shown[part]), path, overwrite=overwrite)
