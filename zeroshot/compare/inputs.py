"""The images of a comparison: truths that are damaged here, or damaged images with or without their truths."""

from __future__ import annotations

import hashlib
import os
import pickle
import warnings
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from zeroshot import images
from zeroshot.compare.attempt import Job
from zeroshot.compare.store import require_distinct
from zeroshot.compare.store_images import ImageStore, as_picture
from zeroshot.files import require_file
from zeroshot.images.picture import Picture
from zeroshot.images.value_range import share_range
from zeroshot.problem import Problem
from zeroshot.provenance import described
from zeroshot.spelling import prefixed
from zeroshot.tasks import make_problem
from zeroshot.tasks.degrade import degrade

#: What the images of a comparison are: the truths, to be damaged here, or the damaged images.
Given = Literal["truth", "damaged"]
_NAMES_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Source:
    """One image as it was given: a name, a path or an image, and its truth where that was given beside it."""

    name: str
    image: Any
    truth: Any = None

    def checksum(self) -> str:
        """What identifies the image and its truth, in hexadecimal."""
        parts = [_checksum(part) for part in (self.image, self.truth) if part is not None]
        return " ".join(parts)


@dataclass(frozen=True, eq=False)
class Material:
    """One image as every method gets it: the exact damaged image and what it is measured against."""

    measurement: Picture
    task: str
    options: dict[str, Any]
    truth: torch.Tensor | None

    def job(self, *, seconds: float | None, seed: int) -> Job:
        """What a method is asked to do."""
        return Job(self.measurement, self.task, self.options, seconds, seed, self.truth)

    def problem(self) -> Problem:
        """The problem that the damaged image poses.

        Raises
        ------
        ValueError, TypeError
            In one line, where the options or the truth do not fit.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            problem, _, _ = make_problem(self.task, self.measurement, self.options)
        if self.truth is not None and tuple(self.truth.shape) != problem.framed_shape:
            shapes = [" × ".join(map(str, s[1:])) for s in (self.truth.shape, problem.framed_shape)]
            raise ValueError(f"the truth is {shapes[0]} (channels, height, width), the result {shapes[1]}")
        return problem


def sources(given: Any, truths: Any = None) -> list[Source]:
    """Name the images.

    Parameters
    ----------
    given : path, sequence of paths and (name, image) pairs, or mapping of names to images
        An image is a path, an array, a tensor or a PIL image; a folder stands for the images in it. A file is
        called by its name without the suffix.
    truths : folder, or mapping of names to images, optional
        The truth of each, found by name.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        In one line.
    """
    named = [pair for item in _items(given) for pair in _named(item)]
    if not named:
        raise ValueError("a comparison needs at least one image")
    require_distinct((name for name, _ in named), "images", "rename one of the files")
    found = _truths_by_name(truths, {name for name, _ in named})
    lacking = [name for name, _ in named if truths is not None and name not in found]
    if lacking:
        raise ValueError(f"there is no truth of the name {lacking[0]!r}; there are: {_listed(sorted(found))}")
    return [Source(name, image, found.get(name)) for name, image in named]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def _items(given: Any) -> Sequence[Any]:
    if isinstance(given, Mapping):
        return list(given.items())
    return given if isinstance(given, Sequence) and not isinstance(given, str) else [given]


def _named(item: Any) -> list[tuple[str, Any]]:
    if isinstance(item, str | os.PathLike):
        path = Path(item)
        if not path.exists():
            raise FileNotFoundError(f"there is no file or folder {path}")
        return [(file.stem, file) for file in _image_files(path)]
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) and item[0].strip():
        return [item]
    raise TypeError(
        f"an image of a comparison is a path or a pair (name, image), got {type(item).__name__}; arrays have no "
        "name of their own"
    )


def _image_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in images.SUFFIXES and p.is_file())
    if not found:
        raise ValueError(f"the folder holds no images: {path}")
    return found


def _truths_by_name(truths: Any, wanted: Set[str]) -> dict[str, Any]:
    if truths is None or isinstance(truths, Mapping):
        return dict(truths or {})
    folder = Path(truths)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder of truths {folder}")
    files = _image_files(folder)
    # Other files in the folder do not matter to the comparison.
    taken = [file.stem for file in files if file.stem in wanted]
    require_distinct(taken, "truths", f"keep one of them in {folder}")
    return {file.stem: file for file in files}


def _checksum(image: Any) -> str:
    if isinstance(image, str | os.PathLike):
        digest = hashlib.sha256()
        try:
            require_file(image)
            with open(image, "rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
        except OSError as error:
            raise images.ImageError(f"{image}: cannot be read: {error.strerror or error}") from None
        return digest.hexdigest()
    return images.load(image).sha256()


# --- making the damaged images -----------------------------------------------------------------------------


class Inputs:
    """Makes the damaged images, once, and hands them out.

    Parameters
    ----------
    store : ImageStore
        Where they are kept.
    named : sequence of Source
        The images.
    given : {"truth", "damaged"}
        What they are.
    task, options, seed
        What is to be undone, and what :func:`zeroshot.tasks.degrade.degrade` is told.
    """

    def __init__(
        self,
        store: ImageStore,
        named: Sequence[Source],
        given: Given,
        task: str,
        options: dict[str, Any],
        seed: int,
    ) -> None:
        self._store, self._given = store, given
        self._sources = {source.name: source for source in named}
        self._task, self._options, self._seed = task, options, seed
        self._chosen: dict[str, dict[str, Any]] = {}

    def make(self, name: str) -> Material:
        """An image damaged, or taken as it is, with everything about it checked; nothing is written.

        Raises
        ------
        ValueError, TypeError, OSError
            In one line that names the image.
        """
        try:
            material = self._made(self._sources[name])
            material.problem()
            pickle.dumps(material.options)
        except (pickle.PicklingError, AttributeError) as error:
            raise TypeError(f"the options cannot be sent to another process: {error}") from None
        except (ValueError, TypeError) as error:
            raise prefixed("" if name in str(error) else f"{name}: ", error) from None
        return material

    def _made(self, source: Source) -> Material:
        if self._given == "truth":
            picture = _opaque(images.load(source.image), self._options)
            degraded = degrade(picture, self._task, seed=self._seed, **self._options)
            measurement = as_picture(degraded.measurement)
            return Material(measurement, self._task, degraded.options, degraded.truth)
        picture = images.load(source.image)
        truth = None
        if source.truth is not None:
            told = images.load(source.truth, subject="truth")
            picture, told = share_range([picture, told]) if told.samples is not None else (picture, told)
            truth = told.colours
        for values in (picture.colours, truth):
            if values is not None and values.shape[0] != 1:
                raise ValueError(f"a comparison takes single images, got a batch of {values.shape[0]}")
        return Material(picture, self._task, self._options, truth)

    def write(self, name: str) -> None:
        """Write what the report shows of an image, and its exact measurement, unless they are there.

        A measurement that exists is never made again: every method sees the same one.
        """
        if self._store.has_measurement(name):
            return
        material = self.make(name)
        measurement = material.measurement.colours
        self._store.save_shown(name, measurement, material.truth)
        # Last: it is what tells a later run that the others are there.
        self._store.save_measurement(name, measurement, material.truth, material.options)

    def material(self, name: str) -> Material:
        """An image as it was written."""
        measurement, truth, arrays = self._store.load_measurement(name)
        if self._given == "damaged":
            given = self.make(name).measurement
            picture = Picture(measurement, given.alpha, given.form)
            return Material(picture, self._task, self._options, truth)
        if name not in self._chosen:
            options = self.make(name).options
            self._chosen[name] = {n: v for n, v in options.items() if not isinstance(v, torch.Tensor)}
        return Material(as_picture(measurement), self._task, {**self._chosen[name], **arrays}, truth)


def _opaque(picture: Picture, options: Mapping[str, Any]) -> Picture:
    return picture if options.get("mask") == "alpha" else picture.without_alpha()


def printable_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as a table shows them: numbers and words as they are, images by their size and checksum."""
    shown = {name: described(value) for name, value in options.items() if value is not None}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in shown.items()}
