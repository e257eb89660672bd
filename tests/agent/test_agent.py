"""The agent as a process against the real server over TLS: connected, cut off, killed, refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Callable

import pytest

from edgeface.door.rules_site import read_site_rules
from edgeface.gallery import Gallery
from tests.agent.doors import DoorFolder, faces
from tests.door.doors import eventually
from tests.door.proxy import Proxy

BY = "user:test"


@pytest.fixture
def door_at(served, tmp_path) -> Iterator[Callable[..., DoorFolder]]:
    """Add a door to the served site, in a folder of its own; its agent is ended at the end."""
    with ExitStack() as opened:

        def make(name: str, *groups: str, url: str = "", **more) -> DoorFolder:
            token = served.site.doors.add(name, groups=groups, by=BY)
            opened.callback(served.site.doors.remove, name, by=BY)
            door = DoorFolder(
                tmp_path / name,
                name=name,
                token=token,
                url=url or served.url,
                ca_file=served.folder / "ca.pem",
                model_id=served.site.people.model_id,
                **more,
            )
            opened.callback(door.kill)
            return door

        yield make


def enrol(served, name: str, *groups: str):
    seed = sum(name.encode())
    return served.site.people.enrol(name, faces(2, seed=seed), by=BY, changes={"groups": groups})


def names(gallery: Gallery) -> list[str]:
    return [person.name for person in gallery.people()]


def test_once_brings_the_people_and_the_rules_and_the_site_sees_the_door(served, door_at):
    served.site.rules.put_group("once", {"schedule": "always"}, by=BY)
    enrol(served, "Once", "once")
    door = door_at("once", "once")
    done = door.run("--once")
    assert done.stdout == "once: in step with the site, 1 people\n", done.stderr
    with door.gallery() as gallery:
        assert names(gallery) == ["Once"]
    assert read_site_rules(door.rules).tables["groups"]["once"] == {"schedule": "always"}
    status = served.site.doors.get("once").status
    assert status["people"] == 1 and status["rules"] == read_site_rules(door.rules).version
    assert abs(status["clock_offset_s"]) < 5 and status["faults"] == {}


def test_check_asks_and_changes_nothing(served, door_at):
    enrol(served, "Check", "check")
    door = door_at("check", "check")
    done = door.run("--check")
    assert done.stdout == "check: the site answers: 1 people for this door\n"
    with door.gallery() as gallery:
        assert names(gallery) == []


def test_door_of_another_name_than_its_token_is_told_so(served, door_at):
    door = door_at("token", "token")
    file = door.folder / "door.toml"
    file.write_text(file.read_text().replace('name = "token"', 'name = "other"'))
    done = door.run("--check")
    assert done.returncode == 1 and 'set name = "token" in door.toml' in done.stderr


def test_connected_door_loses_somebody_blocked_or_erased_in_under_two_seconds(served, door_at):
    people = [enrol(served, f"Quick {number}", "quick") for number in range(6)]
    door = door_at("quick", "quick")
    door.start()
    took = []
    with door.gallery() as gallery:
        assert eventually(lambda: len(names(gallery)) == 6, within_s=20)
        for number, person in enumerate(people):
            if number % 2:
                served.site.people.erase(person.uid, by=BY)
            else:
                served.site.people.change(person.uid, {"blocked": True}, by=BY)
            began = time.monotonic()
            assert eventually(lambda: _is_out(gallery, person.name), within_s=5)  # noqa: B023
            took.append(time.monotonic() - began)
    print(f"\nrevoked at the door after {sorted(round(s, 3) for s in took)} s")  # noqa: T201
    assert max(took) < 2.0
    assert door.stop() == 0


def _is_out(gallery: Gallery, name: str) -> bool:
    return all(person.blocked for person in gallery.people() if person.name == name)


def test_enrolment_at_the_door_is_at_the_site_while_the_agent_waits(served, door_at):
    door = door_at("local", "staff")
    door.start()
    with door.gallery() as gallery:
        assert eventually(lambda: gallery.holding().site.cursor, within_s=20)
        gallery.enroll("Local Person", faces(1, seed=1), groups=("staff",))
        assert eventually(lambda: served.site.people.by_name("Local Person"), within_s=5)
        assert eventually(lambda: gallery.people()[0].site_version, within_s=5)


def test_door_of_another_model_sends_nobody(served, door_at, monkeypatch):
    door = door_at("other_model", "staff")
    monkeypatch.setattr(served.site.people, "model_id", "another")
    with door.gallery() as gallery:
        gallery.enroll("Other Model", faces(1, seed=9), groups=("staff",))
    door.start()

    def told() -> bool:
        faults = (served.site.doors.get("other_model").status or {}).get("faults", {})
        return "give the door the site's bundle" in faults.get("changes", "")

    assert eventually(told, within_s=20)
    time.sleep(1.5)
    assert served.site.people.by_name("Other Model") is None


def test_network_that_fails_and_comes_back_loses_nothing(served, door_at):
    with Proxy(served.port) as proxy:
        door = door_at("cut", "cut", url=f"https://localhost:{proxy.port}")
        door.start()
        enrol(served, "Before", "cut")
        with door.gallery() as gallery:
            assert eventually(lambda: names(gallery) == ["Before"], within_s=20)
            proxy.cut()
            enrol(served, "Meanwhile", "cut")
            gallery.describe("Before", blocked=True)
            time.sleep(1.5)
            assert names(gallery) == ["Before"]
            proxy.mend()
            assert eventually(lambda: len(names(gallery)) == 2, within_s=40)
            assert eventually(lambda: served.site.people.by_name("Before").blocked, within_s=10)


def test_settings_of_the_door_that_change_are_followed(served, door_at):
    served.site.rules.put_group("moved", {"schedule": "always"}, by=BY)
    door = door_at("moved", "moved")
    door.start()
    assert eventually(door.rules.exists, within_s=20)
    text = (door.folder / "door.toml").read_text()
    (door.folder / "door.toml").write_text(text.replace("site-rules.json", "elsewhere.json"))
    assert eventually((door.folder / "elsewhere.json").exists, within_s=20)


def test_door_whose_token_is_void_waits_and_says_so(served, door_at):
    door = door_at("void", "staff")
    (door.folder / "token").write_text("efdoor_nobody\n")
    done = door.run("--once")
    assert done.returncode == 1 and "401" in done.stderr
    door.start()
    time.sleep(1.5)
    assert door.process.poll() is None
    token = served.site.doors.renew_token("void", by=BY)
    (door.folder / "token").write_text(token + "\n")
    with door.gallery() as gallery:
        assert eventually(lambda: gallery.holding().site.cursor, within_s=20)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("unknown = 1", "unknown"),
        ('local_enrolment = "yes"', "local_enrolment"),
        ('token_file = "missing"', "missing"),
        ('site = "http://elsewhere.example"', "not encrypted"),
        ('ca_file = "door.toml"', "ca_file"),
        ('door_config = "nowhere.toml"', "nowhere.toml"),
    ],
)
def test_wrong_settings_end_it_with_what_is_wrong(served, tmp_path, line, says):
    door = DoorFolder(
        tmp_path / "wrong", name="wrong", token="t", url=served.url,
        ca_file=served.folder / "ca.pem", model_id=served.site.people.model_id,
    )  # fmt: skip
    key = line.partition(" ")[0]
    kept = [x for x in door.agent_toml.read_text().splitlines() if not x.startswith(f"{key} ")]
    door.agent_toml.write_text("\n".join([line, *kept]))
    done = door.run()
    assert done.returncode == 1 and says in done.stderr, done.stderr


def test_token_that_others_may_read_is_refused(served, tmp_path):
    door = DoorFolder(
        tmp_path / "open", name="open", token="t", url=served.url,
        ca_file=served.folder / "ca.pem", model_id=served.site.people.model_id,
    )  # fmt: skip
    (door.folder / "token").chmod(0o644)
    done = door.run()
    assert done.returncode == 1 and "0644" in done.stderr
