"""Pictures of the page, for the documentation and to be looked at: ``python -m tests.app.screenshots FOLDER``.

``page.png``, of a run in progress, is the picture of ``docs/page.md``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from tests import pictures
from tests.app.client import App, png
from tests.app.test_page import Page
from tests.browser import started


def main(folder: Path) -> None:
    """Write empty.png, page.png, done.png, advanced.png, dark.png and phone.png."""
    with tempfile.TemporaryDirectory() as temporary, started() as browser:
        app = App(Path(temporary))
        page = Page(browser, app)

        def shoot(name: str) -> None:
            page.wait("[...document.images].every((one) => !one.src || (one.complete && one.naturalWidth))")
            browser.save_screenshot(str(folder / f"{name}.png"))

        page.open()
        shoot("empty")
        path = Path(temporary) / "portrait.png"
        clean = pictures.sample("astronaut")[0:240, 80:400].astype(float)
        noise = np.random.default_rng(0).normal(0, 20, clean.shape)
        path.write_bytes(png((clean + noise).clip(0, 255).round().astype(np.uint8)))
        page.bring(path)
        page.restore("tgv")
        page.js(
            "document.querySelector('#tune').open = false; document.querySelector('#panel').scrollTop = 0"
        )
        page.wait(
            "document.querySelector('#runs li.running .curve polyline')?.getAttribute('points').split(' ').length > 8"
        )
        shoot("page")
        page.act("Stop")
        page.state("stopped")
        page.restore("dct")
        page.state("done")
        page.js("document.querySelector('#panel').scrollTop = 0")
        shoot("done")
        for part in ("more", "beside", "tune", "advanced"):
            page.js(f"document.querySelector('#{part}').open = true")
        page.js("document.querySelector('#advanced').scrollIntoView({block: 'end'})")
        shoot("advanced")
        page.open(1280, "dark")
        shoot("dark")
        page.open(380, "light")
        shoot("phone")
        app.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
