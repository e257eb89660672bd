"""Sessions of the console: known to the server by a hash, ended by idleness, age or their user."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from edgeface.site.database import Database

IDLE_MIN = 15
LONGEST_H = 12
_LIVES = (
    f"seen_at > now() - interval '{IDLE_MIN} minutes' "
    f"AND site_session.created_at > now() - interval '{LONGEST_H} hours'"
)
_CSRF = b"edgeface csrf 1"


@dataclass(frozen=True)
class Session:
    """A session that lives, and whose user is enabled.

    ``csrf`` is what a request that changes something must repeat in a header: made of the cookie,
    which no other page can read.
    """

    user: str
    role: str
    csrf: str


class Sessions:
    """The sessions of one site. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, user: str) -> str:
        """Begin a session; return what the cookie is to hold, which is stored nowhere."""
        cookie = secrets.token_urlsafe(32)
        with self._database.transaction() as connection:
            connection.execute(f"DELETE FROM site_session WHERE NOT ({_LIVES})")  # nosec B608
            connection.execute(
                "INSERT INTO site_session (id, user_name) VALUES (%s, %s)", (_hash(cookie), user)
            )
        return cookie

    def get(self, cookie: str, *, touch: bool = True) -> Session | None:
        """Return the living session of a cookie, or None.

        ``touch``: somebody did something, so that its idle time begins anew.
        """
        if not cookie.isascii():
            return None
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT user_name, role FROM site_session JOIN site_user ON name = user_name "  # nosec B608
                f"WHERE id = %s AND enabled AND {_LIVES}",
                (_hash(cookie),),
            ).fetchone()
            if found and touch:
                connection.execute(
                    "UPDATE site_session SET seen_at = now() "
                    "WHERE id = %s AND seen_at < now() - interval '10 seconds'",
                    (_hash(cookie),),
                )
        return Session(*found, csrf=csrf_of(cookie)) if found else None

    def close(self, cookie: str) -> None:
        """End a session; one that is over already is none."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM site_session WHERE id = %s", (_hash(cookie),))


def csrf_of(cookie: str) -> str:
    """Return the CSRF token that belongs to a session's cookie."""
    return hmac.new(cookie.encode("utf-8"), _CSRF, hashlib.sha256).hexdigest()


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8")).digest()
