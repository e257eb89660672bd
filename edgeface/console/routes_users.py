"""Users of the console, and tokens of programs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Request
from pydantic import StringConstraints

from edgeface.console.answers import Refused
from edgeface.console.forms import Field, Flag, Form, Moment, Name, Password, UserName
from edgeface.console.security import api_router, site_of, who
from edgeface.site.token import SCOPES, ApiToken
from edgeface.site.users import User

router = api_router("users and tokens")

Role = Literal["owner", "operator", "auditor"]
Scope = Literal[SCOPES]


class NewUser(Form):
    """A user to be."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    role: Role
    password: Password


class UserChange(Form):
    """What is to be another; what is left out stays."""

    role: Role | None = None
    enabled: Flag | None = None
    password: Password | None = None


class UserAnswer(Form):
    """A user, without secrets."""

    name: str
    role: Role
    enabled: bool
    created_at: datetime
    login_at: datetime | None


class Authenticator(Form):
    """``otpauth``: what the user's authenticator app is to know; ``qr``: the same as a picture, a
    ``data:`` address of an SVG. Shown once."""

    name: str
    otpauth: str
    qr: str


class NewToken(Form):
    """A token to be."""

    name: Annotated[Name, StringConstraints(max_length=64)]
    scopes: Annotated[list[Scope], Field(min_length=1)]
    expires_at: Moment | None = None


class TokenAnswer(Form):
    """A token, without its secret."""

    id: str
    name: str
    scopes: list[str]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class AddedToken(TokenAnswer):
    """A new token; ``token`` is shown once."""

    token: str


@router.get("/users")
def users(request: Request) -> list[UserAnswer]:
    """List the users."""
    return [_user(user) for user in site_of(request).users.all()]


@router.post("/users", status_code=201)
def add_user(new: NewUser, request: Request) -> Authenticator:
    """Add a user."""
    uri = site_of(request).users.add(new.name, password=new.password, role=new.role)
    request.state.detail = f"{new.name}, {new.role}"
    return _authenticator(new.name, uri)


@router.patch("/users/{name}")
def change_user(name: UserName, change: UserChange, request: Request) -> UserAnswer:
    """Change a user's role or password, or disable them; their sessions end."""
    if name == who(request).name and (change.role is not None or change.enabled is False):
        raise Refused(409, "conflict", "your own rights: let another owner change them")
    given = change.given()
    request.state.detail = f"{name}: {', '.join(sorted(given)) or 'nothing'}"
    return _user(site_of(request).users.change(name, **given))


@router.post("/users/{name}/authenticator", status_code=201)
def renew_authenticator(name: UserName, request: Request) -> Authenticator:
    """Give a user a new authenticator; the old one is void."""
    return _authenticator(name, site_of(request).users.renew_authenticator(name))


@router.delete("/users/{name}", status_code=204)
def remove_user(name: UserName, request: Request) -> None:
    """Remove a user."""
    if name == who(request).name:
        raise Refused(409, "conflict", "this is you: let another owner do it")
    site_of(request).users.remove(name)


@router.get("/tokens")
def tokens(request: Request) -> list[TokenAnswer]:
    """List the tokens."""
    return [TokenAnswer(**_token(token)) for token in site_of(request).tokens.all()]


@router.post("/tokens", status_code=201)
def add_token(new: NewToken, request: Request) -> AddedToken:
    """Add a token."""
    site = site_of(request)
    token, text = site.tokens.add(
        new.name, scopes=new.scopes, by=who(request).by, expires_at=new.expires_at
    )
    request.state.detail = f"{token.id}: {', '.join(token.scopes)}"
    return AddedToken(**_token(token), token=text)


@router.delete("/tokens/{identity}", status_code=204)
def remove_token(
    identity: Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")], request: Request
) -> None:
    """Revoke a token."""
    site_of(request).tokens.remove(identity)


def _authenticator(name: str, uri: str) -> Authenticator:
    import segno

    picture = segno.make(uri, error="m", micro=False)
    return Authenticator(name=name, otpauth=uri, qr=picture.svg_data_uri(scale=4, border=4))


def _user(user: User) -> UserAnswer:
    return UserAnswer(**vars(user))


def _token(token: ApiToken) -> dict:
    return {**vars(token), "scopes": list(token.scopes)}
