"""A real Chromium for tests of the console: what a person sees and does, by labels and texts."""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

WIDE, NARROW = (1280, 900), (390, 844)
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--lang=en-GB"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)
_HERE = "document.querySelector('dialog[open]') || document.querySelector('main')"
_PROBLEMS = Path(__file__).with_name("accessible.js")
_PATIENCE_S = 10.0
_TRIES = 5
_CUT_OFF = "net::ERR_NETWORK_CHANGED"
_TALLEST_PX = 4000


class Browser:
    """One window of Chromium on a site."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver, self.url = driver, url
        self._log: list[str] = []

    def resize(self, size: tuple[int, int]) -> None:
        """Have a window of so many CSS pixels."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, path: str) -> None:
        """Open a page and wait until nothing on it is being fetched."""
        for _ in range(_TRIES):
            self.driver.get(self.url + path)
            if not self._is_cut_off():
                break
        self.settle()

    def log_in(self, right: Mapping[str, str], *, at: str = "/login") -> None:
        """Log in by hand, with what `Served.login` gives; whoever was logged in is no more."""
        self.driver.delete_all_cookies()
        self.open(at)
        self.fill(Name=right["name"], Password=right["password"])
        self.write("Code of your authenticator app", right["code"])
        self.click("Log in")
        self.wait(lambda: self.driver.current_url == f"{self.url}/", "the first page")
        self.settle()

    def settle(self) -> None:
        """Wait until no part of the page says that it is busy."""
        busy = "return document.querySelector('[aria-busy]') === null"
        self.wait(lambda: self.driver.execute_script(busy), "the page to be filled")

    def wait(self, done: Callable[[], Any], what: str) -> Any:
        """Return what ``done`` does as soon as that is true."""
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            found = done()
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"waited in vain for {what}; the page says: {self.text()[:2000]}")

    def wait_for(self, text: str) -> None:
        """Wait until the page says something."""
        self.wait(lambda: text in self.text(), repr(text))

    def text(self) -> str:
        """What can be read on the page."""
        return self.driver.execute_script("return document.body.innerText")

    def field(self, label: str) -> WebElement:
        """The input of this name, in the open dialog where there is one."""
        found = self.driver.execute_script(
            f"const here = {_HERE};"
            "const said = (label) => label.innerText.trim() === arguments[0];"
            "const label = [...here.querySelectorAll('label, legend')].find(said);"
            "if (label) return label.control || label.parentElement.querySelector('input');"
            "return here.querySelector(`[aria-label='${arguments[0]}']`)",
            label,
        )
        assert found is not None, f"no field is labelled {label!r}: {self.text()[:1000]}"
        return found

    def fill(self, **values: str) -> None:
        """Write into fields by their label, "_" for a space; a date as 2026-01-31."""
        for label, value in values.items():
            self.write(label.replace("_", " "), value)

    def write(self, label: str, value: str) -> None:
        """Have a field hold a value, with the events that typing it gives."""
        self.driver.execute_script(
            "arguments[0].value = arguments[1];"
            "for (const name of ['input', 'change'])"
            "  arguments[0].dispatchEvent(new Event(name, {bubbles: true}))",
            self.field(label),
            value,
        )

    def click(self, text: str) -> None:
        """Press the button, link or choice that has this name, in the open dialog if any."""
        found = self.driver.execute_script(
            f"const here = {_HERE};"
            "const said = (node) => node.textContent.trim().replace(/\\s+/g, ' ');"
            "const named = (node) => said(node) === arguments[0];"
            "return [...here.querySelectorAll('button, a, label, summary')].find(named)",
            text,
        )
        assert found is not None, f"nothing to press is called {text!r}: {self.text()[:1000]}"
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
        found.click()

    def press(self, keys: str) -> None:
        """Press keys one after the other, whatever has the focus."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def focused(self) -> str:
        """The id of what has the focus."""
        return self.driver.switch_to.active_element.get_attribute("id")

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """The colour of a pixel of the page's first canvas: red, green, blue."""
        red, green, blue, _ = self.driver.execute_script(
            "const shown = document.querySelector('canvas'), {width, height} = shown;"
            "const copy = new OffscreenCanvas(width, height).getContext('2d');"
            "copy.drawImage(shown, 0, 0);"
            "return [...copy.getImageData(arguments[0], arguments[1], 1, 1).data]",
            x,
            y,
        )
        return red, green, blue

    def problems(self) -> list[str]:
        """What keeps people from using the page: missing names, poor contrast, overflow."""
        return self.driver.execute_script(_PROBLEMS.read_text(encoding="utf-8"))

    def complaints(self) -> list[str]:
        """What the browser's log holds since the last look."""
        self._is_cut_off()
        found, self._log = self._log, []
        return found

    def _is_cut_off(self) -> bool:
        """Whether another process of this machine made a network interface meanwhile.

        Chromium gives every request up then; none of its flags keeps it from that.
        """
        found = [entry["message"] for entry in self.driver.get_log("browser")]
        self._log += [message for message in found if _CUT_OFF not in message]
        return any(_CUT_OFF in message for message in found)

    def requests(self) -> list[str]:
        """Every address that was asked for since the last look."""
        messages = [json.loads(entry["message"]) for entry in self.driver.get_log("performance")]
        return [
            message["message"]["params"]["request"]["url"]
            for message in messages
            if message["message"]["method"] == "Network.requestWillBeSent"
        ]

    def prefer(self, scheme: str) -> None:
        """Have the system prefer "light" or "dark"."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def keep_picture(self, folder: str | None, name: str, *, size: Sequence[int]) -> None:
        """Write a picture of the whole page into a folder, where there is one."""
        if folder is None:
            return
        tall = self.driver.execute_script("return document.documentElement.scrollHeight")
        height = min(max(tall, size[1]), _TALLEST_PX)
        clip = {"x": 0, "y": 0, "width": size[0], "height": height, "scale": 1}
        found = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
        )
        (Path(folder) / name).write_bytes(base64.b64decode(found["data"]))


@contextmanager
def browse(url: str, *, folder: Path) -> Iterator[Browser]:
    """Open Chromium with a profile of its own in a folder."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install 'edgeface[test]'")
    options = webdriver.ChromeOptions()
    options.binary_location = _program("chromium")
    for flag in (*_FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("acceptInsecureCerts", True)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=_program("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        browser = Browser(driver, url)
        browser.resize(WIDE)
        driver.get("about:blank")
        browser.requests()  # of Chromium's own first page
        yield browser
    finally:
        driver.quit()


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing = f"{name} is missing: apt-get install chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found
