"""The examples in the docstrings of every module do what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

TREES = ("zeroshot", "zeroshot.priors", "zeroshot.generators")  # side by side in the repository


def modules_with_examples() -> list[str]:
    found = set()
    for tree in TREES:
        for folder in importlib.import_module(tree).__path__:
            for file in Path(folder).rglob("*.py"):
                if ">>> " in file.read_text(encoding="utf-8"):
                    parts = file.relative_to(folder).with_suffix("").parts
                    found.add(".".join([tree, *parts]).removesuffix(".__init__"))
    return sorted(found)


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_do_what_they_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = pytest.importorskip(name, exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    tried = doctest.testmod(module)
    assert tried.attempted > 0
    assert tried.failed == 0
