"""The console in a real browser: a day of somebody who looks after a site."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path

import cv2
import httpx
import numpy as np
import pyotp
import pytest

from edgeface.door.audit_entry import decode
from edgeface.door.event import Moment
from edgeface.site.wire import LOOK_HEADER
from tests.console.browser import NARROW, WIDE, Browser
from tests.console.serving import PASSWORD, Served
from tests.door.audit_logs import KEY, lines, open_log, opening

NAME = "Eileen Collins"


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory, astronaut_bgr: np.ndarray) -> list[Path]:
    """Three good photos of one person, and one that is too dark."""
    folder = tmp_path_factory.mktemp("shots")
    pictures = {
        "straight.png": astronaut_bgr,
        "mirrored.png": astronaut_bgr[:, ::-1],
        "brighter.png": cv2.convertScaleAbs(astronaut_bgr, alpha=1.1),
        "dark.png": cv2.convertScaleAbs(astronaut_bgr, alpha=0.15),
    }
    for name, picture in pictures.items():
        assert cv2.imwrite(str(folder / name), picture)
    return [folder / name for name in pictures]


def enrol(browser: Browser, shots: list[Path]) -> str:
    """Enrol somebody by hand; return their uid."""
    browser.open("/enrol")
    browser.click("Enrol")
    browser.wait_for("Write the person’s name.")
    browser.fill(Name=NAME, Consent_given_on="2026-11-01")
    browser.click("guests")
    browser.field("Choose photos").send_keys("\n".join(str(shot) for shot in shots))
    browser.wait_for("3 good photos: that is enough.")
    browser.wait_for("Turn towards the light.")  # the dark one; it is not sent
    assert "Write the person’s name." not in browser.text()
    browser.click("Enrol")
    browser.wait_for(f"{NAME} is enrolled.")
    browser.click("Open their page")
    browser.wait_for("Photos measured")
    browser.settle()
    assert browser.field("Consent given on").get_attribute("value") == "2026-11-01"
    return browser.driver.current_url.rpartition("/")[2]


def enrol_again(browser: Browser, served: Served, shot: Path) -> None:
    """The same face under another name is asked about, and enrolled only if somebody says so."""
    browser.open("/enrol")
    browser.fill(Name="Mae Jemison", Consent_given_on="2026-11-01")
    browser.field("Choose photos").send_keys(str(shot))
    browser.wait_for("1 of 3 good photos.")
    browser.click("Enrol")
    browser.wait_for(f"This looks like {NAME}")
    browser.click("Cancel")
    browser.settle()
    assert served.site.people.by_name("Mae Jemison") is None


def make_schedule(browser: Browser) -> None:
    browser.open("/schedules")
    browser.click("New schedule")
    browser.fill(Name="office")
    browser.click("Save")
    browser.wait_for("Monday to Friday, 08:00 to 18:00; closed on holidays.")
    browser.click("New group")
    browser.fill(Name="guests", Schedule="office")
    browser.click("Save")
    browser.wait_for("for guests")


def change_schedule(browser: Browser, served: Served) -> None:
    browser.open("/schedules")
    browser.click("Change office")
    browser.click("Saturday")
    browser.write("From", "06:30")
    browser.click("Save")
    browser.wait_for("Monday to Saturday, 06:30 to 18:00; closed on holidays.")
    changed = served.site.rules.schedules()["office"]
    assert (changed["days"][-1], changed["times"]) == ("sat", ["06:30-18:00"])


def watch_event(browser: Browser, served: Served, folder: Path, *, uid: str) -> None:
    """A door lets somebody in, and its log's lines arrive at the site."""
    browser.open("/events")
    browser.wait_for("Live")
    moment = Moment(1.0, datetime.now(timezone.utc))
    with open_log(folder, door="lobby", now=lambda: moment) as log:
        log.write(opening(NAME, at=moment))
    of = decode(lines(folder)[0].rstrip(b"\n"))["log"]
    for line in lines(folder):
        people = {KEY.pseudonym(NAME): uid}
        assert served.site.events.receive("lobby", line.rstrip(b"\n"), people, log=of)
    browser.wait_for(f"{NAME} came in")


