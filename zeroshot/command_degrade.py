"""The command ``zeroshot degrade``: good images into damaged ones that a task restores."""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from zeroshot import command_files as files
from zeroshot import images
from zeroshot.command_messages import FAILURES, report, say
from zeroshot.degradation import COMPANIONS, DAMAGE, NOISE, Degraded, check, degrade, restoring_command
from zeroshot.picture import full_range
from zeroshot.version import __version__

_NAMES = tuple(dict.fromkeys(name for options in DAMAGE.values() for name in options))


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    command = commands.add_parser(
        "degrade",
        help="damage good images, to see how well they are restored",
        description="Damage good images as a task undoes it, with a seed. The damaged image says how it was "
        "made ('zeroshot info'), and the line that restores it is printed.",
        epilog="example: zeroshot degrade photo.png -o small.png --task sr --scale 4 --truth truth.png",
    )
    add = command.add_argument
    add("inputs", nargs="+", type=Path, metavar="IMG", help="good images, or a folder of images")
    add("-o", "--output", required=True, metavar="OUT",
        help="a file; for several images a folder; 'FOLDER/' makes the folder. TIFF holds every value, PNG up "
        "to 16 bits from black to white")  # fmt: skip
    add("--task", required=True, choices=list(DAMAGE), metavar="TASK", help=f"one of {', '.join(DAMAGE)}")
    _add_noise(command)
    _add_damage(command)
    add("--quantise", choices=["8-bit", "none"],
        help="whether values are clipped and rounded to 8 bits (default: in sr without noise)")  # fmt: skip
    add("--seed", type=_seed, default=0, help="of noise, missing pixels and hints (default 0)")
    add("--range", dest="value_range", type=_value_range, metavar="LOW,HIGH",
        help="the values that mean black and white in IMG")  # fmt: skip
    add("--truth", metavar="FILE",
        help="also write the good image, cropped as the damage needs it; for several images a folder")  # fmt: skip
    add("--overwrite", action="store_true", help="replace outputs that exist (never an input)")
    add("--quiet", action="store_true", help="print errors only")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check everything, damage the images and write them; the exit code.

    Raises
    ------
    ValueError, TypeError, OSError
        In one line, before any work.
    """
    damage = _damage(options)
    _check_damage(options, damage)
    jobs = _jobs(options)
    _check_files(options, jobs)
    if len(jobs) == 1:
        _degrade_one(jobs[0], options, damage)
        return 0
    failed = []
    for job in jobs:
        try:
            _degrade_one(job, options, damage)
        except FAILURES as error:
            if os.environ.get("ZEROSHOT_TRACEBACK"):
                raise
            report(error, str(job.source))
            failed.append(str(job.source))
    if failed:
        say(f"zeroshot: {len(failed)} of {len(jobs)} images failed: {', '.join(failed)}", sys.stderr)
    return 1 if failed else 0


# --- the options -------------------------------------------------------------------------------------------


def _add_noise(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--sigma", type=_number("a number of 8-bit grey levels from 0 to 255", 0, 255),
        help="Gaussian noise, its standard deviation in 8-bit grey levels")  # fmt: skip
    add("--peak", type=_number("a positive number of photons", 0, math.inf, "open"),
        help="photon noise: how many photons make white")  # fmt: skip
    add("--salt-pepper", dest="salt_pepper", type=_share, metavar="SHARE",
        help="share of the pixels that become black or white, such as 0.1")  # fmt: skip


def _add_damage(command: argparse.ArgumentParser) -> None:
    """The options that make the damage of a task; which goes with which is checked later."""
    add = command.add_argument
    add("--missing", type=_share, metavar="SHARE", help="inpaint: share of the pixels to lose at random")
    add(
        "--mask", help="inpaint, instead of --missing: an image file, white where pixels are kept; or 'alpha'"
    )
    add("--scale", type=_number("a whole number from 2 to 16", 2, 16),
        help="sr: how many times smaller, from 2 to 16")  # fmt: skip
    add("--kernel", help="sr: 'bicubic' (default), 'lanczos2', 'lanczos3', 'box', 'gaussian', or a file; deblur: "
        "a file (.npy or an image), or text such as 'gaussian=1.6', 'motion=15, angle=30', 'disk=3'")  # fmt: skip
    add("--kernel-sigma", dest="kernel_sigma", type=_number("a positive number", 0, math.inf, "open"),
        help="sr with --kernel gaussian: its standard deviation in pixels of IMG")  # fmt: skip
    add(
        "--luma", choices=["bt601", "bt709", "mean"], help="colorize: how colours become grey (default bt601)"
    )
    add("--hints", help="colorize: share of the pixels whose colours are told, or an RGBA image of hints")
    add("--pattern", help="demosaic: RGGB (default), BGGR, GRBG, GBRG, quad-rggb …, or xtrans")
    add("--boundary", choices=["reflect", "circular", "replicate", "valid"],
        help="deblur: how the scene goes on beyond the image (default reflect)")  # fmt: skip
    add("--operator", help="restore: the damage, such as 'mosaic(RGGB) @ downsample(2)'")


def _number(wanted: str, lowest: float, highest: float, ends: str = "closed") -> Callable[[str], float | int]:
    """A converter of numbers from `lowest` to `highest`, with `ends` "open" strictly between them."""

    def convert(text: str) -> float | int:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        inside = lowest < value < highest if ends == "open" else lowest <= value <= highest
        if not inside:
            raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}")
        return int(value) if value == int(value) else value

    return convert


_share = _number("a share of the pixels between 0 and 1", 0, 1, "open")


def _seed(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, got {text!r}")
    return value


def _value_range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise argparse.ArgumentTypeError(
            f"must be two numbers LOW,HIGH, the values of black and white with LOW < HIGH, got {text!r}"
        )
    return low, high


def _damage(options: argparse.Namespace) -> dict[str, Any]:
    """The options of the damage that were given, in the units of the engine."""
    given = {name: value for name in (*NOISE, *_NAMES) if (value := getattr(options, name)) is not None}
    if "sigma" in given:
        given["sigma"] = given["sigma"] / 255
    if "hints" in given and not Path(given["hints"]).exists():
        try:
            given["hints"] = float(given["hints"])
        except ValueError:
            raise FileNotFoundError(
                f"--hints must be a share of the pixels or an RGBA image, but there is no file {given['hints']}"
            ) from None
    return given


def _check_damage(options: argparse.Namespace, damage: dict[str, Any]) -> None:
    known = [*DAMAGE[options.task], *NOISE]
    for name in damage:
        if name not in known:
            raise ValueError(
                f"{_flag(name)} does not go with --task {options.task}; with it go {', '.join(map(_flag, known))}"
            )
    if "kernel_sigma" in damage and damage.get("kernel") != "gaussian":
        raise ValueError("--kernel-sigma goes with --kernel gaussian")
    try:
        check(options.task, seed=options.seed, quantise=options.quantise, **damage)
    except (ValueError, TypeError) as error:
        raise type(error)(_with_flags(str(error))) from None
    if 0 < damage.get("sigma", 0) * 255 < 1:
        warnings.warn(
            f"--sigma {damage['sigma'] * 255:g} is in 8-bit grey levels, from 0 to 255", stacklevel=2
        )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _with_flags(message: str) -> str:
    """The engine's message with its options spelled as they are typed."""
    names = "|".join((*NOISE, *_NAMES))
    message = re.sub(rf"\b({names})=…", lambda found: _flag(found[1]), message)
    message = re.sub(r"^task '(\w+)'", r"--task \1", message)
    return re.sub(r"\bsalt_pepper\b(?! image)", "--salt-pepper", message)


