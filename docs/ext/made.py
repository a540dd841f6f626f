"""What the build makes beside the pages, kept until its source or the package changes.

A page ``NAME.md`` has a folder ``docs/_made/NAME``. It is made anew where the digest of what it is made from is
another than the one that lies in it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
MADE = DOCS / "_made"
_DIGEST = "digest"


@functools.cache
def package_digest() -> str:
    """Of all sources and tables of the package: a changed engine may make other pictures."""
    summed = hashlib.sha256()
    for tree in ("zeroshot", "priors", "generators"):
        for path in sorted((ROOT / tree).rglob("*")):
            if path.suffix in (".py", ".json"):
                summed.update(path.read_bytes())
    return summed.hexdigest()


def folder_of(page: str) -> Path:
    """Where the pictures of a page lie; `page` is its path below ``docs`` without the suffix."""
    return MADE / page


def keep(page: str, sources: str, make: Callable[[Path], None]) -> Path:
    """The folder of a page, filled by `make` where that was not done from the same sources before."""
    folder = folder_of(page)
    digest = hashlib.sha256(f"{sources}\n{package_digest()}".encode()).hexdigest()
    written = folder / _DIGEST
    if not written.exists() or written.read_text() != digest:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        written.write_text(digest)
    return folder


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """The working folder, changed for a while; Python 3.10 has nothing for it."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
