"""The gallery: a page for each script of ``examples``, with the pictures that it makes when it runs.

The pages are written to ``docs/gallery``, which is made anew by every build.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import inspect
import io
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
from made import DOCS, ROOT, inside, keep
from PIL import Image
from sphinx.application import Sphinx

EXAMPLES = ROOT / "examples"
PAGES = DOCS / "gallery"
#: The budget of a script: those that are slow are shown as far as they come in it.
SECONDS = 20.0
#: Headings of the gallery, and their scripts. Every script is under one of them.
SECTIONS: dict[str, tuple[str, ...]] = {
    "One damage each": (
        *(
            "denoise",
            "destripe",
            "inpaint",
            "super_resolution",
            "colorize",
            "demosaic",
            "deblur",
            "sharpen",
            "jpeg",
        ),
    ),
    "Several damages, and operators of your own": ("restore_raw", "deepinv_physics"),
    "Side by side": ("compare_priors", "compare_methods", "before_after", "demo"),
    "With models that others have trained": (
        *("learned_denoisers", "learned_upscalers", "pretrained_generators", "restore_digits"),
    ),
}
#: Scripts that read their arguments from the command line, and what they are told.
TOLD = {
    "compare_priors": (
        *("--priors", "fourier", "bilateral", "perona_malik", "tv", "tgv", "wavelet", "dct", "nlm", "bm3d"),
        *("--output", "after.png"),
    ),
}
#: What needs weights is shown as code, and what others show already has no picture either.
WITHOUT_PICTURE = (
    *(
        "before_after",
        "demo",
        "learned_denoisers",
        "learned_upscalers",
        "pretrained_generators",
        "restore_digits",
    ),
)


def loaded(name: str) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"no example is called {name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _arguments(*words: str) -> Iterator[None]:
    before, sys.argv = sys.argv, list(words)
    try:
        yield
    finally:
        sys.argv = before


def make(name: str, folder: Path) -> None:
    """Run a script: before.png and after.png, or sheet.png where it makes no pair, thumbnail.png, and what it says."""
    module, said = loaded(name), io.StringIO()
    with inside(folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        if name in TOLD:
            with _arguments(f"{name}.py", *TOLD[name]):
                module.main()
            (folder / "after.png").rename(folder / "sheet.png")
        else:
            module.main(output="pair.png", seconds=SECONDS)
            for moment, half in zip(("before", "after"), halves(folder / "pair.png"), strict=True):
                half.save(folder / f"{moment}.png")
    shown = folder / ("sheet.png" if name in TOLD else "pair.png")
    thumbnail = Image.open(shown).convert("RGB")
    thumbnail.thumbnail((480, 480), Image.Resampling.LANCZOS)
    thumbnail.save(folder / "thumbnail.png")
    (folder / "printed.txt").write_text(said.getvalue())


def halves(pair: Path) -> tuple[Image.Image, Image.Image]:
    """The two pictures of equal size of one that shows them side by side, as ``Restoration.save_comparison`` does."""
    with Image.open(pair) as image:
        pixels = np.asarray(image)
    width = next(width for width in range(pixels.shape[1]) if 2 * width + gap(width) >= pixels.shape[1])
    return Image.fromarray(pixels[:, :width]), Image.fromarray(pixels[:, -width:])


def gap(width: int) -> int:
    """What lies between two pictures so wide."""
    return max(2, width // 64)


def described(name: str) -> tuple[str, str]:
    """The first line of a script's docstring without its full stop, and the rest."""
    docstring = ast.get_docstring(ast.parse((EXAMPLES / f"{name}.py").read_text("utf-8"))) or name
    first, _, rest = docstring.partition("\n")
    # Commands that no "::" announces are code nevertheless.
    rest = re.sub(r"(?<!::\n\n)((?:^ *python .+\n?)+)", _as_code, f"{rest}\n", flags=re.MULTILINE)
    return first.strip().removesuffix("."), rest.strip()


def _as_code(lines: re.Match[str]) -> str:
    return "::\n\n" + textwrap.indent(textwrap.dedent(lines[1]), "    ") + "\n"


def page_of(name: str, folder: Path | None) -> str:
    """The page of a script, as Markdown."""
    title, text = described(name)
    lines = [f"# {title}", "", "```{eval-rst}", text, "```", ""]
    if folder is not None and (folder / "sheet.png").exists():
        lines += ["```{picture} sheet.png", f":alt: {title}", "```", ""]
    elif folder is not None:
        lines += ["```{before-after} before.png after.png", f":alt: {title}", "```", ""]
    if folder is not None and (said := (folder / "printed.txt").read_text().strip()):
        lines += ["It prints", "", "```{code-block} text", said, "```", ""]
    lines += [
        f"`examples/{name}.py`:",
        "",
        f"```{{literalinclude}} ../../examples/{name}.py",
        ":language: python",
        "```",
        "",
    ]
    return "\n".join(lines)


def card_of(name: str) -> str:
    """The card of a script in the overview."""
    title, _ = described(name)
    picture = (
        "" if name in WITHOUT_PICTURE else f"[![{title}](/_made/gallery/{name}/thumbnail.png)]({name}.md)\n\n"
    )
    return f"::::{{container}} card\n{picture}[{title}]({name}.md)\n::::\n"


def _write_pages(app: Sphinx) -> None:
    shutil.rmtree(PAGES, ignore_errors=True)
    PAGES.mkdir()
    overview = [
        "# Gallery",
        "",
        "Short scripts to copy from. Each was run when these pages were made, on photographs of scikit-image, on one",
        f"thread and for at most {SECONDS:.0f} seconds.",
        "",
    ]
    for heading, names in SECTIONS.items():
        overview += [f"## {heading}", "", ":::::{container} cards"]
        for name in names:
            source = (
                f"{(EXAMPLES / f'{name}.py').read_text('utf-8')} {inspect.getsource(make)} {SECONDS} {TOLD}"
            )
            folder = (
                None
                if name in WITHOUT_PICTURE
                else keep(f"gallery/{name}", source, lambda folder, name=name: make(name, folder))
            )
            (PAGES / f"{name}.md").write_text(page_of(name, folder), "utf-8")
            overview.append(card_of(name))
        overview += [":::::", ""]
    names = [f"{name.replace('_', ' ')} <{name}>" for section in SECTIONS.values() for name in section]
    overview += ["```{toctree}", ":hidden:", "", *names, "```", ""]
    (PAGES / "index.md").write_text("\n".join(overview), "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", _write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
