"""The command line: what each command does, and its exit codes.

Exit codes: 0 done, 1 some image failed, memory ran out or there is nothing to show, 2 bad input,
130 interrupted.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zeroshot.cli.messages import (
    FAILURES,
    flush,
    one_line_warnings,
    report,
    say,
    tolerate_narrow_terminals,
)

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code.

    With the environment variable ZEROSHOT_TRACEBACK set, errors keep their traceback.
    """
    tolerate_narrow_terminals()
    try:
        with one_line_warnings():
            from zeroshot.cli.parser import parse_arguments

            return _dispatch(parse_arguments(sys.argv[1:] if arguments is None else arguments))
    except FAILURES as error:
        if os.environ.get("ZEROSHOT_TRACEBACK"):
            raise
        return report(error)
    except KeyboardInterrupt:
        say("zeroshot: interrupted; nothing was written", sys.stderr)
        return _INTERRUPTED
    finally:
        flush()


def _dispatch(options: argparse.Namespace) -> int:
    from zeroshot.cli import listings as command_listings

    if options.command == "tasks":
        say(command_listings.task_listing())
        return 0
    if options.command == "priors":
        name = options.name
        say(command_listings.prior_listing() if name is None else command_listings.prior_description(name))
        return 0
    if options.command == "info":
        return max(_show_provenance(image, len(options.images) > 1) for image in options.images)
    if "settings" in vars(options):
        _prepare_solver(options)
    if "run" in vars(options):
        return options.run(options)
    return _restore(options)


def _show_provenance(path: Path, is_one_of_several: bool) -> int:
    from zeroshot.images import read_provenance

    provenance = read_provenance(path)
    if provenance is None:
        say(f"zeroshot: {path} was not written by zeroshot", sys.stderr)
        return 1
    text = json.dumps(provenance, indent=2, ensure_ascii=False)
    say(f"{path}: {text}" if is_one_of_several else text)
    return 0


# --- restoring ---------------------------------------------------------------------------------------------


def _prepare_solver(options: argparse.Namespace) -> None:
    """Put the flags that are settings among the settings, and check what needs no image."""
    from zeroshot.prior import require_known_settings
    from zeroshot.registry import prior_class
    from zeroshot.solve import resolve_device

    prior = prior_class(options.prior)
    known = {field.name for field in dataclasses.fields(prior)}  # type: ignore[arg-type]
    for name in ("weights", "mapping"):
        value = getattr(options, name)
        if value is not None and name not in known:
            raise ValueError(f"prior {options.prior!r} takes no --{name}")
        if value is not None:
            options.settings = [*options.settings, (name, value)]
    require_known_settings(prior, dict(options.settings))
    if getattr(options, "latent", None) is not None and not prior.finds_latent:
        raise ValueError(f"prior {options.prior!r} finds no latent for --latent to keep")
    resolve_device(options.device)
    if options.threads is not None:
        import torch

        torch.set_num_threads(options.threads)


def _restore(options: argparse.Namespace) -> int:
    _check_options(options)
    if len(options.inputs) > 1 or options.inputs[0].is_dir():
        return _restore_many(options)
    return _restore_single(options)


def _check_options(options: argparse.Namespace) -> None:
    """Everything about the task that can be known to be wrong without looking at an image."""
    given = vars(options)
    if "peak" in given and given.get("data_term") != "poisson":
        raise ValueError("--peak goes with --data-term poisson")
    if "peak" not in given and given.get("data_term") == "poisson":
        raise ValueError("--data-term poisson needs --peak: how many photons make white")
    if "kernel_sigma" in given and given.get("kernel") != "gaussian":
        raise ValueError("--kernel-sigma goes with --kernel gaussian")
    if options.latent is not None and options.latent.suffix != ".npz":
        raise ValueError(f"--latent must be the name of a .npz file, got {options.latent}")
    sigma = given.get("sigma")
    if sigma is not None and 0 < sigma * 255 < 1:
        warnings.warn(f"--sigma {sigma * 255:g} is in 8-bit grey levels, from 0 to 255", stacklevel=2)


def _restore_single(options: argparse.Namespace) -> int:
    from zeroshot.cli import files

    source, output = options.inputs[0], Path(options.output)
    wants_folder = files.asks_for_folder(options.output)
    if wants_folder or output.is_dir():
        output = output / source.name
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
        files.make_folder(output.parent)
    if _is_finished(options, output):
        if not options.quiet:
            say(f"{output} is finished already")
        return 0
    try:
        return _restore_one(options, source, output)
    except KeyboardInterrupt:
        checkpoint = files.checkpoint_of(output)
        if not checkpoint.exists():
            raise
        say(f"zeroshot: interrupted; {checkpoint} holds the run, --resume continues it", sys.stderr)
        return _INTERRUPTED


