"""The command ``zeroshot app``."""

from __future__ import annotations

import argparse
from typing import Any

from zeroshot.cli.values import whole

_MOST_PORT = 65535


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    command = commands.add_parser(
        "app",
        help="restore pictures on a page in the browser",
        usage="zeroshot app [--port PORT] [--no-browser]",
        description="Restore pictures on a page in the browser: drop one, see what is wrong with it, paint holes or "
        "colours, watch it being restored, stop and go on, compare before and after. The page is for this machine "
        "alone, opens with the address that is printed, fetches nothing, and keeps nothing when it is ended by Ctrl-C. "
        'It needs the extra app: pip install "zeroshot-restore[app]".',
        examples=("zeroshot app", "zeroshot app --port 8000 --no-browser"),
    )
    wanted = f"a whole number from 0 to {_MOST_PORT}"
    command.add_argument(
        "--port",
        type=whole(0, _MOST_PORT, wanted),
        default=0,
        help="where the page is served (default: a free one)",
    )
    command.add_argument(
        "--no-browser", action="store_true", help="print the address only, and open no browser"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C; the exit code.

    Raises
    ------
    ImportError
        Where the extra is missing; the message names it.
    OSError
        Where the port is taken.
    """
    try:
        from zeroshot.app.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        raise ImportError(
            'the page needs Starlette and uvicorn: pip install "zeroshot-restore[app]"'
        ) from None
    return serve(options.port, opens_browser=not options.no_browser)
