"""People over the API: enrolled from photos that stay nowhere, found, changed, erased."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from uuid import uuid4

import cv2
import httpx
import numpy as np
import pytest

from edgeface.site.people_erase import erase_row
from edgeface.site.people_row import find_row, writing
from tests.console.serving import Served


def jpeg(image: np.ndarray) -> bytes:
    done, data = cv2.imencode(".jpg", image)
    assert done
    return data.tobytes()


def enrol(client: httpx.Client, name: str, *photos: bytes, **fields: str) -> httpx.Response:
    files = [("photos", (f"{number}.jpg", photo)) for number, photo in enumerate(photos)]
    return client.post("/people", data={"name": name, **fields}, files=files)


def test_photos_enrol_somebody_and_the_same_request_twice_is_one(
    operator, served: Served, astronaut_bgr
):
    request, changes = uuid4().hex, {"groups": ["staff"], "consent_at": "2026-01-31"}
    photos = [jpeg(astronaut_bgr), jpeg(astronaut_bgr[:, ::-1])]
    sent = {"request_id": request, "changes": json.dumps(changes)}
    first = enrol(operator, "Eileen Collins", *photos, **sent)
    assert first.status_code == 201, first.text
    again = enrol(operator, "Eileen Collins", *photos, **sent)
    assert again.json() == first.json()
    found = first.json()
    assert (found["templates"], found["groups"]) == (2, ["staff"])
    assert found["consent_at"] == "2026-01-31T00:00:00Z"
    assert operator.get("/people", params={"text": "eileen"}).json()["people"] == [found]
    assert operator.get(f"/people/{found['uid']}").headers["etag"] == f'"{found["version"]}"'
    assert operator.delete(f"/people/{found['uid']}").status_code == 200


def test_check_says_what_each_photo_is_good_for_and_stores_nothing(
    operator, served: Served, astronaut_bgr, grace_hopper_bgr
):
    several = np.hstack([astronaut_bgr, grace_hopper_bgr[:512]])
    blurred = cv2.GaussianBlur(astronaut_bgr, (0, 0), 12)
    photos = (astronaut_bgr, several, blurred, np.full((300, 300, 3), 128, np.uint8))
    files = [("photos", (f"{n}.jpg", jpeg(photo))) for n, photo in enumerate(photos)]
    files.append(("photos", ("5.jpg", b"no picture")))
    before = len(served.site.people)
    good, two, bad, nobody, nothing = operator.post("/people/check", files=files).json()
    assert good["ok"] and good["reasons"] == [] and len(good["box"]) == 4
    assert two["reasons"] == ["several_faces"] and not two["ok"]
    assert bad["reasons"] and len(bad["advice"]) == len(bad["reasons"])
    assert nobody["reasons"] == ["no_face"] and nobody["box"] is None
    assert nothing["reasons"] == ["no_picture"]
    assert len(served.site.people) == before


def test_photo_that_must_not_be_enrolled_is_refused_with_advice(
    operator, astronaut_bgr, grace_hopper_bgr
):
    several = np.hstack([astronaut_bgr, grace_hopper_bgr[:512]])
    answer = enrol(operator, "Somebody", jpeg(astronaut_bgr), jpeg(several))
    assert answer.status_code == 422
    assert answer.json()["error"] == "quality" and "photo 2: several" in answer.json()["text"]
    assert operator.get("/people", params={"text": "Somebody"}).json()["people"] == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": ""}, "invalid"),
        ({"name": "a\x00b"}, "invalid"),
        ({"name": "Ada", "changes": '{"groups": null}'}, "invalid"),
        ({"name": "Ada", "changes": '{"role": "owner"}'}, "invalid"),
        ({"name": "Ada", "changes": '{"expires_at": "2026-02-31"}'}, "invalid"),
        ({"name": "Ada", "changes": "{"}, "invalid"),
        ({"name": "Ada", "request_id": "x"}, "invalid"),
    ],
)
def test_wrong_values_are_refused_and_named(operator, grace_hopper_bgr, fields, error):
    files = [("photos", ("0.jpg", jpeg(grace_hopper_bgr)))]
    answer = operator.post("/people", data=fields, files=files)
    assert (answer.status_code, answer.json()["error"]) == (422, error), answer.text


def test_huge_picture_is_refused_before_it_is_decoded(operator):
    done, data = cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))
    huge = bytearray(data.tobytes())
    huge[16:24] = (60_000).to_bytes(4, "big") * 2  # width and height of IHDR
    found = operator.post("/people/check", files=[("photos", ("0.png", bytes(huge)))]).json()
    assert done and found[0]["reasons"] == ["no_picture"] and "60000x60000" in found[0]["advice"][0]


def test_too_many_and_too_long_bodies_are_refused(operator, served: Served):
    files = [("photos", (f"{number}.jpg", b"x")) for number in range(11)]
    assert operator.post("/people/check", files=files).status_code == 400
    long = operator.put("/decision", content=b" " * 300_000)
    assert (long.status_code, long.json()["error"]) == (413, "too_long")

    def parts():
        for _ in range(40):
            yield b" " * 10_000

    assert operator.put("/decision", content=parts()).status_code == 413, "without a length"


def test_two_edits_meet_and_the_one_that_lets_fewer_in_holds(operator, astronaut_bgr):
    alone = {"changes": json.dumps({"groups": ["no_door_has_them"]})}
    person = enrol(operator, "Judith", jpeg(astronaut_bgr), **alone).json()
    address, base = f"/people/{person['uid']}", {"If-Match": f'"{person["version"]}"'}
    blocked = operator.patch(address, json={"blocked": True}, headers=base)
    assert blocked.json()["person"]["blocked"] and blocked.json()["conflicts"] == []
    renamed = operator.patch(address, json={"name": "Judith R.", "blocked": False}, headers=base)
    found = renamed.json()
    assert found["person"]["blocked"] and found["person"]["name"] == "Judith R."
    assert found["conflicts"] == ["blocked"]
    assert operator.delete(address, headers=base).status_code == 412
    receipt = operator.delete(address).json()
    assert receipt["complete"] and receipt["pending"] == []
    assert operator.get(address).status_code == 404
    assert operator.get("/receipts").json()[0] == receipt


def test_account_is_everything_held_of_a_person_and_noted(operator, served: Served, astronaut_bgr):
    person = enrol(operator, "Sally", jpeg(astronaut_bgr)).json()
    account = operator.get(f"/people/{person['uid']}/account").json()
    assert "Sally" in json.dumps(account)
    newest = served.site.acts.find(limit=1)[0]
    assert (newest["act"], newest["by"], newest["detail"]) == (
        "account given",
        "user:operator",
        person["uid"],
    )
    operator.delete(f"/people/{person['uid']}")


def test_no_photo_is_written_anywhere(operator, served: Served, astronaut_bgr, tmp_path):
    """Larger than what frameworks keep in memory: it would go to a temporary file."""
    large = cv2.resize(astronaut_bgr, None, fx=3, fy=3)
    done, data = cv2.imencode(".png", large)
    assert done and len(data) > 2 << 20
    opened = set()
    hook_on = [True]

    def hook(event: str, arguments: tuple) -> None:
        if (
            hook_on[0]
            and event == "open"
            and isinstance(arguments[0], str)
            and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        ):
            opened.add(arguments[0])

    sys.addaudithook(hook)
    answer = enrol(operator, "Kathryn", data.tobytes())
    hook_on[0] = False
    assert answer.status_code == 201, answer.text
    log = str(Path(served.folder, "acts"))
    assert {path for path in opened if not path.startswith(log)} == set()
    operator.delete(f"/people/{answer.json()['uid']}")


def test_program_with_a_token_enrols_and_nothing_else(served: Served, grace_hopper_bgr):
    with served.token("people:write") as client:
        person = enrol(client, "Grace Hopper", jpeg(grace_hopper_bgr))
        assert person.status_code == 201, person.text
        assert client.get("/people").status_code == 403
        uid = person.json()["uid"]
        more = client.post(
            f"/people/{uid}/photos",
            files=[("photos", ("1.jpg", jpeg(grace_hopper_bgr[:, ::-1])))],
        )
        assert more.json()["templates"] == 2
        assert client.delete(f"/people/{uid}").status_code == 200
    assert served.site.acts.find(limit=1)[0]["by"].startswith("token:test")


def test_who_is_erased_while_photos_are_looked_at_does_not_come_back(
    served: Served, operator, astronaut_bgr
):
    person = enrol(operator, "Eileen Collins", jpeg(astronaut_bgr)).json()
    address, photo = f"/people/{person['uid']}/photos", jpeg(astronaut_bgr[:, ::-1])
    answers: list[httpx.Response] = []
    files = [("photos", ("0.jpg", photo))]
    sending = threading.Thread(target=lambda: answers.append(operator.post(address, files=files)))
    with writing(served.site.database) as connection:
        sending.start()
        sending.join(1.5)  # looked at by then, and waiting for who writes
        erase_row(connection, find_row(connection, uid=person["uid"]), by="user:test")
    sending.join()
    assert answers[0].status_code == 404
    assert served.site.people.by_name("Eileen Collins") is None


def test_somebody_enrolled_under_another_name_is_told_and_confirmed(
    operator, astronaut_bgr, grace_hopper_bgr
):
    first = enrol(operator, "Anna", jpeg(astronaut_bgr)).json()
    mirrored = jpeg(astronaut_bgr[:, ::-1])
    second = enrol(operator, "Bertha", mirrored)
    assert (second.status_code, second.json()["error"]) == (409, "duplicate")
    assert "Anna" in second.json()["text"]
    assert enrol(operator, "Anna", mirrored).json()["templates"] == 2, "the same person's"
    other = enrol(operator, "Anna", jpeg(grace_hopper_bgr))
    assert (other.status_code, other.json()["error"]) == (409, "duplicate"), "another face"
    two = enrol(operator, "Clara", jpeg(grace_hopper_bgr), jpeg(astronaut_bgr))
    assert "different people" in two.json()["text"]
    confirmed = enrol(operator, "Bertha", mirrored, confirm="true")
    assert confirmed.status_code == 201
    for person in (first, confirmed.json()):
        assert operator.delete(f"/people/{person['uid']}").status_code == 200
