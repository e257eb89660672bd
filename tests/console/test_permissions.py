"""Who may do what: every route of the server, asked by everybody there is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from starlette.routing import Route

from edgeface.console.app import create_app
from edgeface.console.permissions import API, PERMISSIONS, Access
from edgeface.site.token import SCOPES
from edgeface.site.users import ROLES
from tests.console.serving import Served

NOBODY = "0" * 32
_FILLED = {"uid": NOBODY, "name": "nothing", "door": "nothing", "identity": "0" * 12}
_FILLED.update(number=0, key="0" * 16)
LOGS_OUT = ("DELETE", f"{API}/session")


def routes(served: Served) -> set[tuple[str, str]]:
    app = create_app(served.site)
    found = [route for route in app.routes if isinstance(route, Route)]
    assert len(found) == len(app.routes), "something else than a route answers"
    return {(method, route.path) for route in found for method in (route.methods or ()) - {"HEAD"}}


@pytest.fixture(scope="module")
def everybody(served: Served) -> Iterator[dict[str, httpx.Client]]:
    """Name -> somebody who asks."""
    clients = {role: served.user(role) for role in ROLES}
    clients.update({scope: served.token(scope) for scope in SCOPES})
    clients.update(nobody=served.client(), door=served.door("asking"))
    yield clients
    for client in clients.values():
        client.close()


def may(access: Access, who: str) -> bool:
    return (
        access.public or who in access.roles or who == access.scope or access.door and who == "door"
    )


def test_every_route_of_the_server_is_in_the_table_and_nothing_else(served: Served):
    assert routes(served) == set(PERMISSIONS)


@pytest.mark.parametrize(
    ("method", "path"), [key for key in sorted(PERMISSIONS) if key != LOGS_OUT]
)
def test_everybody_gets_what_the_table_says(
    served: Served, everybody: dict[str, httpx.Client], method: str, path: str
):
    access, found = PERMISSIONS[method, path], {}
    for who, client in everybody.items():
        # Nothing of the sort is there, or the body is none: who may is told that.
        address = served.url + path.format_map(_FILLED)
        body = {"json": []} if method in ("POST", "PUT", "PATCH") else {}
        with client.stream(method, address, **body) as answer:
            refused = answer.status_code in (401, 403)
            assert answer.status_code != 500
            error = json.loads(answer.read())["error"] if refused else ""
        found[who] = not refused or error == "wrong"
        assert not refused or who != "nobody" or answer.status_code == 401
    assert found == {who: may(access, who) for who in everybody}


def test_everybody_who_is_logged_in_may_log_out_and_nobody_else(served: Served):
    for role in ROLES:
        client = served.user(role)
        assert client.delete("/session").status_code == 204
        assert client.get("/session").status_code == 401
    assert served.client().delete("/session").status_code == 401
    assert served.token("people:read").delete("/session").status_code == 403
