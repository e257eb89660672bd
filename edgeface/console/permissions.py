"""Who may do what: every route of the server, in one table."""

from __future__ import annotations

from dataclasses import dataclass

API = "/api/v1"
OWNER, OPERATOR, AUDITOR = "owner", "operator", "auditor"
_KIB, _MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Access:
    """Who may use a route, and what is noted of it.

    Attributes
    ----------
    roles
        Of users with a session.
    scope
        That a token must have; None: no token will do.
    door
        Whether a door may, with its own token.
    public
        Whether everybody may, who need not say who they are.
    act
        What the site's log says of it, when it was done; None where nothing was changed.
    body_bytes
        How long the body may be.
    """

    roles: frozenset[str] = frozenset()
    scope: str | None = None
    door: bool = False
    public: bool = False
    act: str | None = None
    body_bytes: int = 256 * _KIB


def _of(*roles: str, scope: str | None = None, act: str | None = None, kib: int = 256) -> Access:
    return Access(frozenset((OWNER, *roles)), scope=scope, act=act, body_bytes=kib * _KIB)


_PHOTOS_KIB = 64 * 1024
_KIT_KIB = 1024 * 1024
_EVERYBODY = (OPERATOR, AUDITOR)
_PUBLIC = Access(public=True)
_DOOR = Access(door=True)

_ROUTES = {
    "POST /session": Access(public=True, body_bytes=4 * _KIB),
    "GET /session": _of(*_EVERYBODY),
    "DELETE /session": _of(*_EVERYBODY, act="logged out"),
    "PUT /session/password": _of(*_EVERYBODY, act="own password set", kib=4),
    "GET /openapi.json": _PUBLIC,
    "GET /people": _of(OPERATOR, scope="people:read"),
    "POST /people": _of(OPERATOR, scope="people:write", act="person enrolled", kib=_PHOTOS_KIB),
    "POST /people/check": _of(OPERATOR, scope="people:write", kib=_PHOTOS_KIB),
    "GET /people/{uid}": _of(OPERATOR, scope="people:read"),
    "PATCH /people/{uid}": _of(OPERATOR, scope="people:write", act="person changed"),
    "DELETE /people/{uid}": _of(OPERATOR, scope="people:write", act="person erased"),
    "POST /people/{uid}/photos": _of(
        OPERATOR, scope="people:write", act="photos added", kib=_PHOTOS_KIB
    ),
    "GET /people/{uid}/account": _of(OPERATOR, scope="people:read", act="account given"),
    "GET /receipts": _of(*_EVERYBODY, scope="people:read"),
    "GET /schedules": _of(OPERATOR, scope="rules:read"),
    "PUT /schedules/{name}": _of(OPERATOR, scope="rules:write", act="schedule set"),
    "DELETE /schedules/{name}": _of(OPERATOR, scope="rules:write", act="schedule removed"),
    "GET /groups": _of(OPERATOR, scope="rules:read"),
    "PUT /groups/{name}": _of(OPERATOR, scope="rules:write", act="group set"),
    "DELETE /groups/{name}": _of(OPERATOR, scope="rules:write", act="group removed"),
    "GET /decision": _of(OPERATOR, scope="rules:read"),
    "PUT /decision": _of(OPERATOR, scope="rules:write", act="decision settings set"),
    "GET /calibration": _of(OPERATOR, scope="rules:read"),
    "GET /doors": _of(*_EVERYBODY, scope="doors:read"),
    "POST /doors": _of(scope="doors:write", act="door added"),
    "DELETE /doors/{door}": _of(scope="doors:write", act="door removed"),
    "POST /doors/{door}/token": _of(scope="doors:write", act="door's token renewed"),
    "PUT /doors/{door}/groups": _of(scope="doors:write", act="door's groups set"),
    "POST /doors/{door}/live": _of(OPERATOR, act="live picture asked for"),
    "GET /doors/{door}/live": _of(OPERATOR, act="live picture watched"),
    "GET /doors/{door}/log": _of(AUDITOR, scope="acts:read"),
    "GET /doors/{door}/keys": _of(AUDITOR, scope="acts:read"),
    "PUT /doors/{door}/keys/{key}": _of(act="door's key judged"),
    "GET /events": _of(*_EVERYBODY, scope="events:read"),
    "GET /events/stream": _of(*_EVERYBODY, scope="events:read"),
    "GET /rollouts": _of(OPERATOR, scope="doors:read"),
    "POST /rollouts": _of(scope="rollouts:write", act="roll-out begun", kib=_KIT_KIB),
    "POST /rollouts/{number}/stop": _of(scope="rollouts:write", act="roll-out stopped"),
    "GET /users": _of(),
    "POST /users": _of(act="user added"),
    "PATCH /users/{name}": _of(act="user changed"),
    "POST /users/{name}/authenticator": _of(act="user's authenticator renewed"),
    "DELETE /users/{name}": _of(act="user removed"),
    "GET /tokens": _of(),
    "POST /tokens": _of(act="token added"),
    "DELETE /tokens/{identity}": _of(act="token removed"),
    "GET /acts": _of(AUDITOR, scope="acts:read"),
    "GET /acts/report": _of(AUDITOR, scope="acts:read"),
    "GET /retention": _of(AUDITOR),
    "PUT /retention": _of(act="retention set"),
    "GET /health": _of(*_EVERYBODY, scope="doors:read"),
    "GET /door/changes": _DOOR,
    "POST /door/edits": Access(door=True, act="edit at a door", body_bytes=_MIB),
    "POST /door/status": _DOOR,
    "GET /door/rollouts/{number}/file": _DOOR,
    "POST /door/live": Access(door=True, body_bytes=_MIB),
}
# Shells without any data in them, and their files: they say nothing to whom the API says nothing.
_PAGES = (
    *("/", "/login", "/doors/{door}", "/events", "/health", "/people", "/people/{uid}", "/enrol"),
    *("/schedules", "/calibration", "/rollouts", "/users", "/privacy", "/audit", "/static/{name}"),
)
PERMISSIONS: dict[tuple[str, str], Access] = {
    (method, API + path): access
    for (method, path), access in ((key.split(" "), access) for key, access in _ROUTES.items())
}
PERMISSIONS.update({("GET", path): _PUBLIC for path in _PAGES})
"""(method, path) -> who may. A route that is not here is refused to everybody."""


def access_of(method: str, path: str) -> Access:
    """Return who may use a route of the server; nobody where the table lacks it."""
    return PERMISSIONS.get((method, path), Access())


def methods_of(path: str) -> tuple[str, ...]:
    """Return the methods that a path of the server has."""
    return tuple(sorted(method for method, of in PERMISSIONS if of == path))
