"""Commands as a user runs them, in the process of the test."""

from __future__ import annotations

import pytest

from zeroshot.cli import metrics as command_metrics
from zeroshot.cli.arguments import Parser
from zeroshot.cli.main import main


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """The exit code, and what was printed on either stream."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def measure(*arguments: object) -> int:
    """The exit code of `metrics`, of which errors are raised."""
    parser = Parser(prog="zeroshot")
    command_metrics.add_parser(parser.add_subparsers(dest="command"))
    options = parser.parse_args(["metrics", *map(str, arguments)])
    return options.run(options)
