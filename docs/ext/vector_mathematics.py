"""Formulas as vector pictures in the page: no script, no font and no network is needed to see them.

Each is drawn once from its LaTeX by ziamath in the colour of the text, sized in em; who listens to the page hears the
LaTeX.
"""

from __future__ import annotations

import functools
import html
import re
from typing import Any

import ziamath
from docutils import nodes
from sphinx.application import Sphinx

#: Drawn at so many units, which become one em.
_SIZE = 20.0


@functools.cache
def drawn(latex: str, inline: bool) -> str:
    """A formula as an SVG element whose baseline is that of the text around it."""
    formula = ziamath.Latex(latex, size=_SIZE, inline=inline)
    svg = formula.svg()
    head, body = re.fullmatch(r"<svg\b([^>]*)>(.*)", svg, re.DOTALL).groups()
    box = [float(part) for part in re.search(r'viewBox="([^"]+)"', head).group(1).split()]
    left, top, width, height = box
    below = (top + height) / _SIZE
    style = f"width: {width / _SIZE:.3f}em; height: {height / _SIZE:.3f}em; vertical-align: {-below:.3f}em"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="formula" role="img" aria-label="{html.escape(latex)}" '
        f'viewBox="{left} {top} {width} {height}" style="{style}" fill="currentColor">'
        + body.replace('fill="black"', "").replace('stroke="black"', 'stroke="currentColor"')
    )


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(drawn(node.astext(), inline=True))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{drawn(node.astext(), inline=False)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    ziamath.config.svg2 = False  # symbols that are defined once would collide between the formulas of a page
    app.add_html_math_renderer("drawn", (_inline, None), (_block, None))
    app.config.html_math_renderer = "drawn"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
