"""The three sliders of the first page: what ``examples/before_after.py`` shows, as separate pictures."""

from __future__ import annotations

from pathlib import Path

from gallery import EXAMPLES, loaded
from made import keep
from PIL import Image
from sphinx.application import Sphinx

_SIDE = 192


def make(folder: Path, side: int = _SIDE) -> None:
    """NAME-before.png and NAME-after.png for each task of the example."""
    example = loaded("before_after")
    for column in example.COLUMNS:
        both = example.restored_beside(column, side)
        for moment, pixels in (("before", both[:side]), ("after", both[-side:])):
            Image.fromarray(pixels).save(folder / f"{column[0]}-{moment}.png")


def _make(app: Sphinx) -> None:
    keep("index", (EXAMPLES / "before_after.py").read_text("utf-8") + Path(__file__).read_text("utf-8"), make)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", _make)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
