"""The console's pages: shells that hold no data, and the files that bring them to life.

A shell is the same for everybody, so it needs no session; what it shows it asks of the REST API,
which decides. Everything comes from here: no other server, no inline script, no inline style.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from fastapi import APIRouter
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
def static(name: str) -> Response:
    """Return a file of ``static/``; 404 for any other name."""
    found = _static().get(name)
    if found is None:
        return Response("No such file.", 404, media_type="text/plain")
    content, media_type = found
    return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})


@cache
def _static() -> dict[str, tuple[bytes, str]]:
    files = [file for file in (_FOLDER / "static").iterdir() if file.is_file()]
    types = {file.name: _TYPES.get("." + file.name.rpartition(".")[2]) for file in files}
    return {file.name: (file.read_bytes(), types[file.name]) for file in files if types[file.name]}


def _serve(address: str, name: str) -> None:
    @router.get(address, name=name, response_class=HTMLResponse)
    def shell() -> HTMLResponse:
        return HTMLResponse(page(name), headers={"Cache-Control": "no-cache"})


for _address, _name in PAGES.items():
    _serve(_address, _name)