def _restore_many(options: argparse.Namespace) -> int:
    from zeroshot.cli import files

    if options.preview or options.trace or options.maps or options.latent:
        raise ValueError("--preview, --trace, --maps and --latent go with one image, not with a folder")
    folder = Path(options.output)
    for given in options.inputs:
        if given.is_dir() and folder.is_dir() and given.samefile(folder):
            raise ValueError(
                f"the output folder is the input folder, whose images are never overwritten: {folder}"
            )
    names = files.outputs_in(folder, files.images_among(options.inputs))
    written = [("an output", output) for _, output in names]
    written += [("a checkpoint", files.checkpoint_of(output)) for _, output in names]
    inputs = [("an input", source) for source, _ in names]
    files.require_apart([*inputs, *files.read_files(options)], written)
    files.make_folder(folder)
    files.require_writable(folder)
    return _restore_each(options, names)


def _restore_each(options: argparse.Namespace, names: list[tuple[Path, Path]]) -> int:
    failed = []
    for source, output in names:
        if _is_finished(options, output):
            continue
        try:
            code = _restore_one(options, source, output)
        except FAILURES as error:
            if os.environ.get("ZEROSHOT_TRACEBACK"):
                raise
            report(error, str(source))
            failed.append(source)
        except KeyboardInterrupt:
            say(f"zeroshot: interrupted at {source}; --resume goes on from here", sys.stderr)
            return _INTERRUPTED
        else:
            if code == _INTERRUPTED:
                return code
    if failed:
        listed = ", ".join(map(str, failed))
        say(f"zeroshot: {len(failed)} of {len(names)} images failed: {listed}", sys.stderr)
    return 1 if failed else 0


def _is_finished(options: argparse.Namespace, output: Path) -> bool:
    from zeroshot.cli.files import checkpoint_of

    return options.resume and output.is_file() and not checkpoint_of(output).exists()


def _restore_one(options: argparse.Namespace, source: Path, output: Path) -> int:
    from zeroshot.cli.files import check_written, checkpoint_of
    from zeroshot.files import make_folder
    from zeroshot.solve import solve

    check_written(options, output)
    checkpoint = checkpoint_of(output)
    replace = options.overwrite or (options.resume and checkpoint.exists())
    restoration = solve(
        source,
        options.command,
        options.prior,
        settings=dict(options.settings),
        seconds=options.seconds,
        seed=options.seed,
        device=options.device,
        value_range=options.value_range,
        progress=False if options.quiet else None,
        preview=options.preview,
        checkpoint=checkpoint,
        checkpoint_seconds=options.checkpoint_seconds,
        resume=options.resume,
        keep_checkpoint=True,
        tile=options.tile,
        overlap=options.overlap,
        samples=options.samples,
        **_task_options(options),
    )
    restoration.save(output, overwrite=replace)
    if options.trace:
        restoration.save_trace(options.trace)
    if options.latent:
        restoration.save_arrays(options.latent, overwrite=replace)
    if options.maps:
        make_folder(options.maps)
        restoration.save_maps(options.maps, overwrite=replace)
    if restoration.interrupted:
        say(f"zeroshot: interrupted; the best image so far is {output}, --resume continues", sys.stderr)
        return _INTERRUPTED
    # Only now: an output that could not be written can still be had by --resume.
    checkpoint.unlink(missing_ok=True)
    if not options.quiet:
        say(_summary(output, restoration))
    return 0


def _task_options(options: argparse.Namespace) -> dict[str, Any]:
    from zeroshot.tasks import tasks

    names = [option.name for option in tasks()[options.command].options]
    return {name: value for name, value in vars(options).items() if name in names}


def _summary(output: Path, restoration: Any) -> str:
    sigma = restoration.sigma
    noise = f", sigma {sigma * 255:.1f}" if sigma else ""
    ranking = restoration.findings.get("ranking")
    judged = [row for row in ranking or () if "held_out_loss" in row]
    listed = ", ".join(f"{row['prior']} {row['held_out_loss']:.3g}" for row in judged)
    losses = f" (held-out loss: {listed})" if listed else ""
    chosen = f"chose {restoration.findings['chosen']}{losses}; " if ranking else ""
    count = f"{restoration.iterations} iteration{'s' * (restoration.iterations != 1)}"
    return f"{output}: {chosen}{count} in {restoration.seconds:.1f} s{noise}; {restoration.stopped_by}"


if __name__ == "__main__":
    raise SystemExit(main())
