"""The line of the command line that restores what a degradation wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zeroshot.tasks import tasks

if TYPE_CHECKING:
    from zeroshot.degradation.degraded import Degraded

#: What the task needs beside the damaged image, as a file of its own.
COMPANIONS = ("mask", "hints")


def restoring_command(output: Path, result: Degraded, beside: Path) -> list[str]:
    """The words of the command line that restores a damaged image.

    Parameters
    ----------
    output : pathlib.Path
        The file of the damaged image.
    result : Degraded
        What it holds, with options that were given as the command line gives them.
    beside : pathlib.Path
        The file of the mask or the hints, where the task has them.

    Returns
    -------
    list of str
        Beginning with "zeroshot"; options that are the task's defaults are left out.
    """
    defaults = {option.name: option.default for option in tasks()[result.task].options}
    restored = output.with_name(f"{output.stem}-restored{output.suffix}")
    words = ["zeroshot", result.task, str(output), "-o", str(restored)]
    for name, value in result.options.items():
        if name in COMPANIONS:
            words += [f"--{name}", str(beside)]
        elif value != defaults[name]:
            words += ["--" + name.replace("_", "-"), _typed(name, value)]
    return words


def _typed(name: str, value: object) -> str:
    """The value as it is typed: noise levels in 8-bit grey levels."""
    if name == "sigma":
        return "auto" if value is None else f"{float(str(value)) * 255:g}"
    return f"{value:g}" if isinstance(value, float) else str(value)
