"""The console's pages: shells that hold no data, and the files that bring them to life.

A shell is the same for everybody, so it needs no session; what it shows it asks of the REST API,
which decides. Everything comes from here: no other server, no inline script, no inline style.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FunctionLoader, StrictUndefined

router = APIRouter(include_in_schema=False)

PAGES = {
    "/login": "login.html",
    "/": "doors.html",
    "/doors/{door}": "door.html",
    "/events": "events.html",
    "/health": "health.html",
    "/people": "people.html",
    "/people/{uid}": "person.html",
    "/enrol": "enrol.html",
    "/schedules": "schedules.html",
    "/calibration": "calibration.html",
    "/rollouts": "rollouts.html",
    "/users": "users.html",
    "/privacy": "privacy.html",
    "/audit": "audit.html",
}
"""Address -> its shell in ``pages/``. What is in braces the page's script reads by itself."""

_SECTIONS = {"doors": "door", "person": "people"}
"""Page -> the sign of its entry in the navigation, where that is another than the page's name."""

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOLDER = resources.files("edgeface.console")


@cache
def page(name: str) -> str:
    """Return a shell of ``pages/`` as HTML."""
    environment = Environment(
        loader=FunctionLoader(lambda file: (_FOLDER / "pages" / file).read_text("utf-8")),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    own = name.partition(".")[0]
    return environment.get_template(name).render(page=own, section=_SECTIONS.get(own, own))


@router.get("/static/{name}")
def static(name: str, request: Request) -> Response:
    """Return a file of ``static/``, or say that the browser has it; 404 for any other name."""
    found = _static().get(name)
    if found is None:
        return Response("No such file.", 404, media_type="text/plain")
    headers = {"Cache-Control": "no-cache", "ETag": found.tag}
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str
    tag: str


@cache
def _static() -> dict[str, _File]:
    found = {}
    for file in (_FOLDER / "static").iterdir():
        media_type = _TYPES.get("." + file.name.rpartition(".")[2])
        if media_type is not None:
            content = file.read_bytes()
            found[file.name] = _File(content, media_type, f'"{sha256(content).hexdigest()[:32]}"')
    return found


def _serve(address: str, name: str) -> None:
    @router.get(address, name=name, response_class=HTMLResponse)
    def shell() -> HTMLResponse:
        return HTMLResponse(page(name), headers={"Cache-Control": "no-cache"})


for _address, _name in PAGES.items():
    _serve(_address, _name)
