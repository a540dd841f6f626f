"""What the pages say can be done: every block compiles and its names are there, every command parses, links lead on."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import zeroshot
from tests.docs.pages import DOCS, PAGES, ROOT, headings, named
from zeroshot.cli.parser import parse_arguments

pytest.importorskip("sphinx", reason="the pages are built with zeroshot-restore[docs]")
page_runs = importlib.import_module("page_runs")
#: What a reader has, by the names that pages call it.
READERS = {"my_network", "array", "tensor", "known", "network"}
#: Tutorials whose restorations take long even of small pictures; the build of the site runs them all.
LONG = ("compare", "kernel", "mask", "microscope", "pulse")


def python_blocks() -> Iterator[Any]:
    for path in PAGES:
        texts = [
            block.text
            for block in page_runs.blocks(path.read_text("utf-8"))
            if block.language in ("python", "py")
        ]
        if texts:
            yield pytest.param(texts, id=named(path))


def shell_commands() -> list[tuple[str, str]]:
    """Page and line of every command: in blocks of sh and shell, and in blocks that are indented."""
    found = []
    for path in PAGES:
        text = path.read_text("utf-8")
        fenced = [block.text for block in page_runs.blocks(text) if block.language in ("sh", "shell")]
        indented = re.findall(
            r"^    (?:zeroshot|python) (?:.*\\\n)*.*", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M
        )
        for words in page_runs.commands("\n".join([*fenced, *indented])):
            found.append((named(path), shlex.join(words)))
    return found


class Small(np.ndarray):
    """A photograph of which a crop is no larger than 48 pixels, wherever it begins."""

    def __getitem__(self, key: Any) -> Any:
        plain = self.view(np.ndarray)
        if isinstance(key, tuple) and all(isinstance(part, slice) for part in key[:2]):
            cut = [slice(part.start, min(part.stop, (part.start or 0) + 48)) for part in key[:2]]
            return plain[(*cut, *key[2:])]
        return plain[key]


# --- Python ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("texts", list(python_blocks()))
def test_the_names_in_the_code_of_a_page_are_there(texts: list[str]) -> None:
    """Imports, attributes of modules, keywords of functions, and variables that the page has set before."""
    bound: dict[str, Any] = dict.fromkeys(READERS)
    for text in texts:
        tree = ast.parse(text)
        for node in ast.walk(tree):
            _bind(node, bound)
    for text in texts:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                assert node.id in bound or hasattr(builtins, node.id), f"{node.id} is nowhere set"
            if isinstance(node, ast.Attribute):
                _resolved(node, bound)
            if isinstance(node, ast.Call):
                _check_keywords(node, bound)


def _bind(node: ast.AST, bound: dict[str, Any]) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            module = pytest.importorskip(alias.name)
            bound[alias.asname or alias.name.partition(".")[0]] = (
                module if alias.asname else importlib.import_module(alias.name.partition(".")[0])
            )
    elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
        module = importlib.import_module(str(node.module))
        for alias in node.names:
            if not hasattr(module, alias.name):
                importlib.import_module(f"{module.__name__}.{alias.name}")
            bound[alias.asname or alias.name] = getattr(module, alias.name)
    elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        bound[node.name] = None
    elif isinstance(node, ast.arg):
        bound[node.arg] = None
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        bound[node.id] = None


def _resolved(node: ast.expr, bound: dict[str, Any]) -> Any:
    """The object of a dotted name, as far as it goes through modules and their classes; None for all else."""
    if isinstance(node, ast.Name):
        return bound.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _resolved(node.value, bound)
        return getattr(owner, node.attr) if isinstance(owner, (ModuleType, type)) else None
    return None


def _check_keywords(call: ast.Call, bound: dict[str, Any]) -> None:
    function = _resolved(call.func, bound)
    if getattr(function, "__module__", None) and str(function.__module__).startswith("zeroshot"):
        import inspect

        taken = inspect.signature(function).parameters
        if not any(one.kind is one.VAR_KEYWORD for one in taken.values()):
            assert {word.arg for word in call.keywords if word.arg} <= set(taken), ast.unparse(call)


TUTORIALS = sorted(path.stem for path in (DOCS / "tutorials").glob("*.md") if path.stem != "index")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in TUTORIALS]
)
def test_a_tutorial_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On crops of 48 × 48 pixels, and what it shows is there in the end."""
    from skimage import data

    for picture in ("astronaut", "camera", "chelsea", "coffee", "immunohistochemistry"):
        pixels = getattr(data, picture)()
        monkeypatch.setattr(data, picture, lambda pixels=pixels: pixels.view(Small))
    page = (DOCS / "tutorials" / f"{name}.md").read_text("utf-8")
    printed = page_runs.run(page, tmp_path)
    assert len(printed) == len(page_runs.blocks(page))
    assert any(printed)
    shown = re.findall(r"^```\{(?:before-after|picture)\} (.+)$", page, re.MULTILINE)
    assert shown
    for file in " ".join(shown).split():
        assert (tmp_path / file).stat().st_size > 100


