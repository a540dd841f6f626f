"""The guide for contributors: every code block runs as written, section by section, and does what it says."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import zeroshot
from tests.pictures import decibels
from zeroshot.images import formats, kinds, metadata
from zeroshot.loop import Loop

GUIDE = Path(__file__).resolve().parents[1] / "CONTRIBUTING.md"
SECTIONS = dict(
    section.split("\n", 1) for section in re.split(r"^## ", GUIDE.read_text(), flags=re.MULTILINE)[1:]
)
BLOCKS = {
    title: blocks
    for title, text in SECTIONS.items()
    if (blocks := re.findall(r"```python\n(.*?)```", text, re.DOTALL))
}


@pytest.fixture(autouse=True)
def tables_as_they_were() -> Iterator[None]:
    """The guide adds to tables that other tests read."""
    tables = (
        kinds.SUFFIXES,
        kinds.SIGNATURES,
        formats.READERS,
        formats.ENCODERS,
        metadata.PROVENANCE_FINDERS,
    )
    before = [dict(table) for table in tables]
    yield
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)  # type: ignore[arg-type]


def run(title: str) -> types.ModuleType:
    """A module of the blocks of a section, under a name by which dataclasses find it."""
    module = types.ModuleType("contributed_" + re.sub(r"\W+", "_", title).lower())
    sys.modules[module.__name__] = module
    for block in BLOCKS[title]:
        exec(compile(block, f"{GUIDE.name}, {title}", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("title", BLOCKS)
def test_the_blocks_of_a_section_run_as_written(
    title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(title)


@pytest.mark.parametrize("title", [title for title in SECTIONS if title.startswith("Adding ")])
def test_a_section_is_at_most_a_page_and_shows_code(title: str) -> None:
    assert title in BLOCKS
    assert len(SECTIONS[title].splitlines()) <= 75


def test_the_new_prior_restores_resumes_and_refuses(photograph: torch.Tensor) -> None:
    Landweber = run("Adding a prior").Landweber
    kernel = zeroshot.operators.Blur.gaussian(1.0).kernel
    blurred = zeroshot.operators.Blur(kernel)(photograph)
    result = zeroshot.solve(blurred, "deblur", Landweber(), kernel=kernel, sigma=0.01)
    assert result.iterations == 50
    before, after = result.history["loss"][[0, -1]]
    assert after < 0.2 * before
    problem = zeroshot.Problem(blurred, zeroshot.operators.Identity())
    with pytest.raises(ValueError, match=r"has no setting 'step'; it has: iterations"):
        Landweber.for_problem(problem, step=1)
    run_, again = (Landweber().begin(problem, torch.Generator()) for _ in range(2))
    run_.step()
    again.load_state_dict(run_.state_dict())
    assert torch.equal(run_.step().image, again.step().image)


def test_a_prior_is_its_mathematics_and_about_25_lines() -> None:
    code = [line for line in BLOCKS["Adding a prior"][0].splitlines() if line.strip()]
    assert len(code) <= 27


def test_the_new_task_is_made_and_undone(photograph: torch.Tensor) -> None:
    brighten = run("Adding a task").BRIGHTEN
    picture = zeroshot.images.load(photograph)
    damage = brighten.damage(picture, {"light": 4}, torch.Generator())
    dark = zeroshot.images.load(damage.operator(photograph))
    problem, _ = brighten.pose(dark, brighten.completed({**damage.options, "sigma": 0.0}))
    loop = Loop(problem, zeroshot.TotalVariation(), generator=torch.Generator()).complete()
    assert decibels(loop.result(), photograph) > decibels(dark.colours, photograph) + 20
    with pytest.raises(ValueError, match="light must be a positive number"):
        brighten.completed({"light": -1})
