"""What names files can have on this system: reserved ones, ones that name the same file, paths that are too long.

Windows keeps a few names for devices, whatever their suffix, takes no more than 260 characters of a path unless that
was switched on, and, as macOS does, takes "A.png" and "a.png" for one file.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

#: Names of devices (Microsoft: Naming Files, Paths, and Namespaces).
_DEVICES = frozenset(
    {
        *("con", "prn", "aux", "nul", "conin$", "conout$"),
        *(f"{device}{number}" for device in ("com", "lpt") for number in (*range(1, 10), "¹", "²", "³")),
    }
)
#: From how many characters on a path may be too long for Windows.
_LONG = 260


def is_device(name: str) -> bool:
    """Whether Windows takes a file of this name for a device: "nul.png" writes nothing at all."""
    return name.partition(".")[0].strip().lower() in _DEVICES


def refusal(path: Path) -> str:
    """Why this system can hold no file of that name, to be read on from the name; "" where it can."""
    if sys.platform == "win32" and is_device(path.name):
        return f"is the name of a device on Windows; call it {path.stem}_{path.suffix}"
    if sys.platform == "win32" and path.name != path.name.rstrip(" ."):
        return "ends with a blank or a dot, which Windows leaves out"
    return ""


def same_name(name: str) -> str:
    """What all names have in common that are one file here: all in lower case where case does not count."""
    if sys.platform not in ("win32", "darwin"):
        return name
    return unicodedata.normalize("NFC", name).casefold()


def advice(path: Path) -> str:
    """What to do about a file that cannot be made, where the length of its path may be why; "" otherwise."""
    length = len(os.path.abspath(path))
    if sys.platform != "win32" or length < _LONG:
        return ""
    return (
        f"; the path has {length} characters, and Windows takes {_LONG} unless long paths are enabled: "
        "choose a shorter one"
    )
