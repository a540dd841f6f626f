"""The command ``zeroshot degrade``: good images into damaged ones that a task restores."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroshot import images
from zeroshot.cli import files
from zeroshot.cli.arguments import Files
from zeroshot.cli.batch import add_jobs, over_images, require_several, side_by_side
from zeroshot.cli.messages import say
from zeroshot.cli.output_names import output_beside, outputs_beside
from zeroshot.cli.task_options import add_damage_options, add_task, damage_values
from zeroshot.cli.values import value_range, whole
from zeroshot.files import make_folder, require_writable
from zeroshot.images.written_names import lossless
from zeroshot.notes import note
from zeroshot.registry import __version__
from zeroshot.spelling import flag
from zeroshot.tasks import task_named

if TYPE_CHECKING:  # the parser is built without PyTorch
    import torch

    from zeroshot.images import GivenForm, Picture
    from zeroshot.tasks.degrade import Degraded


#: What a damaged image is called: photo.degraded.png.
_OUTCOME = "degraded"


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    command = commands.add_parser(
        "degrade",
        help="damage good images, to see how well they are restored",
        description="Damage good images as a task undoes it, with a seed. The damaged image says how it was "
        "made ('zeroshot info'), and the line that restores it is printed.",
        usage="zeroshot degrade IMG [IMG ...] --task TASK [-o OUT] [options]",
        examples=(
            "zeroshot degrade photo.png --task denoise --sigma 25",
            "zeroshot degrade photo.png -o small.png --task sr --scale 4 --truth truth.png",
        ),
    )
    add, expert = command.add_argument, command.expert_options().add_argument
    add(
        "inputs", nargs="+", type=Path, action=Files, metavar="IMG", help="good images, or a folder of images"
    )
    add("-o", "--output", metavar="OUT",
        help="a file; for several images a folder; 'FOLDER/' makes the folder. TIFF holds every value, PNG up "
        "to 16 bits from black to white (default: photo.degraded.png for photo.png, in its folder)")  # fmt: skip
    add_task(command)
    add_damage_options(command)
    expert("--quantise", choices=["8-bit", "none"],
        help="whether values are clipped and rounded to 8 bits (default: in sr without noise)")  # fmt: skip
    add("--seed", type=whole(0), default=0, help="of noise, missing pixels and hints (default 0)")
    expert("--range", dest="value_range", type=value_range, metavar="LOW,HIGH",
        help="the values that mean black and white in IMG")  # fmt: skip
    add("--truth", metavar="FILE",
        help="also write the good image, cropped as the damage needs it; for several images a folder")  # fmt: skip
    add_jobs(command)
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
    damage = damage_values(options)
    _check_damage(options, damage)
    require_several(options)
    jobs = _jobs(options)
    _check_files(options, jobs)
    if len(jobs) == 1:
        return _degrade_one(jobs[0], options, damage)
    named, work = [(job.source, job) for job in jobs], _Degrading(options, damage)
    with side_by_side(options, work, len(jobs)) as processes:
        return over_images(named, work, processes=processes)


@dataclass(frozen=True)
class _Degrading:
    """The work of one image after another."""

    options: argparse.Namespace
    damage: dict[str, Any]

    def prepare(self) -> None:
        """Load what takes its time."""
        import zeroshot.tasks.degrade  # noqa: F401

    def again(self) -> _Degrading:
        """Replaces what was written, by the same."""
        return _Degrading(argparse.Namespace(**vars(self.options) | {"overwrite": True}), self.damage)

    def __call__(self, job: _Job) -> int:
        return _degrade_one(job, self.options, self.damage)


# --- the options -------------------------------------------------------------------------------------------


def _check_damage(options: argparse.Namespace, damage: dict[str, Any]) -> None:
    task = task_named(options.task)
    known = [option.name for option in task.noise_and_damage]
    for name in damage:
        if name not in known:
            raise ValueError(
                f"{flag(name)} does not go with --task {task.name}; with it go {', '.join(map(flag, known))}"
            )
    task.checked_damage(damage)


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
    companion = _companion(options)
    sources = files.images_among(options.inputs)
    truth = None if options.truth is None else Path(options.truth)
    if len(sources) == 1 and not options.inputs[0].is_dir():
        source = sources[0]
        given = options.output or str(output_beside(source, _OUTCOME))
        output = Path(given) / lossless(source) if _is_folder(given) else Path(given)
        if truth is not None and _is_folder(options.truth):
            truth = truth / source.name
        return [_Job(source, output, truth, companion)]
    truths: list[Path | None] = [None] * len(sources)
    if truth is not None:
        truths = [path for _, path in files.outputs_in(truth, sources)]
    return [
        _Job(source, path, true, companion)
        for source, path, true in zip(sources, _outputs(options, sources), truths, strict=True)
    ]


def _outputs(options: argparse.Namespace, sources: list[Path]) -> list[Path]:
    """The outputs of several images, in their order."""
    if options.output is None:
        found = {given: files.images_among([given]) for given in options.inputs}
        return [path for _, path in outputs_beside(found, _OUTCOME)]
    output = Path(options.output)
    for given in options.inputs:
        if given.is_dir() and output.is_dir() and given.samefile(output):
            raise ValueError(f"the output folder is the folder of the inputs: {output}; give another one")
    named = files.outputs_in(output, [source.with_name(lossless(source)) for source in sources])
    return [path for _, path in named]


def _companion(options: argparse.Namespace) -> str | None:
    """The option of the task that is a picture of its own, if it has a value."""
    pictures = [option for option in task_named(options.task).options if option.type.is_picture]
    given = [
        option.name for option in pictures if option.required or getattr(options, option.name) is not None
    ]
    return given[0] if given else None


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
            make_folder(Path(given))
    if options.output is None:
        for folder in sorted({job.output.parent for job in jobs}):
            make_folder(folder)
    for _, path in written:
        images.check_output(path, overwrite=options.overwrite)
    for folder in sorted({path.absolute().parent for _, path in written}):
        require_writable(folder)


# --- one image ---------------------------------------------------------------------------------------------


def _degrade_one(job: _Job, options: argparse.Namespace, damage: dict[str, Any]) -> int:
    from zeroshot.tasks.degrade import degrade

    picture = images.load(job.source, value_range=options.value_range)
    if picture.alpha is not None and bool((picture.alpha < 1).any()) and options.mask != "alpha":
        note(f"{job.source}: transparency is left out")
    result = degrade(picture, options.task, seed=options.seed, quantise=options.quantise, **damage)
    plain = picture.without_alpha()
    if job.companion is not None:
        drawn = _drawn(plain, result.options[job.companion])
        record = {"zeroshot": __version__, f"{job.companion}_for": job.output.name, **_origin(result)}
        images.save(drawn, job.beside, overwrite=options.overwrite, provenance=record)
    if job.truth is not None:
        record = {"zeroshot": __version__, "truth_for": job.output.name, **_origin(result)}
        true = plain.with_colours(result.truth)
        images.save(true, job.truth, overwrite=options.overwrite, provenance=record)
    dtype, remark = _depth(result.measurement, job.output)
    damaged = _in_depth(plain.with_colours(result.measurement), dtype)
    images.save(damaged, job.output, overwrite=options.overwrite, provenance=result.provenance)
    if not options.quiet:
        _tell(job, result, remark, damaged.form)
    return 0


def _origin(result: Degraded) -> dict[str, Any]:
    return {name: result.provenance[name] for name in ("seed", "input_size", "truth_size", "input_sha256")}


def _drawn(picture: Picture, companion: Any) -> Picture:
    """The mask or the hints as a picture of the picture's size."""
    import torch

    drawn = companion if isinstance(companion, torch.Tensor) else images.load(companion, subject="hints")
    if isinstance(drawn, torch.Tensor) and drawn.shape[1] == 4:
        coloured = replace(picture.with_colours(drawn[:, :3]), alpha=drawn[:, 3:])
        return _in_depth(coloured, torch.uint16)
    if isinstance(drawn, torch.Tensor):
        return _in_depth(picture.with_colours(drawn), torch.uint8)
    return replace(drawn, form=replace(drawn.form, source=None))


