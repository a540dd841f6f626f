"""The options of the command line that make a damage, for the commands that damage images."""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from zeroshot.cli.values import grey_levels, number, positive, share, share_or_file
from zeroshot.degradation import DAMAGE, NOISE

_NAMES = (*NOISE, *dict.fromkeys(name for options in DAMAGE.values() for name in options))


def add_damage_options(command: argparse.ArgumentParser) -> None:
    """Add what makes the noise and the damage of any task; which goes with which is checked later."""
    add = command.add_argument_group("what the damage is").add_argument
    add("--sigma", type=grey_levels, help="Gaussian noise, its standard deviation in 8-bit grey levels")
    add("--peak", type=positive("a positive number of photons"),
        help="photon noise: how many photons make white")  # fmt: skip
    add("--salt-pepper", type=share, metavar="SHARE",
        help="share of the pixels that become black or white, such as 0.1")  # fmt: skip
    add("--missing", type=share, metavar="SHARE", help="inpaint: share of the pixels to lose at random")
    add(
        "--mask", help="inpaint, instead of --missing: an image file, white where pixels are kept; or 'alpha'"
    )
    add("--scale", type=number("a whole number from 2 to 16", 2, 16),
        help="sr: how many times smaller, from 2 to 16")  # fmt: skip
    add("--kernel", help="sr: 'bicubic' (default), 'lanczos2', 'lanczos3', 'box', 'gaussian', or a file; deblur: "
        "a file (.npy or an image), or text such as 'gaussian=1.6', 'motion=15, angle=30', 'disk=3'")  # fmt: skip
    add("--kernel-sigma", type=positive(),
        help="sr with --kernel gaussian: its standard deviation in pixels of the large image")  # fmt: skip
    add(
        "--luma", choices=["bt601", "bt709", "mean"], help="colorize: how colours become grey (default bt601)"
    )
    add("--hints", type=share_or_file,
        help="colorize: share of the pixels whose colours are told, or an RGBA image of hints")  # fmt: skip
    add("--pattern", help="demosaic: RGGB (default), BGGR, GRBG, GBRG, quad-rggb …, or xtrans")
    add("--boundary", choices=["reflect", "circular", "replicate", "valid"],
        help="deblur: how the scene goes on beyond the image (default reflect)")  # fmt: skip
    add("--operator", help="restore: the damage, such as 'mosaic(RGGB) @ downsample(2)'")


def damage_options(options: argparse.Namespace) -> dict[str, Any]:
    """Those that were given, in the units of the engine; a doubtful unit is warned of."""
    given = {name: value for name in _NAMES if (value := getattr(options, name)) is not None}
    levels = 255 * given.get("sigma", 0)
    if 0 < levels < 1:
        warnings.warn(f"--sigma {levels:g} is in 8-bit grey levels, from 0 to 255", stacklevel=2)
    return given


def flag(name: str) -> str:
    """The option as it is typed."""
    return "--" + name.replace("_", "-")


@contextmanager
def respelled(spelling: Callable[[str], str] | None = None) -> Iterator[None]:
    """Raise errors of the engine with their messages respelled, by default :func:`with_flags`."""
    try:
        yield
    except (ValueError, TypeError) as error:
        # Not type(error): some of their subclasses take more than a message.
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind((spelling or with_flags)(str(error))) from None


def with_flags(message: str) -> str:
    """The engine's message with the options spelled as they are typed."""
    names = "|".join(_NAMES)
    message = re.sub(rf"(?<![\w-])({names})=…", lambda found: flag(found[1]), message)
    message = re.sub(r"^task '(\w+)'", r"--task \1", message)
    return re.sub(r"\bsalt_pepper\b(?! image)", "--salt-pepper", message)
