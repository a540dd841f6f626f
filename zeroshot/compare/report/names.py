"""Names of images and methods where they could do harm: in file names, links and the page."""

from __future__ import annotations

import html
import re
import unicodedata
from pathlib import PurePath
from urllib.parse import quote

from zeroshot.words import printable


def escaped(text: object) -> str:
    """The text as HTML, in element or attribute."""
    return html.escape(printable(text), quote=True)


def file_stem(name: str) -> str:
    """A name as the stem of a file that every system takes; not necessarily unique."""
    ascii_name = unicodedata.normalize("NFKD", PurePath(name).stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", ascii_name).strip("-").lower()[:40] or "image"


def link(file: str) -> str:
    """The address of a file beside the page."""
    return quote(PurePath(file).as_posix().encode("utf-8", "surrogateescape"))
