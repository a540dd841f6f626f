"""The site as it is built: without a warning, complete in itself, and usable on a telephone and by keys."""

from __future__ import annotations

import functools
import html.parser
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import DOCS, ROOT

pytestmark = pytest.mark.slow
pytest.importorskip("furo", reason="the site is built with zeroshot-restore[docs]")
#: Attributes by which a page makes a browser load something.
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "srcset")}


class Page(html.parser.HTMLParser):
    """What a page loads, what it links to, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if (tag, name) in LOADED and value:
                self.loads.append(value)
            if tag == "a" and name == "href" and value:
                self.links.append(value)
            if name in ("id", "name") and value:
                self.anchors.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        str(DOCS),
        str(output),
    ]
    built = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return output


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html")}


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for address in page.loads:
            parts = urlsplit(address)
            assert parts.scheme in ("", "data"), f"{path}: {address}"
            assert not parts.netloc
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text("utf-8")
        assert "@import" not in style.read_text("utf-8")


def test_links_and_anchors_lead_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for address in [*page.links, *page.loads]:
            parts = urlsplit(address)
            if parts.scheme or (address.startswith("#") and len(address) == 1):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.relative_to(site)}: {address}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].anchors, (
                    f"{path.relative_to(site)}: {address}"
                )


def test_what_is_made_is_not_committed() -> None:
    listed = subprocess.run(["git", "ls-files", "docs"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.splitlines()]
    assert not [
        file for file in files if file.is_relative_to(DOCS / "_made") or file.is_relative_to(DOCS / "gallery")
    ]
    assert all(file.stat().st_size < 1_000_000 for file in files if file.exists())


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="the browser is driven by selenium")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(argument)
    driver = shutil.which("chromedriver")
    service = webdriver.ChromeService(driver) if driver else None
    started = webdriver.Chrome(options=options, service=service)
    yield started
    started.quit()


@pytest.mark.parametrize("width", [1280, 380])
@pytest.mark.parametrize(
    "page",
    ["index", "gallery/index", "priors/bm3d", "priors/index", "tutorials/kernel", "api/engine", "figures"],
)
def test_a_page_fits_its_window(browser: Any, address: str, page: str, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(f"{address}/{page}.html")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    loaded = browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert all(name.startswith((address, "data:")) for name in loaded)
    widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert all(widths)


def test_keys_move_the_slider(browser: Any, address: str) -> None:
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    browser.get(f"{address}/index.html")
    slider = browser.find_element("css selector", ".before-after input")
    slider.send_keys(keys.HOME)
    pair = browser.find_element("css selector", ".before-after")
    assert pair.get_attribute("style") == "--at: 0%;"
    slider.send_keys(keys.END)
    assert pair.get_attribute("style") == "--at: 100%;"


def test_the_search_finds_a_prior(browser: Any, address: str) -> None:
    waiting = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
    browser.get(f"{address}/search.html?q=richardson")
    found = waiting(browser, 20).until(
        lambda driver: driver.find_elements("css selector", "#search-results li a")
    )
    assert found
