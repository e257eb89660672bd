"""Who may use the console: names, roles, passwords, authenticators."""

from __future__ import annotations

import re
import secrets
import time
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from edgeface.errors import SiteConflictError, SiteError, UnknownEntryError
from edgeface.site.database import Database
from edgeface.site.users_secret import Seal

ROLES = ("owner", "operator", "auditor")
"""What each may: `edgeface.console.permissions`."""

PASSWORD_LEAST, PASSWORD_MOST = 12, 200
if TYPE_CHECKING:
    from psycopg import Connection

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_STEP_S = 30
_STEPS_OFF = 1  # a phone's clock may be one step early or late
_ISSUER = "edgeface"
_COLUMNS = "name, role, enabled, created_at, login_at"


@dataclass(frozen=True)
class User:
    """Somebody who may use the console.

    Attributes
    ----------
    name
        For logging in.
    role
        One of `ROLES`.
    enabled
        False: known, and refused.
    created_at, login_at
        Aware; the newest login, None before the first.
    """

    name: str
    role: str
    enabled: bool
    created_at: datetime
    login_at: datetime | None


class Users:
    """The users of one site. Threads may share it.

    Parameters
    ----------
    database
        The site's.
    key
        32 secret bytes, which seal the authenticators' secrets in the database.
    site
        The site's name, which an authenticator shows.
    """

    def __init__(self, database: Database, *, key: bytes, site: str = "site") -> None:
        from argon2 import PasswordHasher

        self._database, self._site = database, site
        self._seal = Seal(key)
        self._hasher = PasswordHasher()  # argon2id, as RFC 9106 advises where memory is scarce
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    def add(self, name: str, *, password: str, role: str) -> str:
        """Add a user and return the authenticator's ``otpauth://`` URI, which is shown once.

        Raises
        ------
        SiteError
            A name, password or role that cannot be.
        SiteConflictError
            There is one of that name.
        """
        if not _NAME.fullmatch(name):
            raise SiteError(
                f"user {name!r}: expected 1 to 64 small letters, digits, '.', '_' and '-'"
            )
        self._require_role(role)
        secret = _new_secret()
        with self._database.transaction() as connection:
            added = connection.execute(
                "INSERT INTO site_user (name, role, password, totp) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT DO NOTHING RETURNING name",
                (name, role, self._hash(name, password), self._seal.close(secret, of=name)),
            ).fetchone()
        if added is None:
            raise SiteConflictError(f"there is a user {name} already: choose another name")
        return self._uri(name, secret)

    def all(self) -> tuple[User, ...]:
        """Return everybody, by name."""
        with self._database.transaction() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM site_user ORDER BY name").fetchall()  # nosec B608
        return tuple(User(*row) for row in rows)

    def get(self, name: str) -> User:
        """Return one; ``UnknownEntryError`` where there is none of that name."""
        with self._database.transaction() as connection:
            query = f"SELECT {_COLUMNS} FROM site_user WHERE name = %s"  # nosec B608
            row = connection.execute(query, (name,)).fetchone()
        return User(*_known(row, name))

    def change(
        self,
        name: str,
        *,
        role: str | None = None,
        enabled: bool | None = None,
        password: str | None = None,
    ) -> User:
        """Change what is not None; all sessions of the user end.

        Tokens that an owner made are void for ever once that is no enabled owner any more.

        Raises
        ------
        UnknownEntryError
            There is none of that name.
        SiteError
            A role or password that cannot be.
        SiteConflictError
            Nobody enabled would be owner any more.
        """
        if role is not None:
            self._require_role(role)
        hashed = None if password is None else self._hash(name, password)
        with self._database.transaction() as connection:
            connection.execute("LOCK TABLE site_user IN SHARE ROW EXCLUSIVE MODE")
            row = connection.execute(
                "UPDATE site_user SET role = coalesce(%s, role), enabled = coalesce(%s, enabled), "  # nosec B608
                f"password = coalesce(%s, password) WHERE name = %s RETURNING {_COLUMNS}",
                (role, enabled, hashed, name),
            ).fetchone()
            user = User(*_known(row, name))
            _require_owner(connection)
            connection.execute("DELETE FROM site_session WHERE user_name = %s", (name,))
            if not user.enabled or user.role != "owner":
                _void_tokens(connection, name)
        return user

    def renew_authenticator(self, name: str) -> str:
        """Return a new ``otpauth://`` URI; the old one is void, all sessions of the user end."""
        secret = _new_secret()
        with self._database.transaction() as connection:
            row = connection.execute(
                "UPDATE site_user SET totp = %s, totp_used = 0 WHERE name = %s RETURNING name",
                (self._seal.close(secret, of=name), name),
            ).fetchone()
            _known(row, name)
            connection.execute("DELETE FROM site_session WHERE user_name = %s", (name,))
        return self._uri(name, secret)

    def remove(self, name: str) -> None:
        """Remove one, and the tokens that they made.

        Raises ``UnknownEntryError``, or ``SiteConflictError`` for the last owner.
        """
        with self._database.transaction() as connection:
            connection.execute("LOCK TABLE site_user IN SHARE ROW EXCLUSIVE MODE")
            row = connection.execute(
                "DELETE FROM site_user WHERE name = %s RETURNING name", (name,)
            ).fetchone()
            _known(row, name)
            _require_owner(connection)
            _void_tokens(connection, name)

    def check(self, name: str, *, password: str, code: str) -> User | None:
        """Return the user whose password and authenticator's code these are, else None.

        An unknown name takes as long as a wrong password. A code is taken once.
        """
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT password, totp FROM site_user WHERE name = %s AND enabled", (name,)
            ).fetchone()
        known = self._right(row[0] if row else self._nobody, password)
        secret = self._seal.open(row[1], of=name) if row else _new_secret()
        step = _step_of(secret, code)
        if row is None or not known or step is None:
            return None
        with self._database.transaction() as connection:
            found = connection.execute(
                "UPDATE site_user SET totp_used = %s, login_at = now() "  # nosec B608
                f"WHERE name = %s AND enabled AND totp_used < %s RETURNING {_COLUMNS}",
                (step, name, step),
            ).fetchone()
        return User(*found) if found else None

    def _right(self, stored: str, password: str) -> bool:
        from argon2.exceptions import VerifyMismatchError

        try:
            return self._hasher.verify(stored, _spelled(password))
        except VerifyMismatchError:
            return False

    def _hash(self, name: str, password: str) -> str:
        length = len(password)
        if not PASSWORD_LEAST <= length <= PASSWORD_MOST:
            raise SiteError(
                f"the password has {length} characters, expected {PASSWORD_LEAST} to "
                f"{PASSWORD_MOST}: several words make a good one"
            )
        if name in password.casefold() or len(set(password)) < PASSWORD_LEAST // 2:
            raise SiteError("the password is easily guessed: leave the name out, vary it more")
        return self._hasher.hash(_spelled(password))

    def _require_role(self, role: str) -> None:
        if role not in ROLES:
            raise SiteError(f"role {role!r}: expected one of {', '.join(ROLES)}")

    def _uri(self, name: str, secret: str) -> str:
        import pyotp

        return pyotp.TOTP(secret).provisioning_uri(name=f"{name}@{self._site}", issuer_name=_ISSUER)


def _step_of(secret: str, code: str) -> int | None:
    """The time step whose code this is, or None."""
    import pyotp

    totp, now = pyotp.TOTP(secret, interval=_STEP_S), int(time.time()) // _STEP_S
    steps = range(now - _STEPS_OFF, now + _STEPS_OFF + 1)
    found = [step for step in steps if secrets.compare_digest(totp.generate_otp(step), code)]
    return found[-1] if found else None


def _new_secret() -> str:
    import pyotp

    return pyotp.random_base32()


def _spelled(password: str) -> bytes:
    return unicodedata.normalize("NFKC", password).encode("utf-8")


def _known(row: tuple | None, name: str) -> tuple:
    if row is None:
        raise UnknownEntryError(f"there is no user {name}")
    return row


def _void_tokens(connection: Connection, name: str) -> None:
    # Who made a token has seen it: it would outlive the dismissal.
    connection.execute("DELETE FROM site_token WHERE created_by = %s", (f"user:{name}",))


def _require_owner(connection: Connection) -> None:
    owners = connection.execute(
        "SELECT count(*) FROM site_user WHERE role = 'owner' AND enabled"
    ).fetchone()
    if owners[0] == 0:
        raise SiteConflictError("nobody would be owner any more: make somebody else owner first")
