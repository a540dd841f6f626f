"""Help in two lengths: a page that fits a terminal, and one with everything."""

from __future__ import annotations

import re

import pytest

import zeroshot
from tests.cli.commands import run

COMMANDS = [
    *zeroshot.tasks(),
    *(
        "tasks",
        "priors",
        "info",
        "inspect",
        "compare",
        "degrade",
        "metrics",
        "background",
        "weights",
        "edit",
        "align",
        "completion",
        "app",
    ),
    "invert-features",
]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_fits_and_ends_with_two_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run([command, "--help"], capsys)
    assert code == 0
    # The list of operators comes on top.
    assert len(out.splitlines()) <= (51 if command == "restore" else 46)
    assert max(map(len, out.splitlines())) <= 80
    examples = out.partition("examples:\n")[2].splitlines()
    assert len(examples) == 2
    assert all(line.startswith("  zeroshot ") for line in examples)


@pytest.mark.parametrize("command", zeroshot.tasks())
def test_everything_holds_what_the_short_page_leaves_out(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    short, whole = (run([command, word], capsys)[1] for word in ("--help", "--help-all"))

    def options(page: str) -> set[str]:
        return set(re.findall(r"^  (?:-\w[^,]*, )?(--[\w-]+)", page, flags=re.MULTILINE))

    assert options(short) < options(whole)
    assert {"--prior", "--seconds", "--set", "--overwrite", "--help-all"} <= options(short)
    expert = {"--tile", "--samples", "--seed", "--checkpoint-seconds"}
    # The rounding of its coefficients is what a JPEG has instead of a noise.
    expert |= set() if command == "jpeg" else {"--data-term"}
    assert expert <= options(whole) - options(short)
    assert max(map(len, whole.splitlines())) <= 80


def test_the_examples_of_the_short_page_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(["--help"], capsys)[1]
    assert "zeroshot denoise photo.png" in out
    assert len(out.splitlines()) <= 46
