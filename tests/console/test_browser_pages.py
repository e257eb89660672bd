"""Every page of the console, wide and narrow: nothing overflows, all can be read and has a name.

With EDGEFACE_CONSOLE_PICTURES a folder, pictures of every page go there: ``make console-pictures``.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeface.console.routes_pages import PAGES
from tests.console.browser import NARROW, WIDE, Browser, browse
from tests.console.furnish import PEOPLE
from tests.console.serving import Served

SMALLEST = (320, 640)
LOOKS = {"wide": (WIDE, "light"), "narrow": (NARROW, "dark"), "smallest": (SMALLEST, "light")}
PICTURES = "EDGEFACE_CONSOLE_PICTURES"
AUDITOR = ("/", "/doors/laboratory", "/events", "/health", "/privacy", "/audit")


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_can_be_used(furnished: Served, browser: Browser, look: str):
    uid = furnished.site.people.by_name("Grace Hopper").uid
    size, scheme = LOOKS[look]
    browser.resize(size)
    browser.prefer(scheme)
    found = {}
    for address, shell in PAGES.items():
        name = shell.partition(".")[0]
        browser.open(address.format(door="laboratory", uid=uid))
        browser.keep_picture(os.environ.get(PICTURES), f"{name}-{look}.png", size=size)
        found[name] = browser.problems()
    assert {name: problems for name, problems in found.items() if problems} == {}
    assert browser.complaints() == []


def test_an_auditor_sees_no_names_and_no_button_that_would_be_refused(
    furnished: Served, tmp_path: Path
) -> None:
    with browse(furnished.url, folder=tmp_path) as browser:
        browser.log_in(furnished.login("auditor"))
        for address in AUDITOR:
            browser.open(address)
            text = browser.text()
            assert not [name for name in PEOPLE if name in text], address
            assert "Remove" not in text and "Save" not in text, address
            assert browser.problems() == [], address
        links = browser.driver.execute_script(
            "return [...document.querySelectorAll('nav a')].map((link) => link.pathname)"
        )
        assert links == ["/", "/events", "/health", "/privacy", "/audit"]
        assert browser.complaints() == []
