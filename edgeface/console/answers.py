"""What goes out: errors as JSON without anything of their making, and headers on everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgeface.console.permissions import methods_of
from edgeface.errors import (
    AuditError,
    EdgeFaceError,
    SiteConflictError,
    SiteError,
    SiteForbiddenError,
    SiteUnavailableError,
    UnknownEntryError,
)

_STATUS = (  # the first that fits
    (SiteUnavailableError, 503, "unavailable"),
    (AuditError, 503, "unavailable"),
    (UnknownEntryError, 404, "unknown"),
    (SiteConflictError, 409, "conflict"),
    (SiteForbiddenError, 403, "forbidden"),
    (SiteError, 422, "refused"),
    (EdgeFaceError, 422, "refused"),
)
_CODES = {400: "malformed", 404: "unknown", 405: "method", 413: "too_long", 429: "too_many"}
_CONTENT = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TRANSPORT = "max-age=31536000"


class Refused(HTTPException):
    """A request that is not done: its status, a word for programs and a text for people."""

    def __init__(
        self, status: int, error: str, text: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        if status == 401:
            headers = {"WWW-Authenticate": "Bearer", **(headers or {})}
        super().__init__(status, text, headers)
        self.error = error


@contextmanager
def values_checked() -> Iterator[None]:
    """Answer 422 where what was sent is checked deeper inside, and is refused as a wrong value."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise Refused(422, "invalid", str(error)) from error


class Headers:
    """ASGI middleware: security headers on every answer, and only hosts that this server is.

    Parameters
    ----------
    hosts
        By which names and addresses it may be asked, without ports: another host's page cannot
        have its own name lead here (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_headers(MutableHeaders(scope=message), scheme=scope["scheme"])
            await send(message)

        host = _host_of(scope)
        if host not in self._hosts:
            text = "this server is not called that: see [server] names in site.toml"
            await _json(421, "host", text)(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)


def add_headers(headers: MutableHeaders, *, scheme: str) -> None:
    """Add the security headers that an answer lacks."""
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if scheme == "https":
        headers.setdefault("Strict-Transport-Security", _TRANSPORT)


def add_error_answers(app: FastAPI) -> None:
    """Have every error answered as ``{"error": word, "text": text}``."""
    app.add_exception_handler(EdgeFaceError, _of_ours)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(Exception, _of_unexpected)


def _of_ours(request: Request, error: Exception) -> JSONResponse:
    _, status, word = next(entry for entry in _STATUS if isinstance(error, entry[0]))
    return _json(status, word, " ".join(str(error).split()))


def _of_http(request: Request, error: HTTPException) -> JSONResponse:
    word = getattr(error, "error", None) or _CODES.get(error.status_code, "refused")
    headers = dict(error.headers or {})
    if error.status_code == 405:  # the router names the methods of one route, not of its address
        headers["Allow"] = ", ".join(methods_of(request.scope["route"].path))
    return _json(error.status_code, word, str(error.detail), headers=headers)


def _of_validation(request: Request, error: RequestValidationError) -> JSONResponse:
    # What was sent is left out: it may be a password.
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _json(422, "invalid", f"{where}: {first['msg']}")


def _of_unexpected(request: Request, error: Exception) -> JSONResponse:
    answer = _json(500, "internal", "the server made a mistake; its own log has more")
    add_headers(answer.headers, scheme=request.url.scheme)
    return answer


def _json(
    status: int, error: str, text: str, *, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": error, "text": text}, status, headers=dict(headers or {}))


def _host_of(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            text = value.decode("latin-1")
            host = text.rpartition(":")[0] if _has_port(text) else text
            return host.strip("[]").lower()
    return ""


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdigit() and (host.count(":") == 1 or "]:" in host)
