"""Priors by name: the classes, and their outlines, which are read from the source."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

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


DESCRIBE = """
import sys
import zeroshot
from zeroshot import registry
from zeroshot.cli.listings import prior_description
from zeroshot.registry import prior_outline
outlines = {{}}
for name in {names}:
    outlines[name] = prior_outline(name), name in sys.modules
for name, (outline, loaded) in outlines.items():
    assert registry.prior_table()[name] == outline.summary
    print(loaded, " ".join(prior_description(name).split()))
assert zeroshot.Outside.name == "outside" and "Outside" in dir(zeroshot)
"""
DESCRIBED = (
    ": a prior from outside settings (a task may have its own defaults): "
    "weight = 2.0 How much. levels = (1, 2) Which. names = []"
)
#: Module and prior → what differs in its source.
PACKAGES = {
    "outside": {},
    "decorated": {"imports": "def kept(found): return found", "decorator": "@kept"},
    "telling": {
        "body": """
    @classmethod
    def settings_help(cls):
        return f"{cls.__name__} has levels: few"
    """
    },
}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of each prior of packages that are installed: whether describing it has loaded it, and the description."""
    folder = tmp_path_factory.mktemp("outside")
    for name, differing in PACKAGES.items():
        source = OUTSIDE.format(**{"imports": "", "decorator": "", "body": "", **differing})
        source = source.replace("Outside", name.capitalize()).replace('"outside"', f'"{name}"')
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        metadata = folder / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(
            f"[zeroshot.priors]\n{name} = {name}:{name.capitalize()}\n"
        )
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE.format(names=list(PACKAGES))],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(zip(PACKAGES, done.stdout.splitlines(), strict=True))


def test_a_prior_of_another_package_is_found_by_its_class_and_described_from_its_source(described) -> None:
    assert described["outside"] == f"False outside{DESCRIBED}"


def test_where_the_source_does_not_tell_the_class_does(described) -> None:
    assert described["decorated"] == f"True decorated{DESCRIBED}"


def test_a_prior_that_describes_its_settings_itself_is_asked(described) -> None:
    assert described["telling"] == "False telling: a prior from outside Telling has levels: few"
