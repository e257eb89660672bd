"""What doors ask of the server: changes at once, edits once, live pictures while asked for."""

from __future__ import annotations

import json
import threading
import time
from uuid import uuid4

import httpx
import numpy as np
import pytest

from edgeface.door.audit import AuditKey
from edgeface.site import wire
from edgeface.site.events_arrival import Notice
from tests.console.serving import Served

STATUS = {
    "edgeface": "1.0",
    "bundle": "b 1",
    "model_id": "m",
    "config": "c",
    "rules": 1,
    "people": 3,
    "clock": "ntp",
    "faults": {},
}


FACE = {"box": [1, 2, 3, 4], "text": "recognised", "state": "good"}


def unit(seed: int) -> np.ndarray:
    row = np.random.default_rng(seed).normal(size=(1, 512)).astype(np.float32)
    return row / np.linalg.norm(row)


def cursor(answer: dict) -> dict[str, object]:
    return {"epoch": answer["epoch"], "after": answer["through"]}


def caught_up(door: httpx.Client) -> dict:
    """Ask until nothing is new; the last answer."""
    answer = door.get("/door/changes").json()
    while wire.checked(answer, wire.CHANGES, what="changes")["whole"] or answer["more"]:
        answer = door.get("/door/changes", params=cursor(answer)).json()
    return answer


@pytest.fixture(scope="module")
def door(served: Served):
    with served.door("front", "staff") as client:
        yield client


def test_door_gets_its_people_and_learns_of_a_revocation_at_once(served: Served, door):
    person = served.site.people.enrol("Mae", unit(1), by="user:t", changes={"groups": ["staff"]})
    first = door.get("/door/changes").json()
    assert first["whole"] and [entry["name"] for entry in first["people"]] == ["Mae"]
    held, spent = caught_up(door), []

    def wait() -> None:
        start = time.monotonic()
        answer = door.get("/door/changes", params={**cursor(held), "wait": 20}).json()
        spent.append((time.monotonic() - start, answer))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.7)
    revoked = time.monotonic()
    served.site.people.change(person.uid, {"blocked": True}, by="user:t")
    waiting.join()
    took = time.monotonic() - revoked
    answer = spent[0][1]
    assert answer["people"][0]["record"]["blocked"] and spent[0][0] > 0.6
    assert took < 2.0, f"{took:.2f} s from the commit to the door's answer"


def test_wait_that_is_over_answers_nothing_new(served: Served, door):
    start = time.monotonic()
    answer = door.get("/door/changes", params={**cursor(caught_up(door)), "wait": 1}).json()
    assert not (answer["whole"] or answer["people"] or answer["rules"])
    assert 0.9 < time.monotonic() - start < 5


def test_newer_request_of_the_same_door_ends_the_older_one(served: Served, door):
    held = caught_up(door)
    answers = []
    threads = [
        threading.Thread(
            target=lambda wait=wait: answers.append(
                door.get("/door/changes", params={**cursor(held), "wait": wait}).status_code
            )
        )
        for wait in (25, 1)
    ]
    start = time.monotonic()
    for thread in threads:
        thread.start()
        time.sleep(0.3)
    for thread in threads:
        thread.join()
    assert answers == [200, 200] and time.monotonic() - start < 8


def test_more_doors_that_wait_than_threads_leave_the_server_working(served: Served, owner):
    """Starlette has 40 for all requests."""
    doors = [served.door(f"many{number}", "nobody_yet") for number in range(60)]
    held = [caught_up(client) for client in doors]
    threads = [
        threading.Thread(
            target=client.get,
            args=("/door/changes",),
            kwargs={"params": {**cursor(answer), "wait": 4}},
        )
        for client, answer in zip(doors, held)
    ]
    for thread in threads:
        thread.start()
    start = time.monotonic()
    assert owner.get("/doors").status_code == 200
    assert time.monotonic() - start < 3
    for thread in threads:
        thread.join()
    for number, client in enumerate(doors):
        client.close()
        served.site.doors.remove(f"many{number}", by="user:t")


def test_edit_is_done_once_and_noted_and_a_collision_is_an_event(served: Served, door, owner):
    edit = {
        "edit_id": uuid4().hex,
        "kind": "enrol",
        "made_at": "2026-01-31T12:00:00Z",
        "name": "Guion",
        "changes": {"groups": ["staff"]},
        "templates": wire.encode_templates(unit(2)),
    }
    answers = [door.post("/door/edits", json=edit).json() for _ in range(2)]
    assert answers[0] == answers[1] and answers[0]["outcome"] == "applied"
    noted = owner.get("/acts").json()[0]
    assert (noted["act"], noted["by"]) == ("edit at a door", "door:front")
    uid, base = answers[0]["uid"], answers[0]["version"]
    served.site.people.change(uid, {"blocked": True}, by="user:t")
    unblock = {
        "edit_id": uuid4().hex,
        "kind": "change",
        "made_at": "2026-01-31T12:00:00Z",
        "uid": uid,
        "base": base,
        "changes": {"blocked": False},
    }
    assert door.post("/door/edits", json=unblock).json()["conflicts"] == ["blocked"]
    found = owner.get("/events", params={"kind": "collision"}).json()["events"]
    assert len(found) == 1 and "blocked" in found[0]["detail"] and found[0]["door"] == "front"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"kind":"open"}'])
