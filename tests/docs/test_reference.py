"""Cards, gallery and reference: one for each thing that there is, and complete."""

from __future__ import annotations

import dataclasses
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zeroshot
from tests.docs.pages import DOCS, ROOT
from zeroshot.registry import prior_class
from zeroshot.standings import stored

pytest.importorskip("sphinx", reason="the pages are built with zeroshot-restore[docs]")
pytest.importorskip("ziamath", reason="formulas are drawn with zeroshot-restore[docs]")
docstrings, gallery, prior_cards, task_reference, vector_mathematics = map(
    importlib.import_module,
    ("docstrings", "gallery", "prior_cards", "task_reference", "vector_mathematics"),
)


# --- cards of priors ---------------------------------------------------------------------------------------


def test_there_is_a_card_for_each_prior() -> None:
    written = {path.stem for path in (DOCS / "priors").glob("*.md")} - {"index"}
    assert written == set(zeroshot.prior_names())


@pytest.mark.parametrize("prior", zeroshot.prior_names())
def test_a_card_says_what_it_minimises_and_where_it_is_good_and_fails(prior: str) -> None:
    text = (DOCS / "priors" / f"{prior}.md").read_text("utf-8")
    for heading in (r"What it (minimises|computes)", "When it is good", "When it fails"):
        assert len(re.search(rf"^## {heading}\n\n(.*?)(?=^## |\Z)", text, re.M | re.S)[0]) > 100
    formulas = re.findall(r"\$\$(.+?)\$\$|\$(.+?)\$", text, re.DOTALL)
    assert formulas
    for block, inline in formulas:
        assert "<path" in vector_mathematics.drawn(block or inline, inline=not block)


@pytest.mark.parametrize("prior", zeroshot.prior_names())
def test_every_setting_of_a_prior_is_explained(prior: str) -> None:
    settings = {setting.name: setting for setting in prior_cards.settings_of(prior)}
    assert set(settings) == {field.name for field in dataclasses.fields(prior_class(prior))}
    for setting in settings.values():
        assert setting.meaning.strip(". "), setting.name
    assert prior_cards.sources_of(prior)


def test_a_card_has_the_figures_of_the_table() -> None:
    below = prior_cards.below("wnnm")
    row = stored()["denoise"]["grey"]
    assert f"| {row.figures['wnnm'].psnr:.2f} |" in below
    assert f"`bm3d` {row.figures['bm3d'].psnr:.2f}" in below
    assert "no figures" not in below
    assert "is not in the table" in prior_cards.below("completion")


def test_a_card_says_what_a_prior_takes() -> None:
    assert set(prior_cards.refusals("wiener")) == {
        *("denoise", "destripe", "inpaint", "sr", "colorize", "demosaic", "jpeg", "restore"),
    }
    assert prior_cards.refusals("tv") == {}
    assert prior_cards.needs_weights("pulse")
    assert not prior_cards.needs_weights("completion")
    assert "`deblur` `sharpen`" in prior_cards.above("wiener", "")
    assert "--weights FILE" in prior_cards.above("pulse", "")


def test_every_prior_is_in_the_overview() -> None:
    families = {prior_cards.family_of(prior) for prior in zeroshot.prior_names()}
    assert families == set(prior_cards.FAMILIES)


# --- the gallery -------------------------------------------------------------------------------------------


def test_every_example_is_in_the_gallery() -> None:
    shown = [name for names in gallery.SECTIONS.values() for name in names]
    assert sorted(shown) == sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
    for name in shown:
        title, _ = gallery.described(name)
        assert 10 < len(title) < 130


@pytest.mark.parametrize("width", [48, 96, 192, 256, 700])
def test_a_pair_is_cut_into_its_halves(width: int, tmp_path: Path) -> None:
    before, after = np.full((8, width, 3), 10, np.uint8), np.full((8, width, 3), 200, np.uint8)
    between = np.full((8, gallery.gap(width), 3), 255, np.uint8)
    Image.fromarray(np.concatenate([before, between, after], axis=1)).save(tmp_path / "pair.png")
    halves = [np.asarray(half) for half in gallery.halves(tmp_path / "pair.png")]
    assert np.array_equal(halves[0], before)
    assert np.array_equal(halves[1], after)


def test_what_is_made_is_kept_until_its_source_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = importlib.import_module("made")
    monkeypatch.setattr(made, "MADE", tmp_path)
    runs = []

    def make(folder: Path) -> None:
        runs.append(folder)
        (folder / f"{len(runs)}.txt").touch()

    for sources in ("one", "one", "two"):
        folder = made.keep("page", sources, make)
    assert len(runs) == 2
    assert {path.name for path in folder.glob("*.txt")} == {"2.txt"}


# --- the reference -----------------------------------------------------------------------------------------


def test_every_public_name_is_in_the_reference() -> None:
    text = "\n".join(path.read_text("utf-8") for path in (DOCS / "api").glob("*.md"))
    documented = re.findall(r"^\.\. auto(?:class|function|module|data):: zeroshot\.(\w+)", text, re.MULTILINE)
    assert len(documented) == len(set(documented))
    by_table = {*zeroshot.tasks(), "data_terms", "stopping"}
    assert set(documented) | by_table == set(zeroshot.__all__)


def test_every_option_of_every_task_is_in_the_reference() -> None:
    for task in zeroshot.tasks().values():
        section = task_reference.section(task)
        for option in task.options:
            assert f"`{option.name}`, " in section
            assert f"`{option.flag}`" in section


def test_a_link_to_a_module_leads_to_the_public_name() -> None:
    name = "zeroshot.priors.low_rank.wnnm.WeightedNuclearNorm"
    assert docstrings.public_name(name) == "zeroshot.WeightedNuclearNorm"
    assert docstrings.public_name("zeroshot.operators.blur.Blur") == "zeroshot.operators.Blur"
    assert docstrings.public_name("zeroshot.words.aligned") is None


def test_formulas_of_docstrings_are_no_marks() -> None:
    assert docstrings.escaped("min ‖X‖_* of |x| with `a * b`") == r"min ‖X‖_\* of \|x\| with `a * b`"
    assert docstrings.escaped("½ `misfit`² of ``A``.") == "½ `misfit`\\ ² of ``A``."
    assert "zeroshot" in sys.modules
