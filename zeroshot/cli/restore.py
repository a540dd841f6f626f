"""The commands of the tasks: damaged images in, restored ones out, one after another."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from zeroshot.cli import files, kernel_sheet
from zeroshot.cli.batch import over_images, require_several, side_by_side
from zeroshot.cli.finished import require_made_alike
from zeroshot.cli.messages import INTERRUPTED, log_lines, say
from zeroshot.cli.output_names import output_beside, outputs_beside
from zeroshot.cli.pipes import is_piped, through_pipes
from zeroshot.cli.regions import goes_by_regions, restore_regions
from zeroshot.cli.results import reserved, save_image, save_or_rescue
from zeroshot.cli.task_options import task_values
from zeroshot.files import make_folder, require_writable
from zeroshot.images.kinds import is_zarr
from zeroshot.images.written_names import written_name
from zeroshot.locks import require_unlocked
from zeroshot.standings import ROLES
from zeroshot.tasks import tasks
from zeroshot.words import counted


def run(options: argparse.Namespace) -> int:
    """Check everything that shows without the images, restore them and write them; the exit code.

    Raises
    ------
    ValueError, TypeError, ImportError, OSError
        In one line, before any work.
    """
    options.task_values = task_values(options)
    options.is_piped = False
    if kernel_sheet.is_asked_for(options):
        if is_piped(options):
            raise ValueError("--kernel sheet goes with files, not with '-'")
        return kernel_sheet.run(options)
    _check_options(options)
    require_several(options)
    if is_piped(options):
        return through_pipes(options, _run_on_files)
    if options.format is not None:
        raise ValueError("--format goes with -o -: the name of a file says which format it has")
    return _run_on_files(options)


def _run_on_files(options: argparse.Namespace) -> int:
    several = len(options.inputs) > 1 or (options.inputs[0].is_dir() and not is_zarr(options.inputs[0]))
    if not several and not options.inputs[0].exists():
        raise FileNotFoundError(f"{options.inputs[0]}: there is no such file")
    if several:
        return _restore_many(options)
    prepare_solver(options)
    with log_lines(not options.quiet):
        return _restore_single(options)


def _check_options(options: argparse.Namespace) -> None:
    tasks()[options.command].completed(options.task_values)
    if options.latent is not None and options.latent.suffix != ".npz":
        raise ValueError(f"--latent must be the name of a .npz file, got {options.latent}")


def prepare_solver(options: argparse.Namespace) -> None:
    """Put the flags that are settings among the settings, and check what needs no image.

    Raises
    ------
    ValueError
        Where prior, settings or device are unknown.
    """
    from zeroshot.choice import named
    from zeroshot.prior import require_known_settings
    from zeroshot.registry import prior_class
    from zeroshot.solve import resolve_device

    is_task = options.command in tasks()
    if is_task and options.prior in ROLES:
        _refuse_settings(options)
    prior = prior_class(named(options.prior, options.command) if is_task else options.prior)
    known = {field.name for field in dataclasses.fields(prior)}  # type: ignore[arg-type]
    for flag in ("weights", "mapping"):
        value = getattr(options, flag)
        if value is not None and flag not in known:
            raise ValueError(f"prior {prior.name!r} takes no --{flag}")
        if value is not None:
            options.settings = [*options.settings, (flag, value)]
    require_known_settings(prior, dict(options.settings))
    if getattr(options, "latent", None) is not None and not prior.finds_latent:
        raise ValueError(f"prior {prior.name!r} finds no latent for --latent to keep")
    resolve_device(options.device)
    if options.threads is not None:
        from zeroshot.threads import ask_for

        ask_for(options.threads)


def _refuse_settings(options: argparse.Namespace) -> None:
    """Refuse what belongs to one prior where it is not known which one it will be."""
    given = {"set": options.settings, "weights": options.weights, "mapping": options.mapping}
    for flag, value in (given | {"latent": getattr(options, "latent", None)}).items():
        if value:
            raise ValueError(f"--{options.prior} chooses the prior: --{flag} goes with one named by --prior")


def _restore_single(options: argparse.Namespace) -> int:
    source = options.inputs[0]
    given = options.output or str(output_beside(source, tasks()[options.command].outcome))
    output, wants_folder = Path(given), files.asks_for_folder(given)
    if wants_folder or (output.is_dir() and not is_zarr(output)):
        output = output / written_name(source)
    written = [
        ("the output", output),
        ("the preview", options.preview),
        ("the trace", options.trace),
        ("the latent", options.latent),
        ("the checkpoint", files.checkpoint_of(output)),
    ]
    files.require_apart(
        files.read_files(options), [(what, path) for what, path in written if path is not None]
    )
    if wants_folder:
        make_folder(output.parent)
    if goes_by_regions(options):
        with reserved([output]):
            return restore_regions(options, source, output, _told(options))
    if _is_finished(options, source, output):
        if not (options.quiet or options.json):
            say(f"{output} is finished already")
        return 0
    try:
        with reserved([output, options.trace, options.latent, options.maps]):
            return _restore_one(options, source, output)
    except KeyboardInterrupt:
        checkpoint = files.checkpoint_of(output)
        if not checkpoint.exists():
            raise
        say(f"zeroshot: interrupted; {checkpoint} holds the run, --resume continues it", sys.stderr)
        return INTERRUPTED


def _restore_many(options: argparse.Namespace) -> int:
    if options.preview or options.trace or options.maps or options.latent:
        raise ValueError("--preview, --trace, --maps and --latent go with one image, not with a folder")
    names = _outputs(options)
    written = [("an output", output) for _, output in names]
    written += [("a checkpoint", files.checkpoint_of(output)) for _, output in names]
    inputs = [("an input", source) for source, _ in names]
    files.require_apart([*inputs, *files.read_files(options)], written)
    jobs, work = [(pair[0], pair) for pair in names], _Restoring(options)
    with side_by_side(options, work, len(names)) as processes, log_lines(not options.quiet):
        # Beside an image that is not there nothing is made; its turn says so.
        for folder in sorted(
            {output.parent for source, output in names if options.output or source.exists()}
        ):
            make_folder(folder)
            require_writable(folder)
        for _, output in names:
            require_unlocked(output)
        return over_images(jobs, work, processes=processes, advice="; --resume goes on from here")


@dataclasses.dataclass(frozen=True)
class _Restoring:
    """The work of one image after another: each is given with its output."""

    options: argparse.Namespace

    def prepare(self) -> None:
        """Check the prior, its settings and the device, and load the engine."""
        prepare_solver(self.options)
        import zeroshot.solve  # noqa: F401

    def again(self) -> _Restoring:
        """Goes on from the checkpoint."""
        return _Restoring(argparse.Namespace(**vars(self.options) | {"resume": True}))

    def __call__(self, pair: tuple[Path, Path]) -> int:
        source, output = pair
        if _is_finished(self.options, source, output):
            return 0
        if not source.exists():
            raise FileNotFoundError(f"{source}: there is no such file")
        with reserved([output]):
            return _restore_one(self.options, source, output)


def _outputs(options: argparse.Namespace) -> list[tuple[Path, Path]]:
    """Each image with its output."""
    if options.output is None:
        found = {given: files.images_among([given]) for given in options.inputs}
        return outputs_beside(found, tasks()[options.command].outcome)
    folder = Path(options.output)
    for given in options.inputs:
        if given.is_dir() and folder.is_dir() and given.samefile(folder):
            raise ValueError(
                f"the output folder is the input folder, whose images are never overwritten: {folder}"
            )
    return files.outputs_in(folder, files.images_among(options.inputs))


def _is_finished(options: argparse.Namespace, source: Path, output: Path) -> bool:
    """Whether there is nothing left to do; what was made of another input or with other options is refused."""
    if options.overwrite or not options.resume or not output.exists() or files.checkpoint_of(output).exists():
        return False
    require_made_alike(options, source, output)
    return True


def _restore_one(options: argparse.Namespace, source: Path, output: Path) -> int:
    from zeroshot.solve import solve
    from zeroshot.state_files import is_state_file
    from zeroshot.watch import interruption

    files.check_written(options, output)
    checkpoint = files.checkpoint_of(output)
    if options.overwrite and not options.resume and not is_state_file(checkpoint):
        checkpoint.unlink(missing_ok=True)  # it is too damaged to be known as one, or of an earlier version
    is_continued = options.resume and checkpoint.exists()
    replace = options.overwrite or is_continued
    if _is_stack(options, source):
        return _restore_stack(options, source, output, overwrite=replace)
    if not is_continued and _is_streamed(options, source, output):
        return _stream_one(options, source, output)
    restoration = solve(
        source,
        options.command,
        options.prior,
        preview=options.preview,
        checkpoint=checkpoint,
        checkpoint_seconds=options.checkpoint_seconds,
        resume=options.resume,
        keep_checkpoint=True,
        samples=options.samples,
        rendering="linear" if options.linear else "srgb",
        volume=options.volume,
        spacing=options.spacing,
        channels=options.channels,
        **_told(options),
    )
    with interruption():  # Ctrl-C comes too late now to lose the work
        written = _write(options, restoration, output, overwrite=replace)
    if restoration.interrupted:
        if written:
            can_resume = checkpoint.exists() and not options.is_piped
            goes_on = "--resume continues" if can_resume else "it has no checkpoint"
            say(f"zeroshot: interrupted; the best image so far is {output}, {goes_on}", sys.stderr)
        return INTERRUPTED
    if not written:
        return 1
    # Only now: an output that could not be written can still be had by --resume.
    with contextlib.suppress(OSError):
        checkpoint.unlink(missing_ok=True)
    if options.json:
        say(_json_summary(options, source, output, restoration))
    elif not options.quiet:
        say(_summary("standard output" if options.is_piped else str(output), restoration))
    return 0


def _told(options: argparse.Namespace) -> dict[str, Any]:
    """What the engine is told in any case, whether the result is held or streamed."""
    return {
        "settings": dict(options.settings),
        "seconds": options.seconds,
        "seed": options.seed,
        "device": options.device,
        "value_range": options.value_range,
        "progress": False if options.quiet else None,
        "tile": options.tile,
        "overlap": options.overlap,
        **options.task_values,
    }


def _is_stack(options: argparse.Namespace, source: Path) -> bool:
    """Whether the planes of the input are restored one by one, and nothing was asked for that goes with one picture."""
    from zeroshot.images.stack import stack_of

    if stack_of(source, options.axes, scene=options.scene) is None:
        return False
    for flag in ("preview", "trace", "maps", "latent"):
        if getattr(options, flag):
            raise ValueError(f"--{flag} goes with one picture, and {source} is a stack")
    return True


def _restore_stack(options: argparse.Namespace, source: Path, output: Path, *, overwrite: bool) -> int:
    from zeroshot.stacks import restore_stack

    checkpoint = files.checkpoint_of(output)
    told = {**_told(options), "axes": options.axes, "scene": options.scene, "samples": options.samples}
    told |= {"checkpoint": checkpoint, "resume": options.resume}
    told |= {"volume": options.volume, "spacing": options.spacing, "channels": options.channels}
    written = restore_stack(source, options.command, output, options.prior, overwrite=overwrite, **told)
    if written.interrupted:
        can_resume = checkpoint.exists() and not options.is_piped
        goes_on = "--resume continues" if can_resume else "none is kept for --resume"
        done = "has the planes that were done, and the others as they were"
        say(f"zeroshot: interrupted; {output} {done}: {goes_on}", sys.stderr)
        return INTERRUPTED
    if options.json:
        facts: dict[str, Any] = {"task": options.command, "prior": written.prior, "sigma": written.sigmas}
        facts |= {"shape": written.shape, "axes": written.axes}
        facts |= {"iterations": written.iterations, "noise": written.noise_in_words}
        facts |= {"channels": written.channels_in_words} if written.channels_in_words else {}
        facts |= {"seconds": round(written.seconds, 3), "stopped_by": written.stopped_by}
        say(json.dumps({"input": str(source), "output": str(output), **facts}, ensure_ascii=False))
    elif not options.quiet:
        size = " × ".join(map(str, written.shape))
        noise = f", {written.noise_in_words}" if written.noise_in_words else ""
        how = f", {written.channels_in_words}" if written.channels_in_words else ""
        say(f"{output}: {size} ({written.axes}) in {written.seconds:.1f} s{noise}{how}; {written.stopped_by}")
    return 0


def _is_streamed(options: argparse.Namespace, source: Path, output: Path) -> bool:
    """Whether the result is too large to be held, and nothing was asked for that needs it as a whole."""
    if options.command != "sr" or options.samples > 1 or options.tile is None or options.volume is not None:
        return False
    if options.preview or options.trace or options.maps or options.latent:
        return False
    from zeroshot.streaming import is_to_be_streamed

    return is_to_be_streamed(source, output, options.task_values["scale"])


def _stream_one(options: argparse.Namespace, source: Path, output: Path) -> int:
    from zeroshot.streaming import restore_to_file

    written = restore_to_file(
        source,
        options.command,
        output,
        options.prior,
        overwrite=options.overwrite,
        **_told(options),
    )
    # One of an earlier run, which --overwrite gave up.
    with contextlib.suppress(OSError):
        files.checkpoint_of(output).unlink(missing_ok=True)
    if options.json:
        facts = {"tiles": written.tiles, "seconds": round(written.seconds, 3)}
        say(json.dumps({"input": str(source), "output": str(output), **facts}, ensure_ascii=False))
    elif not options.quiet:
        size, tiles = " × ".join(map(str, written.shape[:2])), counted(written.tiles, "tile")
        say(f"{output}: {size} in {tiles}, written as they were done, in {written.seconds:.1f} s")
    return 0


def _write(options: argparse.Namespace, restoration: Any, output: Path, *, overwrite: bool) -> bool:
    """Write all that was asked for, each whether the others could be written or not; whether all could."""
    done = [save_image(restoration, output, overwrite=overwrite)]
    if options.trace:
        done.append(save_or_rescue(restoration.save_trace, options.trace, what="the trace"))
    if options.latent:

        def save_latent(path: Path) -> None:
            restoration.save_arrays(path, overwrite=overwrite and path == options.latent)

        done.append(save_or_rescue(save_latent, options.latent, what="the latent"))
    if options.maps:

        def save_maps(folder: Path) -> None:
            make_folder(folder)
            restoration.save_maps(folder, overwrite=overwrite and folder == options.maps)

        done.append(save_or_rescue(save_maps, options.maps, what="what --maps asks for"))
    return all(done)


def _json_summary(options: argparse.Namespace, source: Path, output: Path, restoration: Any) -> str:
    """How it went, in one line for programs; the output itself holds the whole provenance."""
    facts = {
        "input": str(source),
        "output": "-" if options.is_piped else str(output),
        "task": restoration.provenance["task"],
        "prior": restoration.provenance["prior"],
        "iterations": restoration.iterations,
        "seconds": round(restoration.seconds, 3),
        "sigma": restoration.sigma,
        "stopped_by": restoration.stopped_by,
        "findings": restoration.findings,
    }
    return json.dumps(facts, ensure_ascii=False)


def _summary(output: str, restoration: Any) -> str:
    noise = f", {restoration.noise_in_words}" if restoration.noise_in_words else ""
    ranking = restoration.findings.get("ranking")
    judged = [row for row in ranking or () if "expected_gain" in row]
    listed = ", ".join(f"{row['prior']} {row['expected_gain']:+.2f}" for row in judged)
    gains = f" (expected gain in dB: {listed})" if listed else ""
    chosen = f"chose {restoration.findings['chosen']}{gains}; " if ranking else ""
    count = counted(restoration.iterations, "iteration")
    return f"{output}: {chosen}{count} in {restoration.seconds:.1f} s{noise}; {restoration.stopped_by}"
