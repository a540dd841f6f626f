"""Weights of pretrained generators that are installed: what priors which need them can be given on the page.

The page downloads nothing: what counts is what 'zeroshot weights fetch' has brought, or lies in the folder of
ZEROSHOT_WEIGHTS. Which names these files have is asked of the generators, and with them of PyTorch, only where there
is a file at all.
"""

from __future__ import annotations

import functools
import os
from importlib.util import find_spec
from pathlib import Path

from zeroshot.registry import setting_names

#: The setting that names the weights, and all that name files of a generator.
SETTING = "weights"
SETTINGS = (SETTING, "mapping")


def are_needed(prior: str) -> bool:
    """Whether the prior needs the weights of a pretrained generator."""
    return SETTING in setting_names(prior)


def lacking() -> str:
    """Why priors that need weights cannot run here, to be read on from their name; "" where they can."""
    if find_spec("pooch") is None:
        return 'needs weights, and named weights need pooch: pip install "zeroshot-restore[generators]"'
    if not installed():
        return "needs weights, and none are installed: 'zeroshot weights list' lists them, 'fetch NAME' brings them"
    return ""


def installed() -> list[str]:
    """The names of the weights whose files are here, sorted."""
    return list(_names(tuple(sorted(_files()))))


def _files() -> set[str]:
    """The names of all files in the folders that may hold weights."""
    import pooch

    given = os.environ.get("ZEROSHOT_WEIGHTS")
    folders = [Path(pooch.os_cache("zeroshot")) / "weights", *([Path(given).expanduser()] if given else [])]
    return {path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_file()}


@functools.lru_cache(maxsize=8)
def _names(files: tuple[str, ...]) -> tuple[str, ...]:
    if not files:
        return ()
    from zeroshot.generators import zoo

    # The networks of perceptual losses make no pictures.
    return tuple(
        name for name in zoo.names() if zoo.ENTRIES[name].file in files and not name.startswith("vgg")
    )
