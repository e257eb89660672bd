"""Logging in: cookies, CSRF, origins, fixation, limits, and what an answer never tells."""

from __future__ import annotations

from tests.console.serving import PASSWORD, Served


def test_login_gives_a_cookie_that_scripts_and_other_sites_never_see(served: Served):
    client = served.client()
    answer = client.post("/session", json=served.login("operator"))
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-edgeface=")
    for part in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie
    found = client.get("/session").json()
    assert (found["user"], found["role"], found["csrf"]) == (
        "operator",
        "operator",
        answer.json()["csrf"],
    )


def test_wrong_password_code_and_user_have_one_answer(served: Served):
    right = served.login("auditor")
    answers = [
        served.client().post("/session", json={**right, **wrong})
        for wrong in ({"password": "wrong horse battery"}, {"code": "000000"}, {"name": "nobody"})
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert PASSWORD not in answers[0].text
