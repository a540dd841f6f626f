"""``--kernel sheet`` of the commands deblur and sr: what other kernels make of a picture, side by side."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeroshot.cli import files
from zeroshot.cli.batch import over_images, side_by_side
from zeroshot.cli.messages import log_lines, say
from zeroshot.cli.output_names import output_beside, outputs_beside
from zeroshot.cli.results import reserved, save_or_rescue
from zeroshot.files import make_folder, require_writable
from zeroshot.spelling import for_command_line
from zeroshot.standings import ROLES
from zeroshot.tasks import tasks
from zeroshot.tasks.found_kernel import wanted
from zeroshot.words import counted

#: What sheets of photo.png are called: photo.kernels.png.
_OUTCOME = "kernels"
#: What a single restoration can be asked for, and a sheet cannot, each with its value where it is not.
_REFUSED: dict[str, Any] = {
    "preview": None,
    "trace": None,
    "maps": None,
    "latent": None,
    "seconds": None,
    "weights": None,
    "mapping": None,
    "resume": False,
    "samples": 1,
}


def is_asked_for(options: argparse.Namespace) -> bool:
    """Whether the kernel of a task is "sheet"."""
    what = wanted(options.task_values.get("kernel"))
    return what is not None and what.is_sheet


def run(options: argparse.Namespace) -> int:
    """Check everything that shows without the images, make the sheets and write them; the exit code.

    Raises
    ------
    ValueError, TypeError, ImportError, OSError
        In one line, before any work.
    """
    _check(options)
    several = len(options.inputs) > 1 or options.inputs[0].is_dir()
    pairs = _several(options) if several else [_single(options)]
    read = files.read_files(options) + [("an input", source) for source, _ in pairs]
    files.require_apart(read, [("the sheet", output) for _, output in pairs])
    for source, output in pairs:
        if not several and not source.is_file():
            raise FileNotFoundError(f"{source}: there is no such file")
        if several or (options.output and files.asks_for_folder(options.output)):
            make_folder(output.parent)
        require_writable(output.absolute().parent)
    work = _Making(options)
    if not several:
        work.prepare()
        with log_lines(not options.quiet):
            return work(pairs[0])
    with side_by_side(options, work, len(pairs)) as processes, log_lines(not options.quiet):
        return over_images(
            [(source, (source, output)) for source, output in pairs], work, processes=processes
        )


def _check(options: argparse.Namespace) -> None:
    for name, default in _REFUSED.items():
        if getattr(options, name) != default:
            raise ValueError(f"--kernel sheet makes many restorations: --{name} goes with a single one")
    if options.prior in ROLES:
        raise ValueError(f"--kernel sheet takes a prior by its name, not --{options.prior}")
    tasks()[options.command].completed(options.task_values)


def _single(options: argparse.Namespace) -> tuple[Path, Path]:
    source = options.inputs[0]
    if options.output is None:
        return source, output_beside(source, _OUTCOME).with_suffix(".png")
    output = Path(options.output)
    is_folder = files.asks_for_folder(options.output) or output.is_dir()
    return source, output / f"{source.stem}.png" if is_folder else output


def _several(options: argparse.Namespace) -> list[tuple[Path, Path]]:
    if options.output is None:
        found = {given: files.images_among([given]) for given in options.inputs}
        pairs = outputs_beside(found, _OUTCOME)
    else:
        pairs = files.outputs_in(Path(options.output), files.images_among(options.inputs))
    return [(source, output.with_suffix(".png")) for source, output in pairs]


@dataclass(frozen=True)
class _Making:
    """The work of one image after another: each is given with its output."""

    options: argparse.Namespace

    def prepare(self) -> None:
        """Check the device and the threads, and load the engine."""
        from zeroshot.solve import resolve_device

        resolve_device(self.options.device)
        if self.options.threads is not None:
            from zeroshot.threads import ask_for

            ask_for(self.options.threads)

    def again(self) -> _Making:
        """Replaces what was written, by the same."""
        return _Making(argparse.Namespace(**vars(self.options) | {"overwrite": True}))

    def __call__(self, pair: tuple[Path, Path]) -> int:
        from zeroshot.kernel_sheet import check_sheet_output, kernel_sheet

        source, output = pair
        options = self.options
        if not source.exists():
            raise FileNotFoundError(f"{source}: there is no such file")
        check_sheet_output(output, overwrite=options.overwrite)
        what = wanted(options.task_values["kernel"])
        assert what is not None
        told = {name: value for name, value in options.task_values.items() if name != "kernel"}
        with reserved([output]):
            sheet = kernel_sheet(
                source,
                options.command,
                kind=what.kind,
                prior=options.prior,
                settings=dict(options.settings),
                device=options.device,
                value_range=options.value_range,
                **told,
            )

            def save(path: Path) -> None:
                sheet.save(path, overwrite=options.overwrite and path == output, spelled=for_command_line)

            if not save_or_rescue(save, output, what="the sheet"):
                return 1
        if not options.quiet:
            say(f"{output}: {counted(len(sheet.tiles), 'tile')}; {sheet.title}")
        return 0
