"""Pages that run: the code of a tutorial makes its pictures, and what a block prints stands below it.

The blocks of a page run one after the other in one namespace and one folder, as a reader would type them: ``python``
is executed, or written to the file that its first line names, and every line of ``sh`` is a command of ``zeroshot``.
Blocks marked ``py`` and ``shell`` are shown and not run, since they need what the build does not have, such as weights;
tests check them as far as that goes.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import sys
import traceback
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from made import DOCS, folder_of, inside, keep
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PRINTED = "printed.json"
_MODULE = "code_of_the_page"
#: Those whose pages run.
FOLDER = "tutorials/"


class Block(NamedTuple):
    """One block of code of a page.

    Attributes
    ----------
    language : str
        "python" and "sh" run; "py" and "shell" do not.
    text : str
        The code.
    end : int
        Where the block ends in the page.
    """

    language: str
    text: str
    end: int

    @property
    def runs(self) -> bool:
        """Whether the build runs it."""
        return self.language in ("python", "sh")

    @property
    def file(self) -> str | None:
        """The name of the file that the block is, where its first line says so: ``# my_method.py``."""
        found = re.match(r"# (\w+\.py)\n", self.text)
        return found and found[1]


def blocks(page: str) -> list[Block]:
    """The blocks of code of a page, in order."""
    return [Block(found[1], found[2], found.end()) for found in _FENCE.finditer(page)]


def commands(text: str) -> list[list[str]]:
    """The words of each command of a block; a backslash at the end of a line goes on with the next one."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run(page: str, folder: Path) -> list[str]:
    """Run the blocks of a page in a folder; what each has printed, "" for those that do not run.

    Raises
    ------
    RuntimeError
        Where a block fails, with the block and what it said.
    """
    module = types.ModuleType(_MODULE)
    printed = []
    with inside(folder), _importable(module):
        for block in blocks(page):
            said = io.StringIO()
            with (
                contextlib.redirect_stdout(said),
                contextlib.redirect_stderr(said),
                warnings.catch_warnings(),
            ):
                try:
                    if block.language == "python" and block.file is not None:
                        (folder / block.file).write_text(block.text, "utf-8")
                    elif block.language == "python":
                        exec(compile(block.text, "<page>", "exec"), module.__dict__)
                    elif block.language == "sh":
                        for words in commands(block.text):
                            _command(words)
                except (Exception, SystemExit) as error:
                    told = "".join(traceback.format_exception(error))
                    raise RuntimeError(f"{block.text}\n{said.getvalue()}\n{told}") from error
            printed.append(said.getvalue())
    return printed


@contextlib.contextmanager
def _importable(module: types.ModuleType) -> Iterator[None]:
    """The module of a page among those that are loaded, where dataclasses look for it."""
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        del sys.modules[module.__name__]


def _command(words: list[str]) -> None:
    from zeroshot.cli.main import main

    if words[0] != "zeroshot":
        raise RuntimeError(f"only commands of zeroshot run in a page, not {words[0]!r}")
    code = main(words[1:])
    if code:
        raise RuntimeError(f"{shlex.join(words)} ended with status {code}")


def with_output(page: str, printed: list[str]) -> str:
    """The page with what its blocks have printed below each of them."""
    parts, start = [], 0
    for block, text in zip(blocks(page), printed, strict=True):
        parts.append(page[start : block.end])
        start = block.end
        if text.strip():
            parts.append(f"\n\n```{{code-block}} text\n:class: output\n\n{text.strip()}\n```")
    return "".join([*parts, page[start:]])


def _make(page: str, folder: Path) -> None:
    (folder / _PRINTED).write_text(json.dumps(run(page, folder)))


def _run_pages(app: Sphinx) -> None:
    for path in sorted((DOCS / FOLDER).glob("*.md")):
        page = path.read_text("utf-8")
        if any(block.runs for block in blocks(page)):
            try:
                keep(f"{FOLDER}{path.stem}", page, lambda folder, page=page: _make(page, folder))
            except RuntimeError as error:
                raise ExtensionError(f"{path}: a block failed\n{error}") from error


def _show_output(app: Sphinx, name: str, source: list[str]) -> None:
    printed = folder_of(name) / _PRINTED
    if name.startswith(FOLDER) and printed.exists():
        source[0] = with_output(source[0], json.loads(printed.read_text()))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", _run_pages)
    app.connect("source-read", _show_output)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