# --- the files ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    """One image: what is read and what is written."""

    source: Path
    output: Path
    truth: Path | None
    #: The companion that the task needs beside the output: "mask" or "hints", if any.
    companion: str | None

    @property
    def beside(self) -> Path:
        """The file of the companion."""
        return self.output.with_name(f"{self.output.stem}-{self.companion}.png")

    @property
    def written(self) -> list[tuple[str, Path]]:
        found = [("the output", self.output)]
        if self.truth is not None:
            found.append(("the truth", self.truth))
        if self.companion is not None:
            found.append((f"the {self.companion}", self.beside))
        return found


def _jobs(options: argparse.Namespace) -> list[_Job]:
    for given in options.inputs:
        if not given.exists():
            raise FileNotFoundError(f"there is no file or folder {given}")
    companion = {"inpaint": "mask", "colorize": "hints" if options.hints is not None else None}.get(
        options.task
    )
    sources = files.images_among(options.inputs)
    output, truth = Path(options.output), None if options.truth is None else Path(options.truth)
    if len(sources) == 1 and not options.inputs[0].is_dir():
        source = sources[0]
        output = output / _lossless(source) if _is_folder(options.output) else output
        if truth is not None and _is_folder(options.truth):
            truth = truth / source.name
        return [_Job(source, output, truth, companion)]
    for given in options.inputs:
        if given.is_dir() and output.is_dir() and given.samefile(output):
            raise ValueError(f"the output folder is the folder of the inputs: {output}; give another one")
    named = files.outputs_in(output, [source.with_name(_lossless(source)) for source in sources])
    truths = [None if truth is None else path for _, path in files.outputs_in(truth or output, sources)]
    return [
        _Job(source, path, true, companion)
        for source, (_, path), true in zip(sources, named, truths, strict=True)
    ]


def _lossless(source: Path) -> str:
    """The name for the damaged image: compression would add a damage of its own."""
    return source.name if source.suffix.lower() in (".png", ".tif", ".tiff") else source.stem + ".png"


def _is_folder(text: str) -> bool:
    return files.asks_for_folder(text) or Path(text).is_dir()


def _check_files(options: argparse.Namespace, jobs: list[_Job]) -> None:
    """Refuse what cannot be written, or must not be replaced, before anything is made."""
    several = len(jobs) > 1 or options.inputs[0].is_dir()
    written = [pair for job in jobs for pair in job.written]
    read = [(what, path) for what, path in files.read_files(options) if path.is_file()]
    files.require_apart([*read, *(("an input", job.source) for job in jobs)], written)
    for given in (options.output, options.truth):
        if given is not None and (several or files.asks_for_folder(given)):
            files.make_folder(Path(given))
    for _, path in written:
        images.check_output(path, overwrite=options.overwrite)
    for folder in sorted({path.absolute().parent for _, path in written}):
        files.require_writable(folder)


