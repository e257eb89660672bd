"""Tokens of programs that use the site's API: each has scopes, and its secret is shown once."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from edgeface.errors import SiteConflictError, SiteError, UnknownEntryError
from edgeface.site.database import Database

SCOPES = (
    "people:read",
    "people:write",
    "rules:read",
    "rules:write",
    "doors:read",
    "doors:write",
    "events:read",
    "rollouts:write",
    "acts:read",
)
"""What a token may: `edgeface.console.permissions` says which route asks for which."""

_PREFIX = "efs"
_TOKEN = re.compile(rf"{_PREFIX}_([0-9a-f]{{12}})_([A-Za-z0-9_-]{{43}})")
_NAME_MOST = 64
_COLUMNS = "id, name, scopes, created_by, created_at, expires_at, used_at"


@dataclass(frozen=True)
class ApiToken:
    """What is known of a token; its secret is not. Times are aware."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class Tokens:
    """The tokens of one site. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, name: str, *, scopes: Iterable[str], by: str, expires_at: datetime | None = None
    ) -> tuple[ApiToken, str]:
        """Add a token; return it with its text, which is stored nowhere.

        Raises
        ------
        SiteError
            A name or a scope that cannot be.
        SiteConflictError
            There is one of that name.
        """
        chosen = tuple(dict.fromkeys(scopes))
        unknown = sorted(set(chosen) - set(SCOPES))
        if unknown or not chosen:
            found = repr(unknown[0]) if unknown else "none"
            raise SiteError(f"scopes: found {found}, expected some of {', '.join(SCOPES)}")
        if not name.strip() or len(name) > _NAME_MOST or not name.isprintable():
            raise SiteError(f"a token's name has 1 to {_NAME_MOST} printable characters")
        identity, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        with self._database.transaction() as connection:
            row = connection.execute(
                "INSERT INTO site_token (id, name, secret, scopes, created_by, expires_at) "  # nosec B608
                f"VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING {_COLUMNS}",
                (identity, name, _hash(secret), list(chosen), by, expires_at),
            ).fetchone()
        if row is None:
            raise SiteConflictError(f"there is a token {name!r} already: choose another name")
        return _token(row), f"{_PREFIX}_{identity}_{secret}"

    def all(self) -> tuple[ApiToken, ...]:
        """Return every token, by name."""
        with self._database.transaction() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM site_token ORDER BY name").fetchall()  # nosec B608
        return tuple(_token(row) for row in rows)

    def remove(self, identity: str) -> None:
        """Revoke one at once; ``UnknownEntryError`` where there is none."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "DELETE FROM site_token WHERE id = %s RETURNING id", (identity,)
            ).fetchone()
        if row is None:
            raise UnknownEntryError(f"there is no token {identity}")

    def authenticate(self, text: str) -> ApiToken | None:
        """Return the token of this text while it holds, else None."""
        parts = _TOKEN.fullmatch(text)
        if parts is None:
            return None
        with self._database.transaction() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS}, secret FROM site_token "  # nosec B608
                "WHERE id = %s AND (expires_at IS NULL OR expires_at > now())",
                (parts[1],),
            ).fetchone()
            if row is None or not secrets.compare_digest(row[-1], _hash(parts[2])):
                return None
            connection.execute(
                "UPDATE site_token SET used_at = now() WHERE id = %s "
                "AND (used_at IS NULL OR used_at < now() - interval '1 minute')",
                (parts[1],),
            )
        return _token(row[:-1])


def _token(row: tuple) -> ApiToken:
    return ApiToken(row[0], row[1], tuple(row[2]), *row[3:])


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8")).digest()
