"""Priors by name: the classes, and their outlines, which are read from the source."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zeroshot import registry
from zeroshot.cli.listings import documented_parameters
from zeroshot.registry import prior_class, prior_names, prior_outline

# A package of somebody else's, its own module name and the settings of the prior that it brings.
OUTSIDE = """
from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from zeroshot.prior import Prior
{imports}

LEVELS = {{"few": (1, 2)}}


class Base(Prior):
    \"""What both have.

    Parameters
    ----------
    weight : float
        How much.
    \"""

    weight: float = 2 * math.pi


@dataclass(frozen=True)
{decorator}
class Outside(Base):
    \"""A prior.

    Parameters
    ----------
    levels : tuple of int
        Which.
    \"""

    name: ClassVar[str] = "outside"
    summary: ClassVar[str] = (
        "a prior "
        "from outside"
    )
    weight: float = math.sqrt(4)
    levels: tuple[int, ...] = LEVELS["few"]
    names: list[str] = field(default_factory=list)
    {body}

    def start(self, problem, generator):
        raise NotImplementedError
"""


def outlined(name: str) -> type:
    """The outline from the source, also where the class is loaded."""
    entry = registry._entry(name)
    return registry._source(entry.module).value(entry.attr, registry._Classes.OUTLINED)


@pytest.mark.parametrize("name", prior_names())
def test_the_source_tells_of_a_prior_what_its_class_does(name: str) -> None:
    found, outline = prior_class(name), outlined(name)
    assert (outline.__name__, outline.summary) == (found.__name__, found.summary)
    assert documented_parameters(outline) == documented_parameters(found)
    assert [(f.name, f.default) for f in dataclasses.fields(outline)] == [
        (f.name, f.default)
        for f in dataclasses.fields(found)  # type: ignore[arg-type]
    ]
    assert hasattr(outline, "settings_help") == hasattr(found, "settings_help")
    if hasattr(found, "settings_help"):
        assert outline.settings_help() == found.settings_help()


def test_the_class_is_its_own_outline_where_it_is_loaded() -> None:
    assert prior_outline("tv") is prior_class("tv")


@pytest.fixture
def outside(tmp_path: Path):
    """Install a package that brings a prior; a function that runs code where it is installed."""

    def install(imports: str = "", decorator: str = "", body: str = "", code: str = "") -> str:
        (tmp_path / "outside.py").write_text(
            OUTSIDE.format(imports=imports, decorator=decorator, body=body), encoding="utf-8"
        )
        folder = tmp_path / "outside-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text("[zeroshot.priors]\noutside = outside:Outside\n")
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return " ".join(done.stdout.split())

    return install


DESCRIBE = """
import sys
from zeroshot import registry
from zeroshot.registry import prior_outline
outline = prior_outline("outside")
print("outside" in sys.modules)
assert registry.prior_table()["outside"] == outline.summary
from zeroshot.cli.listings import prior_description
print(prior_description("outside"))
"""
DESCRIBED = (
    "outside: a prior from outside settings (a task may have its own defaults): "
    "weight = 2.0 How much. levels = (1, 2) Which. names = []"
)


def test_a_prior_of_another_package_is_found_by_its_class_and_described_from_its_source(outside) -> None:
    code = "import zeroshot; assert zeroshot.Outside.name == 'outside' and 'Outside' in dir(zeroshot)"
    assert outside(code=DESCRIBE + code) == f"False {DESCRIBED}"


def test_where_the_source_does_not_tell_the_class_does(outside) -> None:
    decorated = {"imports": "def kept(found): return found", "decorator": "@kept"}
    assert outside(**decorated, code=DESCRIBE) == f"True {DESCRIBED}"


def test_a_prior_that_describes_its_settings_itself_is_asked(outside) -> None:
    body = """
    @classmethod
    def settings_help(cls):
        return f"{cls.__name__} has levels: few"
    """
    said = "outside: a prior from outside Outside has levels: few"
    assert outside(body=body, code=DESCRIBE) == f"False {said}"
