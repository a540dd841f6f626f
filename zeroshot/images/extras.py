"""Packages that read a format which most users do not need: imported when such a file comes along."""

from __future__ import annotations

import importlib
from typing import Any

from zeroshot.images.errors import ImageError


def imported(module: str, extra: str, what: str) -> Any:
    """A module of a package that an extra brings.

    Parameters
    ----------
    module : str
    extra : str
        Of this package.
    what : str
        What it is needed for: "FITS".

    Raises
    ------
    ImageError
        Where it is missing; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.partition(".")[0].replace("_", "-")
        raise ImageError(f'{what} needs {package}: pip install "zeroshot-restore[{extra}]"') from None