def watch_live(browser: Browser, door: httpx.Client) -> None:
    """An operator asks, the door sends, the picture is shown with its box."""
    browser.open("/doors/lobby")
    browser.write("Why", "A visitor cannot get in")
    browser.click("Show the live picture")
    browser.wait_for("Waiting for the door’s camera")
    _, jpeg = cv2.imencode(".jpg", np.full((240, 320, 3), 40, np.uint8))
    look = {"faces": [{"box": [100, 60, 80, 100], "text": "recognised", "state": "good"}]}
    headers = {LOOK_HEADER: json.dumps(look)}
    assert door.post("/door/live", content=jpeg.tobytes(), headers=headers).status_code == 204
    browser.wait(lambda: browser.pixel(20, 20)[0] == 40, "the picture")
    red, green, _ = browser.pixel(100, 120)
    assert green > 150 > red  # the box's side
    browser.click("Stop watching")
    browser.wait_for("Nobody sees this door’s picture.")


def calibrate(browser: Browser, served: Served) -> None:
    """The threshold is made stricter, by what this site's own people say."""
    browser.open("/calibration")
    browser.wait_for("a stranger matches somebody")
    for _ in range(5):
        browser.field("Least likeness for a match").send_keys("\ue014")  # the right arrow key
    shown = re.search(r"false_accept_target = (\S+)", browser.text())
    browser.click("Apply to all doors")
    browser.wait_for("Applied.")
    setting = served.site.rules.decision()["false_accept_target"]
    assert shown and setting == float(shown[1]) < 0.001


def revoke(browser: Browser, served: Served, *, uid: str) -> None:
    browser.open(f"/people/{uid}")
    browser.wait_for(f"{NAME} came in")
    browser.click("Block at once")
    browser.wait_for("Blocked")
    assert served.site.people.get(uid).blocked


def test_a_day_at_the_console(
    browser: Browser, furnished: Served, shots: list[Path], tmp_path: Path
) -> None:
    served = furnished
    browser.log_in(served.login("owner"))
    door = served.door("lobby", "guests")
    make_schedule(browser)
    uid = enrol(browser, shots)
    enrol_again(browser, served, shots[0])
    watch_event(browser, served, tmp_path / "log", uid=uid)
    watch_live(browser, door)
    change_schedule(browser, served)
    calibrate(browser, served)
    revoke(browser, served, uid=uid)
    browser.open("/audit")
    browser.wait_for("The trail is whole")
    acts = ("Logged in", "Schedule set", "Person enrolled", "Live picture asked for")
    for act in (*acts, "Decision settings set", "Person changed"):
        browser.wait_for(act)
    assert [said for said in browser.complaints() if "409" not in said] == []  # who looks alike
    asked = browser.requests()
    assert asked and all(url.startswith((served.url, "data:", "blob:")) for url in asked)


def test_new_user_is_shown_a_code_to_scan(browser: Browser, furnished: Served) -> None:
    browser.log_in(furnished.login("owner"))
    browser.open("/users")
    browser.click("Add a user")
    browser.fill(Name="ben", First_password=PASSWORD)
    browser.click("Add")
    browser.wait_for("The authenticator of ben")
    image = browser.driver.find_element("css selector", ".qr img")
    browser.wait(lambda: image.get_property("naturalWidth"), "the picture")
    picture = cv2.imdecode(np.frombuffer(image.screenshot_as_png, np.uint8), cv2.IMREAD_COLOR)
    scanned, _, _ = cv2.QRCodeDetector().detectAndDecode(picture)
    assert scanned == browser.field("The authenticator’s address").get_property("value")
    assert pyotp.parse_uri(scanned).name == "ben@site"
    assert [user.role for user in furnished.site.users.all() if user.name == "ben"] == ["operator"]
    assert browser.complaints() == []


