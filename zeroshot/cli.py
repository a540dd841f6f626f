"""The command line: arguments, messages and exit codes.

Exit codes: 0 done, 1 some image failed (or there is nothing to show), 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from zeroshot.version import __version__

_EXAMPLES = {
    "denoise": "zeroshot denoise noisy.png -o clean.png --sigma 25 --seconds 60",
    "inpaint": "zeroshot inpaint torn.png -o whole.png --mask known.png",
    "sr": "zeroshot sr small.png -o large.png --scale 4",
    "colorize": "zeroshot colorize grey.png -o colour.png --hints scribbles.png",
    "demosaic": "zeroshot demosaic raw.tiff -o colour.tiff --pattern RGGB",
    "deblur": "zeroshot deblur shaky.jpg -o sharp.jpg --kernel kernel.png --prior tv",
    "restore": 'zeroshot restore raw.png -o large.png --operator "mosaic(RGGB) @ downsample(2)"',
}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def _grey_levels(text: str) -> float | None:
    if text == "auto":
        return None
    value = float(text)
    if not 0 <= value <= 255:
        raise argparse.ArgumentTypeError(f"must be 'auto' or 8-bit grey levels from 0 to 255, got {text}")
    return value / 255


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"must be key=value, got {text!r}")
    return name.strip(), _literal(value)


def _literal(text: str) -> Any:
    """A number, tuple or word."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number of seconds, got {text}")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, got {text}")
    return value


_OPTION_TYPES: dict[str, Any] = {
    "sigma": _grey_levels,
    "scale": float,
    "peak": float,
    "kernel_sigma": float,
}
_OPTION_HELP = {
    "sigma": "noise level in 8-bit grey levels (25 means 25/255), or 'auto' to estimate it",
}


