"""Every request, before its route: who sends it, whether they may, and what is noted of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive

from edgeface.console.answers import Refused
from edgeface.console.describe import ERRORS
from edgeface.console.permissions import API, Access, access_of
from edgeface.errors import SiteForbiddenError
from edgeface.site.session import Session
from edgeface.site.site import Site

CSRF_HEADER = "X-CSRF-Token"
UNATTENDED_HEADER = "X-Edgeface-Unattended"
"""Of requests that a page sends by itself: they keep no session alive."""
_READS = ("GET", "HEAD")


@dataclass(frozen=True)
class Who:
    """Who sent a request.

    Attributes
    ----------
    kind
        "user", "token", "door" or "nobody".
    name
        The user's, the token's or the door's; "" of nobody.
    role
        Of a user, else "".
    credential
        The session's cookie or the token, as it was sent.
    """

    kind: str = "nobody"
    name: str = ""
    role: str = ""
    credential: str = field(default="", repr=False)

    @property
    def by(self) -> str:
        """Who it was, as logs have it."""
        return f"{self.kind}:{self.name}" if self.name else self.kind


class SiteRoute(APIRoute):
    """A route that refuses whom `permissions` does not let in, and logs what was done.

    A route reads `who(request)`; it may set ``request.state.detail`` for the log.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        original, path = super().get_route_handler(), self.path

        async def handle(request: Request) -> Response:
            site, access = site_of(request), access_of(request.method, path)
            found = await run_in_threadpool(_let_in, site, access, request)
            request.state.who, request.state.detail = found, None
            limited = Request(request.scope, _limited(request, access.body_bytes))
            response = await original(limited)
            if access.act and response.status_code < 400:
                await run_in_threadpool(_note, site, access.act, request)
            return response

        return handle


def api_router(tag: str) -> APIRouter:
    """Return a router of the API, whose routes `permissions` lets people into."""
    return APIRouter(prefix=API, route_class=SiteRoute, tags=[tag], responses=ERRORS)


def site_of(request: Request) -> Site:
    """Return the site that a request is to."""
    return request.app.state.site


def who(request: Request) -> Who:
    """Return who sent a request that was let in."""
    return request.state.who


def cookie_name(request: Request) -> str:
    """Return the session cookie's name: no other host can set one that begins with ``__Host-``.

    Browsers take that over TLS only; without, a site listens on loopback only.
    """
    return "__Host-edgeface" if request.url.scheme == "https" else "edgeface"


def require_same_origin(request: Request, *, given: bool) -> None:
    """Refuse a request that another site's page sent.

    ``given``: the header must be there, as browsers send it with everything that changes something.

    Raises
    ------
    Refused
        Its origin is another.
    """
    origin, own = request.headers.get("origin"), f"{request.url.scheme}://{request.url.netloc}"
    if (origin is None and given) or (origin is not None and origin != own):
        raise Refused(403, "origin", f"the request came from a page of {origin}, not of {own}")


def still_in(request: Request) -> bool:
    """Whether who began to watch or to wait may still; nobody's idle time begins anew by it."""
    site, found = site_of(request), who(request)
    if found.kind == "door":
        try:
            return site.doors.authenticate(found.credential) == found.name
        except SiteForbiddenError:
            return False
    if found.kind == "token":
        return site.tokens.authenticate(found.credential) is not None
    return site.sessions.get(found.credential, touch=False) is not None


def _let_in(site: Site, access: Access, request: Request) -> Who:
    if access.public:
        return Who()
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _by_token(site, access, text.strip())
    found = _session(site, request)
    if found is None or access.door:
        raise Refused(401, "unauthenticated", "log in, or send a token: Authorization: Bearer ...")
    session, cookie = found
    if request.method not in _READS:
        _require_own_page(request, session)
    if session.role not in access.roles:
        raise Refused(403, "forbidden", f"the role {session.role} may not do this")
    return Who("user", session.user, session.role, cookie)


def _by_token(site: Site, access: Access, text: str) -> Who:
    if access.door:
        try:
            return Who("door", site.doors.authenticate(text), credential=text)
        except SiteForbiddenError as error:
            raise Refused(401, "unauthenticated", str(error)) from error
    token = site.tokens.authenticate(text)
    if token is None:
        raise Refused(401, "unauthenticated", "there is no such token, or not any more")
    if access.scope is None or access.scope not in token.scopes:
        wanted = access.scope or "a session: no token may do this"
        raise Refused(403, "forbidden", f"the token {token.name} lacks {wanted}")
    return Who("token", token.name, credential=text)


def _session(site: Site, request: Request) -> tuple[Session, str] | None:
    cookie = request.cookies.get(cookie_name(request))
    attended = UNATTENDED_HEADER not in request.headers
    session = site.sessions.get(cookie, touch=attended) if cookie else None
    return (session, cookie) if session and cookie else None


def _require_own_page(request: Request, session: Session) -> None:
    require_same_origin(request, given=True)
    sent = request.headers.get(CSRF_HEADER, "").encode("utf-8", "replace")
    if not secrets.compare_digest(sent, session.csrf.encode("ascii")):
        raise Refused(403, "csrf", f"the header {CSRF_HEADER} is missing or of another session")


def _limited(request: Request, most: int) -> Receive:
    """The request's body, refused once it is longer than may be."""
    announced = request.headers.get("content-length", "0")
    too_long = Refused(413, "too_long", f"the body has more than {most} bytes")
    if not announced.isdigit() or int(announced) > most:
        raise too_long
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise too_long
        return message

    return receive


def _note(site: Site, act: str, request: Request) -> None:
    named = ", ".join(str(value) for value in request.path_params.values())
    detail = request.state.detail
    site.acts.write(act, by=who(request).by, detail=named if detail is None else detail)
