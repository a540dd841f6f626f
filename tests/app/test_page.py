"""The page in a real browser: bring, paint, run, stop, go on, compare, download; by touch and keys, light and dark."""

from __future__ import annotations

import base64
import io
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.app.client import ENDLESS, App, noisy, png, until
from tests.browser import LEAST_CONTRAST, shape, started
from zeroshot import images

pytest.importorskip("selenium.webdriver", reason="needs selenium")
pytestmark = pytest.mark.slow  # a browser takes seconds to start

#: What is decoded of the page by a reader of screens and what a hand can hit.
_UNNAMED = """
return [...document.querySelectorAll("button, input, select, a[href], [tabindex='0'], [role=slider]")]
  .filter((e) => e.checkVisibility() && !e.closest(".unseen") && !e.getAttribute("aria-hidden"))
  .filter((e) => !(e.getAttribute("aria-label") || e.innerText || e.labels?.length || e.querySelector("img[alt]")))
  .map((e) => e.outerHTML);
"""
_DROP = """
const [name, type, text, kind] = arguments;
const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], name, { type }));
const event = kind === "paste" ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
  : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
document.body.dispatchEvent(event);
"""


class Page:
    """The page as its user meets it."""

    def __init__(self, browser: Any, app: App) -> None:
        self.browser, self.app = browser, app

    def open(self, width: int = 1280, scheme: str = "light") -> None:
        shape(self.browser, width=width, scheme=scheme)
        self.browser.get("about:blank")
        self.browser.get(self.app.address)
        self.wait("document.body.classList.contains('ready')")

    def js(self, code: str, *arguments: Any) -> Any:
        return self.browser.execute_script(code, *arguments)

    def wait(self, condition: str) -> Any:
        """What an expression of JavaScript gives as soon as it is true."""
        return until(lambda: self.js(f"return {condition}"))

    def find(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        element = self.find(selector)
        self.js("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", element)
        element.click()

    def choose(self, selector: str, value: str) -> None:
        from selenium.webdriver.support.select import Select

        element = self.find(selector)
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        Select(element).select_by_value(value)

    def type(self, selector: str, text: str) -> None:
        element = self.find(selector)
        element.clear()
        element.send_keys(text)

    def bring(self, path: Path) -> None:
        """Choose a file, and wait until it has been looked over."""
        count = len(self.app.json("/news")["pictures"])
        self.find("#file").send_keys(str(path))
        self.looked(count + 1)

    def looked(self, count: int) -> None:
        self.wait(f"document.querySelectorAll('.thumb').length === {count}")
        self.wait("!document.querySelector('#found .looking') && document.querySelector('#found li')")

    def restore(self, prior: str = "tv", **settings: str) -> None:
        """Press the button with a prior, which is in no hurry where its settings say so."""
        self.choose("#prior", prior)
        if settings:
            self.js("document.querySelector('#tune').open = true")
            for name, word in settings.items():
                self.wait(f"document.querySelector('#setting-{name}')")
                self.type(f"#setting-{name}", word)
        self.click("#restore")

    def state(self, state: str, count: int = 1) -> None:
        """Wait until so many runs are in that state."""
        self.wait(f"document.querySelectorAll('#runs li.{state}').length === {count}")

    def act(self, text: str) -> None:
        """Press a button of the last run."""
        buttons = [
            one
            for one in self.browser.find_elements("css selector", "#runs li:last-child .row > *")
            if one.text.strip() == text
        ]
        assert buttons, text
        self.js("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", buttons[0])
        buttons[0].click()

    def brush(self, size: int) -> None:
        """Set the brush, 60 being eight pixels wide on a picture of 64."""
        self.js(
            f"const b = document.querySelector('#brush'); b.value = {size}; b.dispatchEvent(new Event('input'))"
        )

    def canvas(self) -> np.ndarray:
        """The alpha of what is painted, H × W."""
        code = "return document.querySelector('canvas.painting').toDataURL('image/png')"
        data = base64.b64decode(self.js(code).partition(",")[2])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))[..., 3]

    def stage(self) -> np.ndarray:
        """What the stage shows, H × W × 3."""
        corner = """const r = document.querySelector('#viewport').getBoundingClientRect();
            return {x: r.left + scrollX, y: r.top + scrollY, width: r.width, height: r.height, scale: 1}"""
        shot = self.browser.execute_cdp_cmd(
            "Page.captureScreenshot", {"clip": self.js(corner), "captureBeyondViewport": True}
        )
        image = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
        return np.asarray(image, dtype=float)

    def complaints(self) -> list[str]:
        """What the browser has complained of since it was asked last."""
        return [one["message"] for one in self.browser.get_log("browser") if one["level"] == "SEVERE"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started("--touch-events=enabled") as browser:
        yield browser


@pytest.fixture
def page(browser: Any, app: App) -> Iterator[Page]:
    """The page, with nothing on it."""
    for run in app.json("/news")["runs"]:
        app.ask(f"/runs/{run['id']}", "DELETE")
    for picture in app.json("/news")["pictures"]:
        app.json(f"/pictures/{picture['id']}", "DELETE")
    page = Page(browser, app)
    page.complaints()
    page.open()
    yield page
    assert page.complaints() == []


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(png(noisy()))
    return path


# --- bringing ----------------------------------------------------------------------------------------------


def test_a_file_is_chosen_looked_over_and_its_task_filled_in(page: Page, tmp_path: Path) -> None:
    assert page.find("#choose").is_displayed()
    assert not page.find("#panel").is_displayed()
    (tmp_path / "noisy.png").write_bytes(png(noisy(128)))
    page.bring(tmp_path / "noisy.png")
    assert "noise" in page.find("#found").text
    assert page.find("#task").get_property("value") == "denoise"
    assert page.js("return document.querySelector('#found .chip').innerText") == "denoise"
    page.wait("document.querySelector('#text').textContent === 'zeroshot denoise noisy.png'")
    page.type("#option-sigma", "20")
    page.wait("document.querySelector('#text').textContent.endsWith('--sigma 20')")
    page.click("input[name=same][value=python] + span")
    assert "zeroshot.denoise('noisy.png', sigma=20 / 255)" in page.find("#text").text
    assert page.browser.current_url.endswith(
        f":{page.app.port}/#" + page.app.json("/news")["pictures"][0]["id"]
    )


@pytest.mark.parametrize(("kind", "name"), [("drop", "dropped.png"), ("paste", "image.png")])
def test_a_picture_is_dropped_or_pasted(page: Page, kind: str, name: str) -> None:
    page.js(_DROP, name, "image/png", base64.b64encode(png(noisy())).decode(), kind)
    page.looked(1)
    (picture,) = page.app.json("/news")["pictures"]
    assert picture["name"] == ("pasted.png" if kind == "paste" else name)


def test_what_is_no_picture_is_told_in_one_line(page: Page) -> None:
    page.js(_DROP, "notes.txt", "text/plain", base64.b64encode(b"no picture").decode(), "drop")
    page.wait("!document.querySelector('#banner').hidden")
    assert page.find("#banner").text == "is not a PNG, JPEG, TIFF, WebP or BMP image"
    assert page.find("#choose").is_displayed()
    assert any("422" in one for one in page.complaints())  # the browser's own line about the status


# --- running -----------------------------------------------------------------------------------------------


def test_a_run_is_watched_stopped_continued_and_downloaded(page: Page, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    page.browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
    )
    page.bring(photo)
    page.restore("tgv", **ENDLESS)
    page.wait("document.querySelector('#runs li.running .curve polyline')")
    page.wait("document.querySelector('#runs .line').innerText.includes('left')")
    page.wait("[...document.querySelectorAll('.tag')].some((tag) => tag.innerText === 'tgv, in the making')")
    page.wait("[...document.querySelectorAll('.world img')].every((image) => image.naturalWidth)")
    page.act("Stop")
    page.state("stopped")
    page.wait("[...document.querySelectorAll('.tag')].some((tag) => tag.innerText === 'tgv')")
    first = page.app.json("/news")["runs"][0]["result"]["iterations"]
    page.act("Continue")
    page.state("running")
    until(lambda: page.app.json("/news")["runs"][0]["course"].get("iteration", 0) > first)
    page.act("Stop")
    page.state("stopped")
    assert page.app.json("/news")["runs"][0]["result"]["iterations"] > first
    left, right = (half.reshape(-1, 3) for half in np.array_split(page.stage(), 2, axis=1))
    assert (
        np.abs(np.diff(left, axis=0)).mean() > 1.5 * np.abs(np.diff(right, axis=0)).mean()
    )  # noise, and none
    page.act("Download")
    path = folder / "photo.denoised.png"
    until(path.exists)
    provenance = images.read_provenance(path)
    assert provenance is not None
    assert provenance["stopped_by"] == "interrupted"


def test_a_result_is_downloaded_in_another_format(page: Page, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    page.browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
    )
    page.bring(photo)
    page.restore("tv")
    page.state("done")
    assert page.js("return document.querySelector('#runs .format').selectedOptions[0].text") == ".png"
    page.choose("#runs .format", "tiff")
    page.act("Download")
    until((folder / "photo.denoised.tif").exists)
    assert images.load(folder / "photo.denoised.tif").as_given().dtype == np.uint16
    provenance = images.read_provenance(folder / "photo.denoised.tif")
    assert provenance is not None
    assert provenance["prior"] == "tv"


def test_what_is_seldom_needed_is_in_a_group_of_its_own(page: Page, photo: Path) -> None:
    page.bring(photo)
    grey = "return [...document.querySelector('#prior').options].find((one) => one.value === 'pulse')"
    assert page.js(f"{grey}.disabled")
    assert "none are installed" in page.js(f"{grey}.title")
    assert not page.find("#tile").is_displayed()
    page.js("document.querySelector('#advanced').open = true")
    page.type("#tile", "64")
    page.type("#value_range", "0,200")
    page.wait("document.querySelector('#text').textContent.endsWith('--tile 64 --range=0,200')")
    page.type("#samples", "none")
    page.js("document.querySelector('#advanced').open = false")
    page.click("#restore")
    page.wait("document.querySelector('#error-samples').innerText.includes('from 1 to 1000')")
    assert page.find("#samples").is_displayed()
    assert any("422" in one for one in page.complaints())


def test_a_page_that_is_loaded_anew_in_mid_run_shows_the_run_again(page: Page, photo: Path) -> None:
    page.bring(photo)
    page.type("#option-sigma", "20")
    page.restore("tgv", **ENDLESS)
    page.wait("document.querySelector('#runs li.running .curve polyline')")
    page.browser.refresh()
    page.wait("document.body.classList.contains('ready')")
    page.wait("document.querySelector('#runs li.running .curve polyline')")
    assert page.find("#prior").get_property("value") == "tgv"
    assert page.find("#option-sigma").get_property("value") == "20"
    page.wait("document.querySelector('.divider')")
    page.act("Stop")
    page.state("stopped")


def test_several_priors_stand_side_by_side(page: Page, photo: Path) -> None:
    page.bring(photo)
    page.choose("#prior", "tv")
    page.js("document.querySelector('#beside').open = true")
    for name in ("dct", "wavelet"):
        page.click(f"#others input[value={name}]")
    page.click("#restore")
    page.state("done", 3)
    page.wait("document.querySelectorAll('.pane').length === 4")
    tags = page.js("return [...document.querySelectorAll('.tag')].map((tag) => tag.innerText)")
    assert tags == ["before", "tv", "dct", "wavelet"]
    page.click("#actual")
    assert page.find("#percent").text == "100 %"
    sizes = page.js(
        "return [...document.querySelectorAll('.world img')].map((i) => i.getBoundingClientRect().width)"
    )
    assert sizes == [64] * 4  # one to one
    page.click("input[name=mode][value=slider] + span")
    page.choose("#left", page.app.json("/news")["runs"][0]["id"])
    page.wait("document.querySelector('.tag').innerText === 'tv'")


def test_a_wrong_entry_is_told_at_its_field(page: Page, photo: Path) -> None:
    page.bring(photo)
    page.type("#option-sigma", "many")
    page.click("#restore")
    page.wait("document.querySelector('#error-sigma').innerText")
    assert "8-bit grey levels" in page.find("#error-sigma").text
    assert page.find("#option-sigma").get_attribute("aria-invalid") == "true"
    assert page.js("return document.activeElement.id") == "option-sigma"
    assert any("422" in one for one in page.complaints())


def test_a_result_goes_on_as_the_next_picture(page: Page, photo: Path) -> None:
    page.bring(photo)
    page.choose("#task", "sr")
    page.type("#option-scale", "2")
    page.restore("tv")
    page.state("done")
    page.act("Open")
    page.looked(2)
    assert page.find("#found .name").text == "photo.upscaled.png"
    page.click(".thumb.selected .remove")
    page.looked(1)
    assert page.find("#found .name").text == "photo.png"


# --- painting ----------------------------------------------------------------------------------------------


def test_holes_are_painted_undone_erased_and_filled(page: Page, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    clean = noisy(sigma=0)
    (tmp_path / "photo.png").write_bytes(png(clean))
    page.bring(tmp_path / "photo.png")
    page.choose("#task", "inpaint")
    page.wait("document.querySelector('canvas.painting')")
    view = page.find("#viewport")
    assert page.canvas().shape == (64, 64)
    page.brush(60)

    def stroke(x: int, y: int) -> None:
        start = ActionChains(page.browser).move_to_element_with_offset(view, x, y).click_and_hold()
        start.move_by_offset(60, 0).move_by_offset(60, 0).release().perform()

    stroke(-60, 0)
    first = page.canvas()
    assert first[30:34, 26:38].mean() > 200
    assert first[:20].max() == 0
    stroke(-60, -120)
    assert (page.canvas() > 128).sum() > 1.7 * (first > 128).sum()
    ActionChains(page.browser).key_down(Keys.CONTROL).send_keys("z").key_up(Keys.CONTROL).perform()
    assert np.array_equal(page.canvas(), first)
    page.click("input[name=tool][value=erase] + span")
    stroke(0, 0)
    assert (page.canvas() > 128).sum() < (first > 128).sum()
    page.click("#undo")
    id = page.app.json("/news")["pictures"][0]["id"]
    until(lambda: page.app.picture(id)["layers"].get("mask", 0) >= 5)
    page.wait("!document.querySelector('.painted .save').hidden")
    page.restore("tv")
    page.state("done")
    run = page.app.json("/news")["runs"][0]
    assert "--mask photo.mask.png" in run["command"]
    result = np.asarray(Image.open(io.BytesIO(page.app.ask(f"/runs/{run['id']}/result")[1])))
    assert (result != clean).any(axis=2)[first > 200].mean() > 0.5
    assert not (result != clean).any(axis=2)[first < 100].any()
    # Loaded anew, what was painted is there again.
    page.browser.refresh()
    page.wait("document.body.classList.contains('ready') && document.querySelector('#runs li.done')")
    page.click(".painted .paint")
    until(lambda: np.array_equal(page.canvas() > 128, first > 128))


def test_colours_are_painted_by_touch(page: Page, tmp_path: Path) -> None:
    (tmp_path / "grey.png").write_bytes(png(noisy(sigma=0).mean(axis=2).astype(np.uint8)))
    page.bring(tmp_path / "grey.png")
    page.choose("#task", "colorize")
    page.click(".painted .paint")
    page.wait("document.querySelector('canvas.painting')")
    page.js("document.querySelector('#colour').value = '#c02040'")
    page.brush(60)
    middle = "const r = arguments[0].getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]"
    x, y = page.js(middle, page.find("#viewport"))
    for kind, shift in (("touchStart", 0), ("touchMove", 40), ("touchMove", 80), ("touchEnd", None)):
        points = [] if shift is None else [{"x": x + shift, "y": y}]
        page.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    until(lambda: page.canvas()[30:34, 33:38].mean() > 200)
    page.wait("!document.querySelector('.painted .save').hidden")
    id = page.app.json("/news")["pictures"][0]["id"]
    hints = np.asarray(Image.open(io.BytesIO(page.app.ask(f"/pictures/{id}/layers/hints")[1])))
    # What a browser keeps of a soft edge is rounded.
    assert np.abs(hints[hints[..., 3] > 0][:, :3] - np.array([0xC0, 0x20, 0x40])).max() <= 3


# --- for everybody -----------------------------------------------------------------------------------------


def test_everything_can_be_done_with_keys(page: Page, photo: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page.bring(photo)
    assert page.js(_UNNAMED) == []
    body = page.find("body")
    reached = []
    page.js("document.activeElement.blur()")
    for _ in range(80):
        page.browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(page.js("const e = document.activeElement; return e.id || e.className || e.tagName"))
        if reached[-1] == "restore":
            break
    assert body is not None
    assert {"skip", "open", "viewport", "task", "option-sigma", "prior", "seconds", "restore"} <= set(reached)
    page.choose("#task", "inpaint")
    page.wait("document.querySelector('canvas.painting')")
    page.brush(60)
    page.js("document.querySelector('#viewport').focus()")
    keys = page.browser.switch_to.active_element
    keys.send_keys(" ")
    keys.send_keys(*[Keys.ARROW_RIGHT] * 4)
    keys.send_keys(" ")
    assert page.canvas()[30:34, 33:36].mean() > 200
    page.choose("#prior", "tv")
    page.find("#prior").send_keys(Keys.TAB)
    page.find("#seconds").send_keys(Keys.ENTER)
    page.state("done")
    slider = page.wait("document.querySelector('.divider')")
    slider.send_keys(Keys.HOME)
    assert slider.get_attribute("aria-valuenow") == "0"
    slider.send_keys(Keys.ARROW_RIGHT)
    assert slider.get_attribute("aria-valuenow") == "2"
    view = page.find("#viewport")
    view.send_keys("1")
    assert page.find("#percent").text == "100 %"
    view.send_keys("0")
    assert page.find("#fit").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380])
def test_text_can_be_read_and_fits(page: Page, photo: Path, scheme: str, width: int) -> None:
    page.open(width, scheme)
    assert page.js(LEAST_CONTRAST)[0] >= 4.5
    assert page.js("return document.documentElement.scrollWidth") <= width
    page.bring(photo)
    page.restore("tv")
    page.state("done")
    page.js("for (const one of document.querySelectorAll('details')) one.open = true")
    page.wait("document.querySelector('#setting-iterations')")
    assert page.js(LEAST_CONTRAST)[0] >= 4.5
    assert page.js("return document.documentElement.scrollWidth") <= width
    page.choose("#task", "inpaint")
    page.wait("document.querySelector('canvas.painting')")
    assert page.js("return document.documentElement.scrollWidth") <= width
    cut = """return [...document.querySelectorAll("button, label, .bar > *, #runs li")]
        .filter((e) => e.checkVisibility() && !e.closest("#runs, .unseen"))
        .filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80))"""
    assert page.js(cut) == []


def test_nothing_is_fetched_from_elsewhere(page: Page, photo: Path) -> None:
    page.browser.get_log("performance")
    page.open()
    page.bring(photo)
    page.restore("tv")
    page.state("done")
    messages = [json.loads(entry["message"])["message"] for entry in page.browser.get_log("performance")]
    asked = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    foreign = [
        url
        for url in asked
        if not url.startswith((f"http://127.0.0.1:{page.app.port}/", "data:", "blob:", "about:"))
    ]
    assert foreign == []
    assert len(asked) > 10
    assert page.app.token not in page.browser.current_url


def test_the_command_that_is_shown_can_be_copied_and_run(page: Page, photo: Path) -> None:
    page.bring(photo)
    page.type("#option-sigma", "20")
    page.type("#seed", "5")
    page.wait("document.querySelector('#text').textContent.endsWith('--seed 5')")
    assert shlex.split(page.find("#text").text) == [
        *("zeroshot", "denoise", "photo.png", "--sigma", "20", "--seed", "5"),
    ]


def test_a_page_that_is_left_behind_says_so(browser: Any, tmp_path: Path) -> None:
    app = App(tmp_path)
    page = Page(browser, app)
    page.open()
    assert app.close() == 0
    page.wait("document.querySelector('#banner').innerText.includes('was closed')")
