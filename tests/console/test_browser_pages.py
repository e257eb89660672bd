"""Every page of the console in three sizes: nothing overflows, all can be read and has a name.

With EDGEFACE_CONSOLE_PICTURES a folder, pictures of every page go there: ``make console-pictures``.
"""

from __future__ import annotations

import os

from edgeface.console.routes_pages import PAGES
from tests.console.browser import NARROW, WIDE, Browser
from tests.console.furnish import PEOPLE
from tests.console.serving import Served

SMALLEST = (320, 640)
LOOKS = {"wide": (WIDE, "light"), "narrow": (NARROW, "dark"), "smallest": (SMALLEST, "light")}
PICTURES = "EDGEFACE_CONSOLE_PICTURES"
AUDITOR = ("/", "/doors/laboratory", "/events", "/health", "/privacy", "/audit")


def test_every_page_can_be_used_in_every_size(browser: Browser, furnished: Served) -> None:
    browser.log_in(furnished.login("owner"))
    uid = furnished.site.people.by_name("Grace Hopper").uid
    found = {}
    for address, shell in PAGES.items():
        browser.open(address.format(door="laboratory", uid=uid))
        for look, (size, scheme) in LOOKS.items():
            browser.resize(size)
            browser.prefer(scheme)
            name = f"{shell.partition('.')[0]}-{look}"
            browser.keep_picture(os.environ.get(PICTURES), f"{name}.png", size=size)
            found[name] = browser.problems()
    assert {name: problems for name, problems in found.items() if problems} == {}
    assert browser.complaints() == []


def test_auditor_sees_no_names_and_no_button_that_would_be_refused(
    browser: Browser, furnished: Served
) -> None:
    browser.resize(WIDE)
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