def _parser() -> _Parser:
    from zeroshot.tasks import tasks

    parser = _Parser(prog="zeroshot", description="Restore damaged images with nothing but the image itself.")
    parser.add_argument("--version", action="version", version=f"zeroshot {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for task in tasks().values():
        command = commands.add_parser(
            task.name,
            help=task.summary,
            description=task.summary[0].upper() + task.summary[1:] + ".",
            epilog=f"example: {_EXAMPLES[task.name]}",
        )
        _add_task_options(command, task)
        _add_run_options(command)
    listing = commands.add_parser(
        "tasks", help="list the tasks and their options", epilog="example: zeroshot tasks"
    )
    listing.set_defaults(command="tasks")
    priors = commands.add_parser(
        "priors", help="list the priors and their settings", epilog="example: zeroshot priors dip"
    )
    priors.add_argument("name", nargs="?", help="one prior: also show its settings")
    info = commands.add_parser(
        "info", help="show how an output was made", epilog="example: zeroshot info clean.png"
    )
    info.add_argument("image", type=Path)
    return parser


def _add_task_options(command: argparse.ArgumentParser, task: Any) -> None:
    for option in task.options:
        meaning = _OPTION_HELP.get(option.name, option.meaning)
        default = "" if option.required or option.default is None else f" (default {option.default})"
        command.add_argument(
            "--" + option.name.replace("_", "-"),
            dest=option.name,
            type=_OPTION_TYPES.get(option.name, str),
            default=argparse.SUPPRESS,
            required=option.required,
            help=(meaning + default).replace("%", "%%"),
        )


def _add_run_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("inputs", nargs="+", type=Path, metavar="IN", help="images, or a folder of images")
    add("-o", "--output", required=True, type=Path, metavar="OUT", help="a file; for several images a folder")
    add("--prior", default="dip", help="what images look like: see 'zeroshot priors' (default dip)")
    add("--set", dest="settings", action="append", type=_setting, default=[], metavar="KEY=VALUE",
        help="a setting of the prior, e.g. --set channels=64 (repeatable)")  # fmt: skip
    add("--seconds", type=_seconds, help="stop after this time, with the best image so far")
    add("--seed", type=_seed, default=0, help="same seed, same image (default 0)")
    add("--device", default="auto", help="cpu, cuda, cuda:1 …; auto takes a GPU where there is one")
    add("--threads", type=int, help="CPU threads (default: all cores)")
    add("--range", dest="value_range", type=_literal, metavar="LOW,HIGH",
        help="for float images: the values that mean black and white")  # fmt: skip
    add("--resume", action="store_true", help="continue from OUT.checkpoint; in a folder, skip what is done")
    add("--checkpoint-seconds", type=float, default=60.0, help="seconds between checkpoints (default 60)")
    add("--preview", type=Path, metavar="FILE", help="rewrite this image with the estimate while it runs")
    add("--trace", type=Path, metavar="FILE.json", help="write the history of the run as JSON")
    add("--overwrite", action="store_true", help="replace an output that exists (never an input)")
    add("--quiet", action="store_true", help="print errors only")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    options = _parser().parse_args(arguments)
    with _one_line_warnings():
        try:
            return _dispatch(options)
        except (ValueError, TypeError, OSError, ImportError) as error:
            if os.environ.get("ZEROSHOT_TRACEBACK"):
                raise
            return _fail(error)
        except KeyboardInterrupt:
            return 130


def _dispatch(options: argparse.Namespace) -> int:
    if options.command == "tasks":
        from zeroshot.tasks import tasks

        print(tasks())
        return 0
    if options.command == "priors":
        return _show_priors(options.name)
    if options.command == "info":
        return _show_provenance(options.image)
    return _restore_all(options)


def _fail(error: BaseException) -> int:
    message = " ".join(str(error).split()) or type(error).__name__
    print(f"zeroshot: error: {message}", file=sys.stderr)
    return 2


@contextmanager
def _one_line_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_args, **_kwargs: print(
            f"zeroshot: note: {message}", file=sys.stderr
        )
        warnings.simplefilter("default", UserWarning)
        yield


def _show_priors(name: str | None) -> int:
    from zeroshot.registry import prior_class, prior_names

    if name is None:
        for known in prior_names():
            print(f"{known}: {prior_class(known).summary}")
        return 0
    found = prior_class(name)
    print(f"{name}: {found.summary}\n\nsettings (a task may have its own defaults):")
    for field in dataclasses.fields(found):  # type: ignore[arg-type]
        print(f"    {field.name} = {field.default!r}")
    return 0


def _show_provenance(path: Path) -> int:
    from zeroshot.images import read_provenance

    provenance = read_provenance(path)
    if provenance is None:
        print(f"zeroshot: {path} was not written by zeroshot", file=sys.stderr)
        return 1
    print(json.dumps(provenance, indent=2, ensure_ascii=False))
    return 0


# --- restoring ---------------------------------------------------------------------------------------------


def _restore_all(options: argparse.Namespace) -> int:
    several = len(options.inputs) > 1 or options.inputs[0].is_dir()
    if options.threads is not None:
        _set_threads(options.threads)
    if not several:
        output = options.output
        if output.is_dir():
            output = output / options.inputs[0].name
        return _restore_one(options, options.inputs[0], output)
    if options.preview or options.trace:
        raise ValueError("--preview and --trace go with one image, not with a folder")
    return _restore_many(options, _output_names(options))


def _set_threads(count: int) -> None:
    import torch

    if count < 1:
        raise ValueError(f"--threads must be at least 1, got {count}")
    torch.set_num_threads(count)


def _output_names(options: argparse.Namespace) -> list[tuple[Path, Path]]:
    """Each input with its output in the output folder."""
    from zeroshot.images import SUFFIXES

    inputs: list[Path] = []
    for given in options.inputs:
        if given.is_dir():
            found = sorted(p for p in given.iterdir() if p.suffix.lower() in SUFFIXES)
            if not found:
                raise ValueError(f"the folder holds no images: {given}")
            inputs += found
        else:
            inputs.append(given)
    names = [path.name for path in inputs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two inputs would be written to the same output: {', '.join(twice)}")
    if options.output.suffix.lower() in SUFFIXES:
        raise ValueError(f"several images need a folder as output, got {options.output}")
    options.output.mkdir(parents=True, exist_ok=True)
    return [(path, options.output / path.name) for path in inputs]


def _restore_many(options: argparse.Namespace, names: list[tuple[Path, Path]]) -> int:
    failed = []
    for source, output in names:
        if options.resume and output.exists() and not _checkpoint_of(output).exists():
            continue
        try:
            code = _restore_one(options, source, output)
        except (ValueError, TypeError, OSError, RuntimeError, MemoryError) as error:
            _fail(ValueError(f"{source}: {error}"))
            failed.append(source)
        else:
            if code == 130:
                return code
    if failed:
        listed = ", ".join(map(str, failed))
        print(f"zeroshot: {len(failed)} of {len(names)} images failed: {listed}", file=sys.stderr)
    return 1 if failed else 0


def _checkpoint_of(output: Path) -> Path:
    return output.with_name(output.name + ".checkpoint")


def _restore_one(options: argparse.Namespace, source: Path, output: Path) -> int:
    from zeroshot import images
    from zeroshot.solve import solve
    from zeroshot.tasks import tasks

    checkpoint = _checkpoint_of(output)
    continuing = options.resume and checkpoint.exists()
    overwrite = options.overwrite or continuing
    _check_outputs(options, source, output, overwrite)
    if checkpoint.exists() and not options.resume and not options.quiet:
        print(f"zeroshot: note: {checkpoint} is not used; --resume would continue it", file=sys.stderr)
    given = vars(options)
    task_options = {
        option.name: given[option.name] for option in tasks()[options.command].options if option.name in given
    }
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
        **task_options,
    )
    images.check_output(output, overwrite=overwrite)
    restoration.save(output, overwrite=overwrite)
    if options.trace:
        restoration.save_trace(options.trace)
    interrupted = restoration.stopped_by == "interrupted"
    if interrupted:
        print(
            f"zeroshot: interrupted; the best image so far is {output}, --resume continues", file=sys.stderr
        )
    elif not options.quiet:
        print(_summary(output, restoration))
    return 130 if interrupted else 0


def _check_outputs(options: argparse.Namespace, source: Path, output: Path, overwrite: bool) -> None:
    from zeroshot import images

    for name, path in (("output", output), ("preview", options.preview), ("trace", options.trace)):
        if path is not None and path.exists() and source.exists() and path.samefile(source):
            raise ValueError(f"the {name} is the input, which is never overwritten: {path}")
    images.check_output(output, overwrite=overwrite)
    if options.trace:
        if not options.trace.absolute().parent.is_dir():
            raise FileNotFoundError(f"the folder of the trace does not exist: {options.trace.parent}")
        if options.trace.exists() and not options.overwrite:
            raise FileExistsError(f"the trace exists: {options.trace}; use --overwrite to replace it")


def _summary(output: Path, restoration: Any) -> str:
    sigma = restoration.sigma
    noise = f", sigma {sigma * 255:.1f}" if sigma else ""
    return (
        f"{output}: {restoration.iterations} iterations in {restoration.seconds:.1f} s{noise}; "
        f"{restoration.stopped_by}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