def _in_depth(picture: Picture, dtype: torch.dtype) -> Picture:
    """The picture for a file of this sample type, black and white at the ends of its range."""
    from zeroshot.images.picture import full_range

    metadata = replace(picture.form.metadata, lossy=False)
    form = replace(picture.form, dtype=dtype, metadata=metadata)
    if not _keeps_range(form):
        form = replace(form, value_range=full_range(dtype), origin="type", given_range=None, alpha_white=None)
    return replace(picture, form=form, samples=None)


def _keeps_range(form: GivenForm) -> bool:
    """Whether the values of a damaged image stay in the units of the good one: those of floats beyond [0, 1]."""
    return form.origin == "found" and form.dtype.is_floating_point


def _depth(measurement: torch.Tensor, output: Path) -> tuple[torch.dtype, str]:
    """The sample type that the file needs to hold the measurement, and what it cannot hold of it."""
    import torch

    kind = images.SUFFIXES[output.suffix.lower()]
    for dtype in (torch.uint8, torch.uint16):
        if _is_exact(measurement, dtype) and (dtype == torch.uint8 or kind in ("PNG", "TIFF")):
            return dtype, "JPEG compresses it with errors of its own" if kind == "JPEG" else ""
    if kind == "TIFF":
        return torch.float32, ""
    beyond = 100 * float(((measurement < 0) | (measurement > 1)).float().mean())
    share = f"{beyond:.1f} %" if beyond >= 0.05 else "fewer than 0.1 %"
    lost = [f"{share} of the values, beyond black or white, are clipped"] if beyond else []
    if kind != "PNG":
        lost.append(
            "all are rounded to 8 bits" if kind != "JPEG" else "all are rounded to 8 bits and compressed"
        )
    advice = f"; {output.stem}.tiff would hold them as they are" if lost else ""
    return torch.uint16 if kind == "PNG" else torch.uint8, ", ".join(lost) + advice


