"""Directives for the pictures that a page has made: one by itself, or two with a slider between them.

``before-after`` takes two names of files in the page's folder (see :mod:`made`), ``picture`` one; what stands in
the directive is the caption. The slider is an input of the browser, so that keys move it too; without scripts both
halves show.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from made import DOCS, folder_of
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

#: Pictures up to this wide are shown twice as large, each pixel as a square.
_SMALL = 320


class Figure(nodes.General, nodes.Element):
    """Pictures with a caption."""


class Pair(nodes.General, nodes.Element):
    """Two pictures in one place."""


def width_of(path: Path) -> int:
    """The width in CSS pixels at which a picture is shown."""
    with Image.open(path) as image:
        return image.width * (2 if image.width <= _SMALL else 1)


class _Pictures(SphinxDirective):
    has_content = True
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = {"alt": directives.unchanged, "width": directives.positive_int}

    def image(self, name: str, alt: str) -> nodes.image:
        path = folder_of(self.env.docname) / name
        if not path.exists():
            raise self.error(f"the page makes no {name}")
        return nodes.image(uri="/" + path.relative_to(DOCS).as_posix(), alt=alt)

    def figure(self, name: str, content: nodes.Node) -> list[nodes.Node]:
        width = self.options.get("width") or width_of(folder_of(self.env.docname) / name)
        figure = Figure(width=width)
        figure += content
        caption = nodes.container(classes=["caption"])
        self.state.nested_parse(self.content, self.content_offset, caption)
        if caption.children:
            figure += caption
        return [figure]


class BeforeAfter(_Pictures):
    """A slider between two pictures: ``{before-after} noisy.png clean.png``."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        names = dict(zip(("before", "after"), self.arguments, strict=True))
        told = self.options.get("alt", "the picture")
        pair = Pair(label=f"{told}: more of it before, or after")
        for moment in ("after", "before"):
            image = self.image(names[moment], f"{told}, {moment}")
            image["classes"] = [moment]
            pair += image
        return self.figure(names["after"], pair)


class Picture(_Pictures):
    """A picture by itself: ``{picture} sheet.png``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        return self.figure(name, self.image(name, self.options.get("alt", "")))


def _enter_figure(writer: Any, node: Figure) -> None:
    writer.body.append(f'<figure class="shown" style="width: {node["width"]}px">')


def _leave_figure(writer: Any, node: Figure) -> None:
    writer.body.append("</figure>\n")


def _enter_pair(writer: Any, node: Pair) -> None:
    writer.body.append('<div class="before-after">')


def _leave_pair(writer: Any, node: Pair) -> None:
    writer.body.append(
        '<span class="edge"></span><span class="name">before</span><span class="name">after</span>'
        f'<input type="range" min="0" max="100" value="50" step="any" aria-label="{writer.encode(node["label"])}">'
        "</div>"
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(Figure, html=(_enter_figure, _leave_figure))
    app.add_node(Pair, html=(_enter_pair, _leave_pair))
    app.add_directive("before-after", BeforeAfter)
    app.add_directive("picture", Picture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
