"""Logging in: cookies, CSRF, origins, fixation, limits, and what an answer never tells."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from edgeface.console.security import UNATTENDED_HEADER
from tests.console.serving import PASSWORD, Served


@pytest.fixture(autouse=True)
def _no_guesses(served: Served) -> Iterator[None]:
    """What one test guessed must not slow down the next."""
    yield
    with served.site.database.transaction() as connection:
        connection.execute("DELETE FROM site_guess")


def logged_in(served: Served, role: str = "operator") -> tuple[httpx.Client, str]:
    client = served.client()
    answer = client.post("/session", json=served.login(role))
    return client, answer.json()["csrf"]


def test_login_gives_a_cookie_that_scripts_and_other_sites_never_see(served: Served):
    client = served.client()
    answer = client.post("/session", json=served.login("operator"))
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-edgeface=")
    for part in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie
    found = client.get("/session").json()
    assert found == {"user": "operator", "role": "operator", "csrf": answer.json()["csrf"]}


def test_wrong_password_code_and_user_have_one_answer(served: Served):
    right = served.login("auditor")
    answers = [
        served.client().post("/session", json={**right, **wrong})
        for wrong in ({"password": "wrong horse battery"}, {"code": "000000"}, {"name": "nobody"})
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert PASSWORD not in answers[0].text


def test_refused_login_is_noted_without_what_was_typed(served: Served):
    served.client().post("/session", json={**served.login("owner"), "name": PASSWORD[:20]})
    newest = served.site.acts.find(limit=1)[0]
    assert (newest["act"], newest["by"]) == ("login refused", "nobody")
    assert PASSWORD[:20] not in str(newest)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, "origin"),
        ({"Origin": "own"}, "csrf"),
        ({"Origin": "own", "X-CSRF-Token": "0" * 64}, "csrf"),
        ({"Origin": "own", "X-CSRF-Token": "ü"}, "csrf"),
        ({"Origin": "https://evil.example", "X-CSRF-Token": "right"}, "origin"),
        ({"Origin": "null", "X-CSRF-Token": "right"}, "origin"),
        ({"X-CSRF-Token": "right"}, "origin"),
        ({"Origin": "own", "X-CSRF-Token": "another's"}, "csrf"),
    ],
)
def test_change_from_another_page_is_refused(served: Served, headers: dict, error: str):
    client, right = logged_in(served)
    values = {"own": served.url, "right": right, "another's": logged_in(served, "owner")[1]}
    sent = {name: values.get(value, value).encode("latin-1") for name, value in headers.items()}
    answer = client.delete("/session", headers=list(sent.items()))
    assert (answer.status_code, answer.json()["error"]) == (403, error)
    assert client.get("/session").status_code == 200, "the session still lives"
    assert client.delete("/session", headers=_own(served, right)).status_code == 204


def test_login_from_another_sites_page_is_refused(served: Served):
    answer = served.client(Origin="https://evil.example").post(
        "/session", json=served.login("operator")
    )
    assert (answer.status_code, answer.json()["error"]) == (403, "origin")


def test_session_that_somebody_fixed_beforehand_is_not_taken_over(served: Served):
    client = served.client()
    client.cookies.set("__Host-edgeface", "chosen-by-the-attacker", domain="localhost", path="/")
    client.post("/session", json=served.login("operator"))
    values = [cookie.value for cookie in client.cookies.jar if cookie.value]
    attacker = served.client()
    attacker.headers["Cookie"] = "__Host-edgeface=chosen-by-the-attacker"
    assert attacker.get("/session").status_code == 401
    assert any(len(value) > 40 for value in values)


def test_login_ends_the_session_before_it_in_the_same_browser(served: Served):
    client, _ = logged_in(served)
    old = client.cookies["__Host-edgeface"]
    client.post("/session", json=served.login("auditor"))
    again = served.client()
    again.headers["Cookie"] = f"__Host-edgeface={old}"
    assert again.get("/session").status_code == 401


def test_logged_out_cookie_is_void(served: Served):
    client, csrf = logged_in(served)
    cookie = client.cookies["__Host-edgeface"]
    client.delete("/session", headers=_own(served, csrf))
    again = served.client()
    again.headers["Cookie"] = f"__Host-edgeface={cookie}"
    assert again.get("/session").status_code == 401


def test_idle_session_ends(served: Served):
    client, _ = logged_in(served)
    with served.site.database.transaction() as connection:
        connection.execute("UPDATE site_session SET seen_at = now() - interval '16 minutes'")
    assert client.get("/session").status_code == 401


def test_role_that_is_taken_away_is_gone_at_once(served: Served):
    served.add_user("temporary", "owner")
    client, _ = logged_in(served, "temporary")
    assert client.get("/users").status_code == 200
    served.site.users.change("temporary", role="operator")
    assert client.get("/users").status_code == 401
    client, _ = logged_in(served, "temporary")
    assert client.get("/users").status_code == 403
    served.site.users.remove("temporary")
    assert client.get("/session").status_code == 401


def test_brute_force_over_the_network_gets_few_looks_and_is_told_to_wait(served: Served):
    right = served.login("operator")
    with served.client() as client:
        answers = [
            client.post("/session", json={**right, "password": f"wrong horse {number:07}"})
            for number in range(100)
        ]
        looked = [answer for answer in answers if answer.status_code == 401]
        assert len(looked) < 20
        waiting = next(answer for answer in answers if answer.status_code == 429)
        assert int(waiting.headers["retry-after"]) >= 1
        assert client.post("/session", json=right).status_code == 429, "even with the right one"


def test_nobody_takes_their_own_rights_away(served: Served, owner: httpx.Client):
    assert owner.patch("/users/owner", json={"role": "auditor"}).status_code == 409
    assert owner.patch("/users/owner", json={"enabled": False}).status_code == 409
    assert owner.delete("/users/owner").status_code == 409


def test_people_set_their_own_password_and_nothing_else_of_theirs(served: Served):
    served.add_user("frank", "auditor")
    client, csrf = logged_in(served, "frank")
    own, new = _own(served, csrf), "another horse battery"
    sent = {**served.login("frank"), "new": new}
    sent.pop("name")
    wrong = client.put("/session/password", json={**sent, "password": "wrong"}, headers=own)
    assert (wrong.status_code, wrong.json()["error"]) == (401, "wrong")
    assert client.put("/session/password", json=sent, headers=own).status_code == 204
    assert client.get("/session").status_code == 401, "everywhere logged out"
    again = served.client()
    assert again.post("/session", json=served.login("frank")).status_code == 401
    entered = again.post("/session", json={**served.login("frank"), "password": new})
    assert entered.status_code == 201
    served.site.users.remove("frank")


def test_stream_ends_with_the_session_or_the_token_that_began_it(served: Served):
    watching, csrf = logged_in(served, "auditor")
    token, text = served.site.tokens.add("watch", scopes=["events:read"], by="user:test")
    program = served.client(Authorization=f"Bearer {text}")
    one = watching.stream("GET", "/events/stream", timeout=30)
    two = program.stream("GET", "/events/stream", timeout=30)
    with one as first, two as second:
        served.site.tokens.remove(token.id)
        ended = served.client(Cookie=f"__Host-edgeface={watching.cookies['__Host-edgeface']}")
        assert ended.delete("/session", headers=_own(served, csrf)).status_code == 204
        start = time.monotonic()
        for stream in (first, second):
            for _ in stream.iter_raw():
                assert time.monotonic() - start < 20


def test_owner_adds_users_and_tokens_which_are_shown_once(served: Served, owner: httpx.Client):
    made = owner.post("/users", json={"name": "eve", "role": "auditor", "password": PASSWORD})
    assert made.json()["otpauth"].startswith("otpauth://totp/")
    assert [user["name"] for user in owner.get("/users").json()].count("eve") == 1
    assert owner.delete("/users/eve").status_code == 204
    token = owner.post("/tokens", json={"name": "lift", "scopes": ["events:read"]}).json()
    with served.client(Authorization=f"Bearer {token['token']}") as client:
        assert client.get("/events").status_code == 200
        assert client.get("/people").status_code == 403
        assert token["token"] not in owner.get("/tokens").text
        assert owner.delete(f"/tokens/{token['id']}").status_code == 204
        assert client.get("/events").status_code == 401


def _own(served: Served, csrf: str) -> dict[str, str]:
    return {"Origin": served.url, "X-CSRF-Token": csrf}


def test_page_that_is_left_open_keeps_no_session_alive(served: Served):
    client, _ = logged_in(served)

    def seen_minutes_ago() -> float:
        query = "SELECT extract(epoch FROM now() - max(seen_at)) / 60 FROM site_session"
        with served.site.database.transaction() as connection:
            return float(connection.execute(query).fetchone()[0])

    with served.site.database.transaction() as connection:
        connection.execute("UPDATE site_session SET seen_at = now() - interval '14 minutes'")
    assert client.get("/session", headers={UNATTENDED_HEADER: "1"}).status_code == 200
    assert seen_minutes_ago() > 13
    assert client.get("/session").status_code == 200
    assert seen_minutes_ago() < 1


@pytest.mark.parametrize("end", ["renew_token", "remove"])
def test_waiting_door_whose_token_is_void_learns_nothing_more(served: Served, owner, end):
    name = f"stolen-{end}"
    with served.door(name, "default") as stolen:
        held = stolen.get("/door/changes").json()
        void = threading.Timer(0.5, getattr(served.site.doors, end), (name,), {"by": "user:test"})
        void.start()
        start = time.monotonic()
        asked = {"epoch": held["epoch"], "after": held["through"], "wait": 20}
        answer = stolen.get("/door/changes", params=asked)
        assert answer.status_code == 401 and 0.4 < time.monotonic() - start < 5
        void.join()
    if end == "renew_token":
        owner.delete(f"/doors/{name}")
