"""A resumable store: a folder of finished cells, one per image and method, and of what they are cells of.

::

    comparison.json            what is compared, with checksums; another comparison cannot resume in its place
    cells/METHOD/IMAGE.json    one finished cell each
    logs/METHOD.txt            what the method printed
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zeroshot.compare.records import Cell
from zeroshot.files import PARTIALS, make_folder, require_writable, write_atomically
from zeroshot.locks import InUseError, held
from zeroshot.spelling import Spelled, Text, Wording

_FORMAT = 1
_RECORD = "comparison.json"
_LOCK = ".lock"
_LONGEST_SLUG = 80

Existing = Literal["continue", "overwrite"]


class ComparisonError(Spelled, ValueError):
    """The folder does not hold the comparison that was asked for."""


@dataclass(frozen=True)
class Plan:
    """What identifies a comparison.

    Attributes
    ----------
    terms : dict
        Task, options, budget, seed, metrics, versions: JSON-able, the same in every run into one folder.
    images : dict
        Image name → checksums of what was given.
    methods : dict
        Method name → its text with checksums of its files.
    """

    terms: dict[str, Any]
    images: dict[str, str]
    methods: dict[str, str]


class Store:
    """Reads and writes one folder; everything appears under its name only when it is complete.

    Parameters
    ----------
    folder : path
        Made by :meth:`open` or :meth:`locked`.
    """

    #: What overwriting removes beside the record.
    FOLDERS: tuple[str, ...] = ("cells", "logs")
    FILES: tuple[str, ...] = ()

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder)
        self._record: dict[str, Any] = {}

    # --- the record of what is compared ---

    def open(self, plan: Plan, existing: Existing) -> None:
        """Make the folder, or resume in one that holds the same comparison.

        Raises
        ------
        ComparisonError
            Where the folder holds another comparison, or other files.
        OSError
            Where it cannot be written.
        """
        self.require_ours()
        if existing == "overwrite":
            self._clear()
        elif (self.folder / _RECORD).exists():
            found = self._read_record()
            self._require_same(found, plan)
            self._record = found
        make_folder(self.folder)
        require_writable(self.folder)
        self._record = {
            "comparison": _FORMAT,
            "terms": plan.terms,
            "images": {**self._record.get("images", {}), **plan.images},
            "methods": {**self._record.get("methods", {}), **plan.methods},
        }
        self._write_json(self.folder / _RECORD, self._record)

    @property
    def images(self) -> tuple[str, ...]:
        """All images that were ever named for this folder, in that order."""
        return tuple(self._record["images"])

    @property
    def methods(self) -> tuple[str, ...]:
        """All methods that were ever named for this folder, in that order."""
        return tuple(self._record["methods"])

    @property
    def identities(self) -> dict[str, str]:
        """Method → what it was when it was named: its text with checksums of its files."""
        return dict(self._record["methods"])

    def require_ours(self) -> None:
        """Refuse a folder with foreign files, which are neither mixed with ours nor overwritten.

        Raises
        ------
        ComparisonError, OSError
            In one line.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(f"the report is a folder, but this is a file: {self.folder}")
        for name in self.FOLDERS:
            if (self.folder / name).is_symlink():
                raise ComparisonError(
                    f"{self.folder / name} is a symbolic link, which is not followed: remove it"
                )
        if not self.folder.is_dir() or (self.folder / _RECORD).is_file():
            return
        if any(path.name != _LOCK for path in self.folder.iterdir()):
            raise ComparisonError(
                f"the folder {self.folder} is not empty and holds no comparison; choose another one"
            )

    def _read_record(self) -> dict[str, Any]:
        path = self.folder / _RECORD
        try:
            found = json.loads(path.read_bytes())
        except (ValueError, OSError) as error:
            raise ComparisonError(f"{path} cannot be read: {error}") from None
        if not isinstance(found, dict) or found.get("comparison") != _FORMAT:
            raise ComparisonError(f"{path} is no record of a comparison of this version")
        return found

    def _require_same(self, found: dict[str, Any], plan: Plan) -> None:
        remedy = Text(
            "choose another folder, or ",
            Wording("overwrite it (existing='overwrite')", "start anew with --overwrite"),
        )
        before = _flat(found["terms"])
        now = _flat(json.loads(json.dumps(plan.terms)))
        for name in [*before, *(name for name in now if name not in before)]:
            if before.get(name) != now.get(name):
                old, new = (_in_words(name, values.get(name)) for values in (before, now))
                differs = f"holds a comparison with {name} {old}, this one has {new}: "
                raise ComparisonError(f"{self.folder} {differs}", remedy)
        for name, checksum in plan.images.items():
            if found["images"].get(name, checksum) != checksum:
                raise ComparisonError(f"image {name!r} is not the one that {self.folder} holds: ", remedy)
        for name, identity in plan.methods.items():
            known = found["methods"].get(name, identity)
            if known != identity:
                raise ComparisonError(
                    f"method {name!r} is {known} in {self.folder}, and {identity} now: give it another name "
                    f"(LABEL=…), ",
                    remedy,
                )

    def _clear(self) -> None:
        """Remove what a comparison writes, and nothing else."""
        for name in self.FOLDERS:
            # A failed removal is an error: a cell left behind would be taken for one of the new comparison.
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self.folder / name)
        # The record last: until all else is gone it tells that the folder is ours.
        for name in (*self.FILES, _RECORD):
            (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second run out of the folder; a run that was killed leaves no lock behind.

        Raises
        ------
        ComparisonError
            Where another run is at work.
        """
        self.require_ours()
        make_folder(self.folder)
        with ExitStack() as lock:
            try:
                lock.enter_context(held(self.folder / _LOCK, "in use"))
            except InUseError:
                raise ComparisonError(f"another comparison is at work in {self.folder}") from None
            self._remove_partials()
            yield

    def _remove_partials(self) -> None:
        """Remove what a comparison that was killed had half written."""
        for folder in (self.folder, *(self.folder / name for name in self.FOLDERS)):
            for partial in folder.rglob(PARTIALS) if folder != self.folder else folder.glob(PARTIALS):
                with contextlib.suppress(OSError):
                    partial.unlink()

    # --- cells ---

    def cell(self, image: str, method: str) -> Cell | None:
        """The finished cell, or None; one whose file was damaged counts as not run."""
        try:
            return Cell.from_json(json.loads(self._cell_file(image, method).read_bytes()))
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def keep(self, cell: Cell) -> None:
        """Write a finished cell."""
        path = self._cell_file(cell.image, cell.method)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write_json(path, cell.to_json())

    def cells(self) -> tuple[Cell, ...]:
        """Every finished cell, method after method."""
        found = [self.cell(image, method) for method in self.methods for image in self.images]
        return tuple(cell for cell in found if cell is not None)

    def log(self, method: str) -> Path:
        """The file of what a method prints."""
        return self.folder / "logs" / f"{slug(method)}.txt"

    def _cell_file(self, image: str, method: str) -> Path:
        return self.folder / "cells" / slug(method) / f"{slug(image)}.json"

    def _write_json(self, path: Path, value: Any) -> None:
        write_atomically(path, _encoded(json.dumps(value, indent=1, ensure_ascii=False)))


def slug(name: str) -> str:
    """A name as a file name: all but letters, digits and ``.+-`` becomes ``_``; a checksum keeps names apart."""
    readable = re.sub(r"[^\w.+-]+", "_", name).encode()[:_LONGEST_SLUG].decode(errors="ignore")
    plain = readable.strip("._") or "_"
    if plain == name and name == name.lower():
        return plain
    # Names that differ only in case, or in letters that file systems equate, must not share a file.
    return f"{plain}-{hashlib.sha256(_encoded(name)).hexdigest()[:8]}"


def _encoded(text: str) -> bytes:
    """The text in UTF-8; an undecodable file name contains lone surrogates."""
    return text.encode("utf-8", errors="surrogatepass")


def require_distinct(names: Iterable[str], what: str, remedy: str) -> None:
    """Refuse two things with the same name.

    Raises
    ------
    ValueError
        In one line.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"two {what} are called {name!r}; {remedy}")
        seen.add(name)


def _flat(terms: Mapping[str, Any]) -> dict[str, Any]:
    """The terms with those of nested tables on one level, so that a message can name the one that differs."""
    flat: dict[str, Any] = {}
    for name, value in terms.items():
        if isinstance(value, dict):
            flat |= value
        else:
            flat[name] = value
    return flat


def _in_words(name: str, value: Any) -> str:
    if value is None:
        return "not set"
    if name == "sigma" and isinstance(value, int | float):
        return f"{255 * value:g}/255"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
