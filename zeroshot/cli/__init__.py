"""The command line, one file a command."""

from zeroshot.cli.main import main

__all__ = ["main"]
