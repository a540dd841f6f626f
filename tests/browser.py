"""A real browser without a screen, for tests of pages."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
          "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip
#: The lowest contrast of text that shows on the page, with the text.
LEAST_CONTRAST = """
const luminance = (c) => {
  const [r, g, b] = c.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const parsed = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
const paper = (element) => {
  let layers = [];
  for (let e = element; e; e = e.parentElement) {
    const colour = parsed(getComputedStyle(e).backgroundColor);
    layers.push(colour);
    if (colour[3] === 1) break;
  }
  return layers.reverse().reduce((below, c) => [0, 1, 2].map((i) => c[3] * c[i] + (1 - c[3]) * below[i]),
    [255, 255, 255]);
};
let least = [99, ""];
for (const element of document.querySelectorAll("body *")) {
  const text = [...element.childNodes].filter((n) => n.nodeType === 3 && n.data.trim()).map((n) => n.data).join("");
  if (!text || !element.checkVisibility() || element.closest(".unseen, .stage, script, option")) continue;
  const a = luminance(parsed(getComputedStyle(element).color).slice(0, 3)), b = luminance(paper(element));
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < least[0]) least = [contrast, element.className + ": " + text];
}
return least;
"""


@contextmanager
def started(*flags: str) -> Iterator[Any]:
    """A browser with a profile of its own; a test skips where there is none."""
    from selenium import webdriver

    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*_FLAGS, *flags, f"--user-data-dir={profile}", "--window-size=1280,1000"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            yield browser
        finally:
            browser.quit()


def shape(browser: Any, *, width: int, scheme: str) -> None:
    """Give the page a width, of a desk or of a phone, and a colour scheme."""
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    motion = {"name": "prefers-reduced-motion", "value": "reduce"}  # a click must not wait for scrolling
    features = [{"name": "prefers-color-scheme", "value": scheme}, motion]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it holds soon: events and painting take their time on a busy machine."""
    for _ in range(50):
        if condition():
            return True
        time.sleep(0.1)
    return False
