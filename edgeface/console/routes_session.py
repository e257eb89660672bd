"""Logging in and out, and the API's description."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import StringConstraints

from edgeface.console.answers import Refused
from edgeface.console.describe import description
from edgeface.console.forms import Form, Password, Text
from edgeface.console.security import (
    api_router,
    cookie_name,
    require_same_origin,
    site_of,
    who,
)
from edgeface.site.session import csrf_of
from edgeface.site.users import User

router = api_router("session")

Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


class Login(Form):
    """Name, password and the authenticator's code."""

    name: Text
    password: Text
    code: Code


class PasswordChange(Form):
    """The password as it is, a code, and the password to be."""

    password: Text
    code: Code
    new: Password


class SessionAnswer(Form):
    """Who is logged in. ``csrf`` goes into the header X-CSRF-Token of every change."""

    user: str
    role: str
    csrf: str


@router.post("/session", status_code=201)
def log_in(login: Login, request: Request, response: Response) -> SessionAnswer:
    """Log in; the answer sets the session's cookie."""
    require_same_origin(request, given=False)
    return _begin(_checked(request, login.name, login.password, login.code), request, response)


@router.get("/session")
def session(request: Request) -> SessionAnswer:
    """Say who is logged in."""
    found = who(request)
    return SessionAnswer(user=found.name, role=found.role, csrf=csrf_of(found.credential))


@router.delete("/session", status_code=204)
def log_out(request: Request, response: Response) -> None:
    """End the session."""
    site_of(request).sessions.close(who(request).credential)
    response.delete_cookie(cookie_name(request), path="/")


@router.put("/session/password", status_code=204)
def set_password(change: PasswordChange, request: Request, response: Response) -> None:
    """Set one's own password; all sessions of the user end, this one too."""
    user = _checked(request, who(request).name, change.password, change.code)
    site_of(request).users.change(user.name, password=change.new)
    response.delete_cookie(cookie_name(request), path="/")


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> dict[str, Any]:
    """Describe the API."""
    return description(request.app)


def _checked(request: Request, name: str, password: str, code: str) -> User:
    """The user whose password and code these are; each guess is counted before it is checked."""
    site, address = site_of(request), request.client.host if request.client else ""
    refusal = site.guesses.count(address=address, account=name)
    if refusal:
        raise Refused(
            429,
            "too_many",
            f"too many attempts: wait {refusal.wait_s:.0f} s",
            headers={"Retry-After": f"{refusal.wait_s:.0f}"},
        )
    user = site.users.check(name, password=password, code=code)
    if user is None:
        # The name is left out: people type their password into the wrong field.
        site.acts.write("login refused", by="nobody", detail=f"from {address}")
        raise Refused(401, "wrong", "name, password or code is wrong, or the code was used before")
    site.guesses.forget(address=address, account=name)
    return user


def _begin(user: User, request: Request, response: Response) -> SessionAnswer:
    site, name = site_of(request), cookie_name(request)
    site.sessions.close(request.cookies.get(name, ""))  # a session never outlives a login
    cookie = site.sessions.open(user.name)
    site.acts.write("logged in", by=f"user:{user.name}")
    secure = request.url.scheme == "https"
    response.set_cookie(name, cookie, path="/", httponly=True, samesite="strict", secure=secure)
    return SessionAnswer(user=user.name, role=user.role, csrf=csrf_of(cookie))