def test_anybody_sets_their_own_password_and_is_logged_out(
    browser: Browser, furnished: Served
) -> None:
    furnished.add_user("carl", "auditor")
    browser.resize(WIDE)
    browser.log_in(furnished.login("carl"))
    browser.driver.find_element("id", "password").click()
    new, code = "another horse battery", furnished.login("carl")["code"]
    browser.fill(Password_as_it_is="a wrong horse", New_password=new, New_password_again=f"{new}!")
    browser.write("Code of your authenticator app", code)
    browser.click("Change it")
    assert not browser.field("New password again").get_property("validity")["valid"]
    browser.write("New password again", new)
    browser.click("Change it")
    browser.wait_for("Name, password or code is wrong")
    assert browser.problems() == []
    browser.write("Password as it is", PASSWORD)
    browser.click("Change it")
    browser.wait(lambda: browser.driver.current_url.endswith("/login"), "the login")
    browser.log_in({**furnished.login("carl"), "password": new})
    furnished.site.users.remove("carl")
    browser.complaints()  # the browser notes the refusal


def test_photos_come_from_the_camera_of_this_device_too(
    browser: Browser, furnished: Served
) -> None:
    browser.log_in(furnished.login("operator"))
    browser.open("/enrol")
    browser.click("Use the camera")
    browser.wait_for("Take a photo")
    playing = "return document.querySelector('video').videoWidth > 0"
    browser.wait(lambda: browser.driver.execute_script(playing), "the camera")
    browser.click("Take a photo")  # of Chromium's own test picture
    browser.wait_for("No face")
    browser.click("Close the camera")
    assert browser.complaints() == []


def test_link_from_elsewhere_leads_nowhere_else_after_login(
    browser: Browser, furnished: Served
) -> None:
    for to in ("https%3A%2F%2Fexample.org%2F", "%2F%2Fexample.org%2F"):
        browser.log_in(furnished.login("owner"), at=f"/login?to={to}")  # waits for the first page


def test_name_is_a_text_whatever_it_holds(browser: Browser, furnished: Served) -> None:
    name = "<img src=x onerror=document.title='taken'>"
    people = furnished.site.people
    own = people.enrol(name, np.eye(1, people.dim, dtype=np.float32), by="user:owner")
    browser.log_in(furnished.login("operator"))
    for page in ("/people", f"/people/{own.uid}"):
        browser.open(page)
        browser.wait_for(name)
        assert "taken" not in browser.driver.title.replace(name, "")
        assert browser.driver.find_elements("css selector", "main img") == []
    people.erase(own.uid, by="user:owner")
    assert browser.complaints() == []


def test_page_asks_for_a_login_when_the_session_is_over(
    browser: Browser, furnished: Served
) -> None:
    browser.log_in(furnished.login("operator"))
    browser.open("/schedules")
    with furnished.site.database.transaction() as connection:
        connection.execute("UPDATE site_session SET seen_at = now() - interval '16 minutes'")
    browser.click("New group")
    browser.fill(Name="late")
    browser.click("Save")
    browser.wait(lambda: "/login?to=%2Fschedules" in browser.driver.current_url, "the login")
    assert "late" not in furnished.site.rules.groups()
    browser.complaints()  # the browser notes the refusal


def test_keyboard_alone_leads_to_the_page_and_through_the_menu(
    browser: Browser, furnished: Served
) -> None:
    browser.log_in(furnished.login("operator"))
    browser.open("/people")
    browser.press("\ue004\ue007")  # Tab, Enter
    assert browser.focused() == "page"
    browser.resize(NARROW)
    browser.driver.find_element("id", "menu").send_keys("\ue007")
    browser.wait_for("Log out")
    browser.press("\ue00c")  # Escape
    assert browser.focused() == "menu" and "Log out" not in browser.text()
    browser.resize(WIDE)


def test_browser_asks_for_a_file_once_and_then_whether_it_changed(furnished: Served) -> None:
    with furnished.client() as client:
        first = client.get(f"{furnished.url}/static/console.css")
        tag = {"If-None-Match": first.headers["etag"]}
        again = client.get(f"{furnished.url}/static/console.css", headers=tag)
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert first.headers["content-type"].startswith("text/css")