def test_a_block_that_fails_says_which_it_was(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"denoise nothing\.png(.|\n)*ended with status"):
        page_runs.run("```sh\nzeroshot denoise nothing.png\n```\n", tmp_path)


def test_what_a_block_prints_stands_below_it(tmp_path: Path) -> None:
    page = "One.\n\n```python\nprint(6 * 7)\n```\n\nTwo.\n"
    shown = page_runs.with_output(page, page_runs.run(page, tmp_path))
    assert re.search(
        r"print\(6 \* 7\)\n```\n\n```\{code-block\} text\n:class: output\n\n42\n```\n\nTwo", shown
    )


# --- commands ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("page", "line"), sorted(set(shell_commands())))
def test_a_command_is_one(page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(line)
    # What a shell does with the output is none of the command's arguments.
    words = words[: min((words.index(one) for one in (">", ">>", "|") if one in words), default=len(words))]
    if words[0] == "zeroshot":
        monkeypatch.chdir(tmp_path)
        parse_arguments(words[1:])
    elif words[:2] == ["python", "-m"] and words[2].startswith("benchmarks."):
        assert (ROOT / f"{words[2].replace('.', '/')}.py").exists()
    elif words[0] == "python":
        assert (ROOT / words[1]).exists()
    else:
        assert words[0] in ("pip", "make")


def test_benchmarks_that_figures_name_are_there() -> None:
    for path in PAGES:
        for module in re.findall(r"python\s+-m\s+(benchmarks[\w.]+)", path.read_text("utf-8")):
            place = ROOT / module.replace(".", "/")
            assert place.with_suffix(".py").exists() or place.is_dir(), f"{named(path)}: {module}"


# --- links and the tree of pages ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        if place.parent == DOCS / "gallery":
            assert place.stem == "index" or (ROOT / "examples" / f"{place.stem}.py").exists(), target
            continue
        assert place.exists(), target
        if anchor:
            included = ROOT / "CONTRIBUTING.md" if place.name == "contributing.md" else place
            assert anchor in headings(included), target


def test_every_page_is_in_the_tree() -> None:
    listed = set()
    for path in DOCS.rglob("*.md"):
        for entries in re.findall(r"```\{toctree\}\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
            for entry in re.sub(r"^:.*$", "", entries, flags=re.MULTILINE).split():
                listed |= {place.with_suffix("").resolve() for place in path.parent.glob(f"{entry}.md")}
    written = {path.with_suffix("") for path in PAGES if DOCS in path.parents} - {DOCS / "index"}
    assert written <= listed


def test_the_readme_is_a_screen_and_a_half() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 75
    assert f"{len(zeroshot.prior_names())} priors" in text
    for kept in ("make demo", "make test", "make docs", "## Speed"):
        assert kept in text
