"""The API's description (OpenAPI): what FastAPI knows, and who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from edgeface.console.permissions import PERMISSIONS, Access

_TEXT = """\
The API of a site: many doors as one. Programs send `Authorization: Bearer TOKEN`, with a token of
`POST /tokens`; browsers have a session's cookie, and repeat its `csrf` in `X-CSRF-Token`.
docs/site-api.md has examples."""
_SCHEMES = {
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-edgeface"},
    "token": {"type": "http", "scheme": "bearer", "description": "of POST /tokens"},
    "door": {"type": "http", "scheme": "bearer", "description": "a door's, of POST /doors"},
}
_METHODS = ("get", "put", "post", "patch", "delete")


class ErrorAnswer(BaseModel):
    """Why a request was not done: a word for programs, a text for people."""

    error: str
    text: str


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": text}
    for status, text in {
        400: "the body is malformed",
        401: "nobody is logged in, or the token is none",
        403: "the role or the token may not do this",
        404: "there is no such thing",
        409: "it contradicts what is there",
        412: "somebody changed it meanwhile",
        413: "the body is too long",
        415: "the body is of another kind",
        421: "the server is not called that",
        422: "a value is wrong",
        429: "too many requests of this kind: wait",
        503: "the database or the site's log does not answer: try again",
    }.items()
}
"""Of every route."""


@lru_cache(maxsize=1)
def description(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of the app."""
    found = get_openapi(title=app.title, version=app.version, description=_TEXT, routes=app.routes)
    found.setdefault("components", {})["securitySchemes"] = _SCHEMES
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            if method in _METHODS:
                _add_access(operation, PERMISSIONS[method.upper(), path])
    return found


def _add_access(operation: dict[str, Any], access: Access) -> None:
    operation["security"] = [
        {scheme: []}
        for scheme, may in (
            ("session", access.roles),
            ("token", access.scope),
            ("door", access.door),
        )
        if may
    ]
    who = [*sorted(access.roles), *([f"token with {access.scope}"] if access.scope else [])]
    if who:
        operation["description"] = f"{operation.get('description', '')}\n\nFor {', '.join(who)}."


def body(schema: Mapping[str, Any], *, kind: str = "application/json") -> dict[str, Any]:
    """Return what a route whose body FastAPI does not read says of it (``openapi_extra``)."""
    return {"requestBody": {"required": True, "content": {kind: {"schema": dict(schema)}}}}
