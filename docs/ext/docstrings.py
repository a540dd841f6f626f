"""Docstrings in the reference: links by the public name, and formulas that are no marks of reStructuredText.

Docstrings name classes by the module that they stand in, the reference by the shortest public name; a link to the one
is led to the other. Formulas stand there in plain characters, in which ``*`` and ``|`` are mathematics.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

_CODE = re.compile(r"(``.*?``|:\w+:`.*?`|`.*?`)", re.DOTALL)


def public_name(target: str) -> str | None:
    """The name in the reference of an object that is called by its module; None where it is not public."""
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        return None
    for place in ("zeroshot", *(f"zeroshot.{one}" for one in _public_modules())):
        if getattr(importlib.import_module(place), name, None) is found:
            return f"{place}.{name}"
    return None


def _public_modules() -> tuple[str, ...]:
    return ("operators", "noise", "stopping", "metrics", "data_terms", "images", "generators", "compare")


def _link(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> Any:
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("zeroshot."):
        return None
    name = public_name(target)
    if name is None or name == target:
        return None
    domain = env.domains.python_domain
    kind = node["reftype"]
    return domain.resolve_xref(env, node.get("refdoc", ""), app.builder, kind, name, node, content)


def escaped(line: str) -> str:
    """A line of a docstring with the marks in its formulas kept from being read as marks."""
    parts = _CODE.split(line)
    for index, part in enumerate(parts):
        if index % 2 == 0:
            parts[index] = re.sub(r"(\*(?!\w+ :)|\||(?<=\w)_(?=\W|$))", r"\\\1", part)
        elif not re.match(r"""[\s'")\]}>/\\:.,;!?-]|$""", parts[index + 1]):
            parts[index] += "\\ "  # code that is followed by a power, which would not end it
    return "".join(parts)


def _escape(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = [line if line.lstrip().startswith((">>>", "...")) else escaped(line) for line in lines]


def _plain_types(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Types of attributes are words, not names to be looked up: "image" is no attribute of some class."""
    lines[:] = [re.sub(r"^(\s*:vartype \w+:) ([^`*]+)$", r"\1 *\2*", line) for line in lines]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("missing-reference", _link)
    # Before napoleon, whose own marks are to stay.
    app.connect("autodoc-process-docstring", _escape, priority=100)
    app.connect("autodoc-process-docstring", _plain_types, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
