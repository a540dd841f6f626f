"""The report in a real browser: it asks nobody, and its slider, lists and tables do what they say."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser import LEAST_CONTRAST, eventually, shape, started
from zeroshot.compare.records import Table
from zeroshot.compare.report import write_report

pytest.importorskip("selenium.webdriver", reason="needs selenium")
pytestmark = pytest.mark.slow  # a browser takes seconds to start


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(comparison: tuple[Table, Path]) -> str:
    table, folder = comparison
    return write_report(table, folder).as_uri()


@pytest.fixture
def page(browser: Any, address: str) -> Any:
    """The report at the size of a desk, freshly opened."""
    shape(browser, width=1280, scheme="light")
    browser.get_log("performance")  # of what came before
    browser.get(address)
    return browser


def find(page: Any, selector: str) -> Any:
    return page.find_element("css selector", f"#image-1 {selector}")


def stage(page: Any) -> np.ndarray:
    """What the slider shows, H × W."""
    corner = """const r = arguments[0].getBoundingClientRect();
        return {x: r.left + scrollX, y: r.top + scrollY, width: r.width, height: r.height, scale: 1}"""
    clip = page.execute_script(corner, find(page, ".stage"))
    shot = page.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("L"), dtype=float)


def choose(page: Any, selector: str, value: str) -> None:
    from selenium.webdriver.support.select import Select

    Select(find(page, selector)).select_by_value(value)


def test_nothing_fails_and_nothing_is_fetched(page: Any, address: str) -> None:
    severe = [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert address in asked
    assert [url for url in asked if url != address and not url.startswith("data:")] == []
    broken = "return [...document.images].filter(i => i.src && !(i.complete && i.naturalWidth)).length"
    assert page.execute_script(broken) == 0


def test_the_slider_follows_the_arrow_keys(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    before, slide = stage(page), find(page, "input[type=range]")
    for _ in range(30):
        slide.send_keys(Keys.ARROW_RIGHT)
    assert slide.get_property("value") == "80"
    after = stage(page)
    width = before.shape[1]
    changed = np.abs(after - before).mean(axis=0) > 2
    assert changed[int(0.55 * width) : int(0.75 * width)].mean() > 0.9
    assert changed[int(0.85 * width) :].mean() < 0.1
    assert changed[: int(0.4 * width)].mean() < 0.1


def test_the_slider_follows_the_mouse(page: Any) -> None:
    from selenium.webdriver import ActionChains

    before, element = stage(page), find(page, ".stage")
    width = element.size["width"]
    pointer = ActionChains(page).move_to_element(element).click_and_hold()
    pointer.move_by_offset(-int(0.3 * width), 0).release().perform()
    assert eventually(lambda: abs(int(find(page, "input[type=range]").get_property("value")) - 20) <= 1)
    assert np.abs(stage(page) - before).mean(axis=0)[int(0.25 * width) : int(0.45 * width)].min() > 1
    ActionChains(page).move_to_element_with_offset(element, int(0.2 * width), 0).perform()
    assert abs(int(find(page, "input[type=range]").get_property("value")) - 20) <= 1  # the button is up


def test_lists_choose_the_pictures(page: Any, comparison: tuple[Table, Path]) -> None:
    table, _ = comparison
    of_first = {
        cell.method: cell.metrics["psnr"]
        for cell in table.cells
        if cell.image == table.images[0] and cell.file
    }
    best, worst = (pick(of_first, key=of_first.__getitem__) for pick in (max, min))

    def shown(side: str) -> str:
        return find(page, f".stage img.{side}").get_attribute("alt")

    assert shown("over").startswith("damaged")
    assert shown("under").startswith(best)
    before = stage(page)
    choose(page, "select.left", "0")
    assert shown("over").startswith("truth")
    width = before.shape[1]
    assert np.abs(stage(page) - before)[:, : int(0.4 * width)].mean() > 2
    choose(
        page, "select.right", find(page, f'select.right option[data-label="{worst}"]').get_attribute("value")
    )
    assert shown("under").startswith(worst)
    find(page, ".swap").click()
    assert shown("over").startswith(worst)
    assert shown("under").startswith("truth")


def test_details_are_enlarged_pixel_by_pixel(page: Any) -> None:
    choose(page, "select.view", "1")
    image = find(page, ".stage img.under")
    assert image.value_of_css_property("image-rendering") == "pixelated"
    side = image.get_property("naturalWidth")
    assert image.size["width"] >= 4 * side
    assert image.size["width"] % side == 0
    assert not find(page, ".boxes").is_displayed()


def test_headings_sort_the_table(page: Any) -> None:
    def column(number: int) -> list[str]:
        script = "return [...document.querySelector('#summary tbody').rows].map(r => r.cells[arguments[0]].innerText)"
        return page.execute_script(script, number)

    heading = page.find_elements("css selector", "#summary th[scope=col]")[1]
    heading.find_element("css selector", "button").click()
    numbers = [float(text.rstrip("★ \nbest")) for text in column(1) if text[0].isdigit()]
    assert numbers == sorted(numbers, reverse=True)
    assert heading.get_attribute("aria-sort") == "descending"
    assert all(text.startswith("no mean") for text in column(1)[len(numbers) :])
    heading.find_element("css selector", "button").click()
    assert column(1)[0].startswith(f"{numbers[-1]:.2f}")
    page.find_element("css selector", "#summary th[scope=col] button").click()
    assert column(0) == sorted(column(0))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(page: Any, scheme: str) -> None:
    shape(page, width=1280, scheme=scheme)
    contrast, text = page.execute_script(LEAST_CONTRAST)
    assert contrast >= 4.5, text


def test_a_telephone_shows_all_of_it(page: Any) -> None:
    shape(page, width=360, scheme="light")
    wide = "return document.documentElement.scrollWidth"
    assert eventually(lambda: page.execute_script(wide) <= 360)
    frame = find(page, ".stage").rect
    assert frame["x"] >= 0
    assert frame["x"] + frame["width"] <= 360


def test_without_scripts_tables_and_pictures_are_there(page: Any, address: str) -> None:
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.get(address)
        assert not find(page, ".viewer").is_displayed()
        assert find(page, "table").is_displayed()
        assert find(page, "details.wholes img").is_displayed()
        assert find(page, ".details img").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
