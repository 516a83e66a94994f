"""A headless Chromium for tests; they are skipped with a message where there is none."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def require() -> tuple[str, str]:
    """Paths of Chromium and its driver; skips where one is missing."""
    pytest.importorskip("selenium", reason="selenium is not installed; pip install '.[dev]'")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium with a driver; apt-get install chromium chromium-driver")
    return chromium, driver


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile in a folder."""
    chromium, driver = require()
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver, env={**os.environ, "SE_OFFLINE": "true"})
    running = webdriver.Chrome(options=options, service=service)
    try:
        yield Browser(running)
    finally:
        running.quit()


class Browser:
    """What the tests do with a page."""

    def __init__(self, running: Any) -> None:
        self._running = running

    def open(self, path: Path | str, width: int = 1280, dark: bool = False, media: str = "") -> None:
        """Open a file or an address at a width in pixels, under a colour scheme and medium."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._running.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self._running.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})
        self._running.get(path if isinstance(path, str) else path.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """The value that a script returns."""
        return self._running.execute_script(script, *arguments)

    def wait(self, true: Callable[[Browser], bool], seconds: float = 60) -> None:
        """Wait until something is true of the page."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self._running, seconds, 0.1).until(lambda _: true(self))

    def words(self, identity: str) -> str:
        """The text of an element."""
        return str(self.run("return document.getElementById(arguments[0]).textContent", identity))

    def click(self, identity: str) -> None:
        """Click an element as a user does."""
        self._running.find_element("id", identity).click()

    def press(self, identity: str, key: str) -> None:
        """Press a key while an element has the focus."""
        from selenium.webdriver.common.keys import Keys

        self._running.find_element("id", identity).send_keys(getattr(Keys, key))

    def complaints(self) -> list[str]:
        """What the console said since it was asked last."""
        return [entry["message"] for entry in self._running.get_log("browser")]

    def screenshot(self) -> bytes:
        """The whole page as PNG."""
        shot = self._running.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        return base64.b64decode(shot["data"])

    def rows(self) -> list[list[str]]:
        """The cells of the table of steps, as far as it is on the page."""
        found: list[list[str]] = self.run(
            "return [...document.querySelectorAll('#rows tr')].map(r => [...r.cells].map(c => c.textContent))"
        )
        return found