def test_strange_message_is_refused_and_changes_nothing(door, body):
    for path in ("/door/edits", "/door/status"):
        assert door.post(path, content=body).status_code == 422


def test_status_is_what_the_doors_page_shows(door, owner):
    assert door.post("/door/status", json=STATUS).status_code == 204
    shown = {entry["name"]: entry for entry in owner.get("/doors").json()}["front"]
    assert shown["status"] == STATUS and shown["seen_at"]


def test_live_picture_flows_only_while_somebody_asked(served: Served, door, operator):
    jpeg = b"\xff\xd8\xff" + b"x" * 1000
    assert door.post("/door/live", content=jpeg).status_code == 403
    assert operator.get("/doors/front/live").status_code == 409
    wish = {"minutes": 1, "reason": "a delivery"}
    assert operator.post("/doors/front/live", json=wish).status_code == 200
    assert served.site.acts.find(limit=1)[0]["detail"] == "front, 1 min: a delivery"
    assert caught_up(door)["live_until"] is not None
    got = b""
    with operator.stream("GET", "/doors/front/live", timeout=5) as stream:
        assert stream.headers["content-type"].startswith("multipart/x-mixed-replace")
        for number, part in enumerate(_sending(door, stream, jpeg)):
            got += part
            if got.count(jpeg) == 2 or number > 50:
                break
    assert got.count(jpeg) == 2
    assert b'X-Edgeface-Look: {"faces": [{"box": [1, 2, 3, 4],' in got
    assert served.site.acts.find(limit=1)[0]["act"] == "live picture watched"
    operator.post("/doors/front/live", json={"minutes": 0, "reason": "done"})
    assert operator.post("/doors/front/live", json=wish).status_code == 200
    with pytest.raises(httpx.ReadTimeout):  # the picture from before is gone
        with operator.stream("GET", "/doors/front/live", timeout=1.5) as stream:
            next(stream.iter_raw())
    operator.post("/doors/front/live", json={"minutes": 0, "reason": "done"})
    assert door.post("/door/live", content=jpeg).status_code == 403, "it was taken back"
    assert operator.get("/doors/front/live").status_code == 409


def _sending(door: httpx.Client, stream: httpx.Response, jpeg: bytes):
    look = {wire.LOOK_HEADER: json.dumps({"faces": [FACE]})}
    assert door.post("/door/live", content=jpeg, headers=look).status_code == 204
    for part in stream.iter_raw():
        yield part
        assert door.post("/door/live", content=jpeg, headers=look).status_code == 204


def test_waiting_door_learns_at_once_that_its_picture_is_wanted(served: Served, door, operator):
    held = caught_up(door)
    wish = {"minutes": 1, "reason": "a look"}
    threading.Timer(0.5, operator.post, ("/doors/front/live",), {"json": wish}).start()
    start = time.monotonic()
    answer = door.get("/door/changes", params={**cursor(held), "wait": 20}).json()
    assert answer["live_until"] and time.monotonic() - start < 5
    operator.post("/doors/front/live", json={"minutes": 0, "reason": "done"})


def test_owner_decides_which_key_of_a_door_is_trusted(served: Served, door, owner):
    first, second = AuditKey.generate(), AuditKey.generate()
    for key in (first, second):
        served.site.events.introduce("front", key.public_pem)
    assert owner.put(f"/doors/front/keys/{second.id}", json={"trusted": True}).status_code == 204
    assert owner.put(f"/doors/front/keys/{first.id}", json={"trusted": False}).status_code == 204
    assert served.site.acts.find(limit=1)[0]["detail"] == f"front, key {first.id}: not trusted"
    keys = owner.get("/doors/front/keys").json()["keys"]
    assert [(key["id"], key["trusted"]) for key in keys] == [(first.id, False), (second.id, True)]
    assert owner.put("/doors/front/keys/" + "0" * 16, json={"trusted": True}).status_code == 404


def test_removed_door_is_nobody(served: Served, owner):
    made = owner.post("/doors", json={"name": "back", "groups": ["staff"]}).json()
    with served.client(Authorization=f"Bearer {made['token']}") as client:
        assert client.get("/door/changes").status_code == 200
        renewed = owner.post("/doors/back/token").json()["token"]
        assert client.get("/door/changes").status_code == 401
        client.headers["Authorization"] = f"Bearer {renewed}"
        assert client.get("/door/changes").status_code == 200
        assert owner.delete("/doors/back").status_code == 204
        assert client.get("/door/changes").status_code == 401


def test_events_come_as_they_happen_and_go_on_where_they_were_left(served: Served, operator):
    ids = []

    def follow(headers: dict[str, str], wanted: int) -> list[dict]:
        found = []
        with operator.stream("GET", "/events/stream", headers=headers, timeout=20) as stream:
            ids.append(None)
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    found.append(json.loads(line[5:]))
                if len(found) == wanted:
                    return found
        return found

    def happen() -> None:
        while not ids:
            time.sleep(0.05)
        time.sleep(0.3)
        for number in range(2):
            served.site.events.notice(Notice("front", "gap", f"event {number}", uuid4().hex))

    threading.Thread(target=happen).start()
    live = follow({}, 2)
    assert [event["detail"] for event in live] == ["event 0", "event 1"]
    again = follow({"Last-Event-ID": str(live[0]["id"])}, 1)
    assert again[0]["detail"] == "event 1"