# --- one image ---------------------------------------------------------------------------------------------


def _degrade_one(job: _Job, options: argparse.Namespace, damage: dict[str, Any]) -> None:
    picture = images.load(job.source, value_range=options.value_range)
    if picture.alpha is not None and options.mask != "alpha":
        warnings.warn(f"{job.source}: transparency is left out", stacklevel=2)
    try:
        result = degrade(picture, options.task, seed=options.seed, quantise=options.quantise, **damage)
    except (ValueError, TypeError) as error:
        raise type(error)(_with_flags(str(error))) from None
    plain = picture.without_alpha()
    for what, companion in _companions(result):
        record = {"zeroshot": __version__, f"{what}_for": job.output.name, **_origin(result)}
        images.save(_drawn(plain, companion), job.beside, overwrite=options.overwrite, provenance=record)
    if job.truth is not None:
        record = {"zeroshot": __version__, "truth_for": job.output.name, **_origin(result)}
        true = plain.with_colours(result.truth)
        images.save(true, job.truth, overwrite=options.overwrite, provenance=record)
    dtype, note = _depth(result.measurement, job.output)
    damaged = _in_depth(plain.with_colours(result.measurement), dtype)
    images.save(damaged, job.output, overwrite=options.overwrite, provenance=result.provenance)
    if not options.quiet:
        _tell(job, result, note)


def _origin(result: Degraded) -> dict[str, Any]:
    return {name: result.provenance[name] for name in ("seed", "input_size", "truth_size", "input_sha256")}


def _companions(result: Degraded) -> list[tuple[str, Any]]:
    return [(name, result.options[name]) for name in COMPANIONS if name in result.options]


def _drawn(picture: images.Picture, companion: Any) -> images.Picture:
    """The mask or the hints as 8-bit pictures of the picture's size."""
    drawn = companion if isinstance(companion, torch.Tensor) else images.load(companion, subject="hints")
    if isinstance(drawn, torch.Tensor) and drawn.shape[1] == 4:
        coloured = replace(picture.with_colours(drawn[:, :3]), alpha=drawn[:, 3:])
        return _in_depth(coloured, torch.uint16)
    if isinstance(drawn, torch.Tensor):
        return _in_depth(picture.with_colours(drawn), torch.uint8)
    return replace(drawn, form=replace(drawn.form, source=None))


def _in_depth(picture: images.Picture, dtype: torch.dtype) -> images.Picture:
    """The picture for a file of this sample type, black and white at the ends of its range."""
    metadata = replace(picture.form.metadata, lossy=False)
    form = replace(picture.form, dtype=dtype, value_range=full_range(dtype), metadata=metadata)
    return replace(picture, form=form)


def _depth(measurement: torch.Tensor, output: Path) -> tuple[torch.dtype, str]:
    """The sample type that the file needs to hold the measurement, and what it cannot hold of it."""
    kind = images.SUFFIXES[output.suffix.lower()]
    for dtype in (torch.uint8, torch.uint16):
        if _is_exact(measurement, dtype) and (dtype == torch.uint8 or kind in ("PNG", "TIFF")):
            return dtype, "JPEG compresses it with errors of its own" if kind == "JPEG" else ""
    if kind == "TIFF":
        return torch.float32, ""
    beyond = 100 * float(((measurement < 0) | (measurement > 1)).float().mean())
    lost = [f"{beyond:.1f} % of the values, beyond black or white, are clipped"] if beyond else []
    if kind != "PNG":
        lost.append(
            "all are rounded to 8 bits" if kind != "JPEG" else "all are rounded to 8 bits and compressed"
        )
    advice = f"; {output.stem}.tiff would hold them as they are" if lost else ""
    return torch.uint16 if kind == "PNG" else torch.uint8, ", ".join(lost) + advice


def _is_exact(measurement: torch.Tensor, dtype: torch.dtype) -> bool:
    white = full_range(dtype)[1]
    levels = measurement.double() * white
    inside = bool((levels >= 0).all()) and bool((levels <= white).all())
    return inside and bool((levels - levels.round()).abs().max() < 0.005)


# --- what is said ------------------------------------------------------------------------------------------


def _tell(job: _Job, result: Degraded, note: str) -> None:
    truth = " × ".join(map(str, result.truth.shape[-2:]))
    size = " × ".join(map(str, result.measurement.shape[-2:]))
    kind = "grey" if result.measurement.shape[1] == 1 else "colour"
    whole = list(result.truth.shape[-2:]) == result.provenance["input_size"]
    cropped = "" if whole else ", the part that the damage can take"
    say(f"{job.output}: {size} {kind}, from {truth}{cropped}")
    if job.companion is not None:
        say(f"{job.beside}: the {job.companion}")
    if note:
        say(f"zeroshot: note: {job.output}: {note}", sys.stderr)
    say("restore it with: " + shlex.join(restoring_command(job.output, result, job.beside)))