def _is_exact(measurement: torch.Tensor, dtype: torch.dtype) -> bool:
    from zeroshot.images.picture import full_range

    white = full_range(dtype)[1]
    levels = measurement.double() * white
    inside = bool((levels >= 0).all()) and bool((levels <= white).all())
    return inside and bool((levels - levels.round()).abs().max() < 0.005)


# --- what is said ------------------------------------------------------------------------------------------


def _tell(job: _Job, result: Degraded, remark: str, form: GivenForm) -> None:
    truth = " × ".join(map(str, result.truth.shape[-2:]))
    size = " × ".join(map(str, result.measurement.shape[-2:]))
    kind = "grey" if result.measurement.shape[1] == 1 else "colour"
    whole = list(result.truth.shape[-2:]) == result.provenance["input_size"]
    cropped = "" if whole else ", the part that the damage can take"
    origin = "" if truth == size and whole else f", from {truth}{cropped}"
    say(f"{job.output}: {size} {kind}{origin}")
    if job.companion is not None:
        say(f"{job.beside}: the {job.companion}")
    if remark:
        say(f"zeroshot: note: {job.output}: {remark}", sys.stderr)
    words = restoring_command(job.output, result, job.beside)
    if _keeps_range(form):
        # The noise would have another one found in the damaged image.
        words += ["--range", ",".join(f"{value:.9g}" for value in form.value_range)]
    say("restore it with: " + shlex.join(words))


def restoring_command(output: Path, result: Degraded, beside: Path) -> list[str]:
    """The words of the command line that restores a damaged image.

    Parameters
    ----------
    output : pathlib.Path
        The file of the damaged image.
    result : Degraded
        What it holds, with options that were given as the command line gives them.
    beside : pathlib.Path
        The file of the mask or the hints, where the task has them.

    Returns
    -------
    list of str
        Beginning with "zeroshot"; options that are the task's defaults are left out.
    """
    known = {option.name: option for option in task_named(result.task).options}
    restored = output.with_name(f"{output.stem}-restored{output.suffix}")
    words = ["zeroshot", result.task, str(output), "-o", str(restored)]
    for name, value in result.options.items():
        option = known[name]
        if option.type.is_picture:
            words += [option.flag, str(beside)]
        elif value != option.default:
            words += [option.flag, option.type.typed(value)]
    return words
