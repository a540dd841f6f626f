"""The files of a command: which are read, which are written, and whether they get in each other's way."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable
from pathlib import Path

from zeroshot import images
from zeroshot.file_names import same_name
from zeroshot.files import beside, require_writable
from zeroshot.images.files import holds
from zeroshot.images.kinds import MICROSCOPE_SUFFIXES, RAW_SUFFIXES, STACK_SUFFIXES, incomplete_zarr, is_zarr
from zeroshot.images.written_names import written_name
from zeroshot.spelling import CHOOSE_ANOTHER, OutputExistsError
from zeroshot.tasks import tasks

#: The suffixes of what is taken from a folder, beside those of pictures.
_READ = (*RAW_SUFFIXES, *MICROSCOPE_SUFFIXES, *STACK_SUFFIXES)


def checkpoint_of(output: Path) -> Path:
    """The file that the run for `output` is saved to while it goes on."""
    return beside(output, ".checkpoint")


def asks_for_folder(output: str) -> bool:
    """Whether the text ends like the name of a folder."""
    return output.endswith(tuple(filter(None, (os.sep, os.altsep))))


def read_files(options: argparse.Namespace) -> list[tuple[str, Path]]:
    """What the command reads: the inputs, and the mask, hints and kernel where they are files."""
    given = vars(options)
    read = [("the input", path) for path in options.inputs]
    named = {option.name for task in tasks().values() for option in task.options if option.type.is_file}
    read += [
        (f"the file of --{name}", Path(given[name]))
        for name in sorted(named | {"weights", "mapping"})
        if isinstance(given.get(name), str)
    ]
    read += [
        (f"the file of --set {name}", Path(value))
        for name, value in given.get("settings", ())
        if isinstance(value, str) and Path(value).suffix
    ]
    quoted = re.findall(r"\"([^\"]*)\"|'([^']*)'", given.get("operator") or "")
    read += [("a file of --operator", Path(name)) for pair in quoted for name in pair if name]
    return read


def require_apart(read: Iterable[tuple[str, Path]], written: Iterable[tuple[str, Path]]) -> None:
    """Refuse to write a file that is also read, or one file under two headings.

    Raises
    ------
    ValueError
        With the two headings and the path.
    """
    read = [*read]
    taken = {_identity(path): f"is {what}, which is never overwritten" for what, path in reversed(read)}
    for what, path in written:
        held = next((kind for kind, source in read if path != source and holds(path, source)), None)
        if held is not None:
            raise ValueError(f"{what} has {held} in it, which is never overwritten: {path}")
        key = _identity(path)
        if key in taken:
            raise ValueError(f"{what} {taken[key]}: {path}")
        taken[key] = f"is also {what}"


def require_files(inputs: Iterable[Path]) -> None:
    """Refuse the first input that is no file.

    Raises
    ------
    FileNotFoundError
        In one line.
    """
    for path in inputs:
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")


def check_found(what: str, path: Path, inputs: Iterable[Path], *, overwrite: bool) -> None:
    """Whether a file with what was found in the inputs can be written, and may be.

    Parameters
    ----------
    what : str
        The file in words.
    path : pathlib.Path
    inputs : iterable of pathlib.Path
        What is read.
    overwrite : bool
        Whether a file of that name is replaced.

    Raises
    ------
    ValueError, OSError
        In one line.
    """
    require_apart([("the input", source) for source in inputs], [(what, path)])
    if path.is_dir():
        raise IsADirectoryError(f"{what} is a folder: {path}; give the name of a file")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists", CHOOSE_ANOTHER)
    require_writable(path.absolute().parent)


def _identity(path: Path) -> object:
    """What two names of one file have in common: device and inode where it exists, else where it would be."""
    try:
        found = path.stat()
    except OSError:
        return same_name(os.path.realpath(path))
    return (found.st_dev, found.st_ino)


def check_written(options: argparse.Namespace, output: Path) -> None:
    """Whether output, preview and trace can be written and may be.

    Raises
    ------
    ValueError, OSError
        In one line.
    """
    unfinished = checkpoint_of(output)
    if unfinished.exists() and not (options.resume or options.overwrite):
        raise FileExistsError(
            f"{unfinished} holds an unfinished run: add --resume to continue it or --overwrite to start anew"
        )
    replace = options.overwrite or (options.resume and unfinished.exists())
    if output.suffix.lower() in STACK_SUFFIXES:
        from zeroshot.images.stack_writing import check_stack_output

        check_stack_output(output, overwrite=replace)
    else:
        images.check_output(output, overwrite=replace)
    if options.preview is not None:
        images.check_output(options.preview, overwrite=options.overwrite or options.resume)
    if options.trace is not None:
        _check_trace(options.trace, replace=options.overwrite or options.resume)
    if options.latent is not None and options.latent.exists() and not (options.overwrite or options.resume):
        raise OutputExistsError(f"{options.latent} exists", CHOOSE_ANOTHER)
    if options.maps is not None:
        _check_maps(options.maps, replace=options.overwrite or options.resume)
    written = (output, options.preview, options.trace, options.latent)
    folders = {path.absolute().parent for path in written if path is not None}
    for folder in sorted(folders):
        require_writable(folder)


def _check_maps(folder: Path, *, replace: bool) -> None:
    """An empty folder, or none yet: what will be written there is known only at the end."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"--maps must be a folder, but is a file: {folder}")
    if folder.is_dir() and any(folder.iterdir()) and not replace:
        raise FileExistsError(
            f"the folder of --maps is not empty: {folder}; choose another or use --overwrite"
        )
    parent = next(place for place in folder.absolute().parents if place.is_dir())
    require_writable(parent)


def _check_trace(trace: Path, *, replace: bool) -> None:
    if trace.is_dir():
        raise IsADirectoryError(f"the trace is a folder: {trace}; give the name of a file")
    if not trace.absolute().parent.is_dir():
        raise FileNotFoundError(f"the folder of the trace does not exist: {trace.parent}")
    if (trace.exists() or trace.is_symlink()) and not replace:
        raise FileExistsError(f"the trace exists already: {trace}; use --overwrite to replace it")


def images_among(inputs: Iterable[Path]) -> list[Path]:
    """The inputs, with each folder replaced by the images that it holds, sorted by name.

    Raises
    ------
    ValueError
        Where a folder holds no images.
    """
    found: list[Path] = []
    for given in inputs:
        if not given.is_dir() or is_zarr(given):
            found.append(given)
            continue
        held = sorted(
            path
            for path in given.iterdir()
            if (path.suffix.lower() in images.SUFFIXES or path.suffix.lower() in _READ)
            and not path.name.startswith(".")
            and (path.is_file() or is_zarr(path))
        )
        if not held:
            wrong = incomplete_zarr(given)
            raise ValueError(f"the folder holds no images: {given}" if wrong is None else f"{given}: {wrong}")
        found += held
    return found


def outputs_in(folder: Path, inputs: list[Path]) -> list[tuple[Path, Path]]:
    """Each input with its output in `folder`.

    Raises
    ------
    ValueError
        Where two inputs have the same name, or `folder` is named like an image.
    """
    names = [written_name(path) for path in inputs]
    alike = [same_name(name) for name in names]
    twice = sorted({name for name in names if alike.count(same_name(name)) > 1})
    if twice:
        raise ValueError(f"two inputs would be written to the same output: {', '.join(twice)}")
    if folder.suffix.lower() in (*images.SUFFIXES, *STACK_SUFFIXES) and not folder.is_dir():
        raise ValueError(f"several images need a folder as output, got {folder}")
    return [(path, folder / written_name(path)) for path in inputs]
