"""The Python client against a real site; the example of the documentation runs as it stands."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from edgeface.client import SiteClient
from edgeface.errors import (
    SiteConflictError,
    SiteError,
    SiteForbiddenError,
    SiteUnavailableError,
    UnknownEntryError,
)
from edgeface.site.events_arrival import Notice
from edgeface.site.token import SCOPES
from tests.console.serving import Served


@pytest.fixture(scope="module")
def site(served: Served) -> Iterator[SiteClient]:
    with client(served, *SCOPES) as found:
        yield found


def client(served: Served, *scopes: str, **settings: float) -> SiteClient:
    _, token = served.site.tokens.add(uuid4().hex, scopes=scopes, by="user:test")
    return SiteClient(served.url, token=token, ca_file=served.folder / "ca.pem", **settings)


def test_person_from_enrolment_to_receipt(site: SiteClient, photos: Path):
    request = uuid4().hex
    person = site.enrol("Eileen", [photos / "collins.png"], request_id=request, groups=["far"])
    again = site.enrol("Eileen", [photos / "collins.png"], request_id=request, groups=["far"])
    assert again == person and site.person(person["uid"]) == person
    assert list(site.people(text="eil", group="far")) == [person]
    with pytest.raises(SiteConflictError, match="Eileen"):
        site.enrol("Somebody", [(photos / "collins_mirrored.jpg").read_bytes()])
    changed = site.change(person["uid"], base=person["version"], blocked=True)
    assert changed["person"]["blocked"] and changed["conflicts"] == []
    assert "Eileen" in str(site.account(person["uid"]))
    assert site.erase(person["uid"])["complete"]
    with pytest.raises(UnknownEntryError):
        site.person(person["uid"])


def test_everybody_comes_over_many_pages(site: SiteClient, served: Served):
    rows = np.random.default_rng(7).normal(size=(210, 512)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for number, row in enumerate(rows):
        served.site.people.enrol(f"Page {number:03}", row[None], by="user:test")
    names = [person["name"] for person in site.people(text="page ")]
    assert names == [f"Page {number:03}" for number in range(210)]


def test_client_that_was_idle_is_answered(served: Served):
    with client(served, "doors:read") as idle:
        before = idle.doors()
        time.sleep(5.5)  # the server ends connections that were idle for 5 s
        assert idle.doors() == before


def test_rules_and_doors(site: SiteClient):
    site.put_schedule("late", {"days": ["mon"], "times": ["20:00-23:00"]})
    site.put_group("cleaners", {"schedule": "late"})
    assert site.schedules()["late"]["times"] == ["20:00-23:00"]
    assert site.groups()["cleaners"] == {"schedule": "late"}
    with pytest.raises(SiteError, match="times"):
        site.put_schedule("wrong", {"times": ["25:00-26:00"]})
    assert site.add_door("side", groups=["cleaners"]).startswith("ef")
    assert "side" in [door["name"] for door in site.doors()]
    site.remove_door("side")


def test_events_of_the_past_and_as_they_come(site: SiteClient, served: Served):
    for number in range(3):
        served.site.events.notice(Notice("far", "gap", f"past {number}", uuid4().hex))
    past = list(site.events(door="far"))
    assert [event["detail"] for event in past] == ["past 2", "past 1", "past 0"]
    new = Notice("far", "gap", "new", uuid4().hex)
    threading.Timer(0.5, served.site.events.notice, (new,)).start()
    assert next(site.follow(after=past[0]["id"]))["detail"] == "new"


def test_errors_say_what_the_site_says(served: Served, site: SiteClient):
    with (
        client(served, "events:read") as weak,
        pytest.raises(SiteForbiddenError, match="people:re"),
    ):
        list(weak.people())
    wrong = SiteClient(served.url, token="nothing", ca_file=served.folder / "ca.pem")
    with wrong, pytest.raises(SiteForbiddenError, match="token"):
        wrong.doors()
    with pytest.raises(SiteError, match="photo 1"):
        site.enrol("Nobody", [b"no picture"])


def test_server_that_is_not_there_or_not_trusted_is_unavailable(served: Served):
    stranger = SiteClient(served.url, token="x")  # without the site's authority
    with stranger, pytest.raises(SiteUnavailableError, match="certificate"):
        stranger.doors()
    start = time.monotonic()
    nobody = SiteClient("https://127.0.0.1:9", token="x", timeout_s=1)
    with nobody, pytest.raises(SiteUnavailableError):
        nobody.doors()
    assert time.monotonic() - start < 5
    for url in ("http://site", "https://user:word@site", "site"):
        with pytest.raises(ValueError, match="https"):
            SiteClient(url, token="x")


def test_example_runs(served: Served, repository: Path, photos: Path, tmp_path: Path):
    scopes = ["people:read", "people:write", "events:read"]
    _, token = served.site.tokens.add(uuid4().hex, scopes=scopes, by="user:test")
    (tmp_path / "token.txt").write_text(token + "\n")
    script = repository / "docs" / "examples" / "site_people.py"
    command = [sys.executable, str(script), served.url, str(served.folder / "ca.pem"), "token.txt"]
    done = subprocess.run(
        [*command, "Grace Hopper", str(photos / "hopper.jpg")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(repository), "PATH": "/usr/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert "Grace Hopper: 1 templates" in done.stdout
    enrolled = served.site.people.by_name("Grace Hopper")
    served.site.people.erase(enrolled.uid, by="user:test")  # other tests enrol the same face
