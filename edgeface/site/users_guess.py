"""How often somebody may guess a password: longer and longer pauses, which survive restarts."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass

from edgeface.site.database import Database

_FREE_OF_ADDRESS, _FREE_OF_ACCOUNT = 10, 5
_LONGEST_S = 900
_FORGOTTEN_H = 24
# Counted before the password is looked at, in one statement: guesses at the same time are counted
# one after the other, and all but the first find next_at in the future.
_COUNT = """
INSERT INTO site_guess AS held (subject, failures, last_at, next_at)
VALUES (%(subject)s, 1, now(), now())
ON CONFLICT (subject) DO UPDATE SET
    failures = held.failures + 1,
    last_at = now(),
    next_at = now() + make_interval(secs => CASE WHEN held.failures + 1 < %(free)s THEN 0
              ELSE least(%(longest_s)s, 2.0 ^ least(held.failures + 1 - %(free)s, 20)) END)
WHERE held.next_at <= now()
RETURNING failures
"""
_FORGET = "DELETE FROM site_guess WHERE last_at < now() - make_interval(hours => %s)"
_WAIT = "SELECT extract(epoch FROM next_at - now()) FROM site_guess WHERE subject = %s"


@dataclass(frozen=True)
class Refusal:
    """Too many guesses: how long to wait, seconds."""

    wait_s: float


class Guesses:
    """Counts guesses per address and per account. Threads and processes may share the database.

    Five of an account and ten of an address are free; then a pause follows each, from 1 second
    doubling to 15 minutes. A right one forgets the account's; a day without any forgets all.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, *, address: str, account: str) -> Refusal | None:
        """Count a guess that is about to be checked, or say that it must not be."""
        free = {_of_address(address): _FREE_OF_ADDRESS, _of_account(account): _FREE_OF_ACCOUNT}
        with self._database.transaction() as connection:
            connection.execute(_FORGET, (_FORGOTTEN_H,))
            for subject in sorted(free):
                values = {"subject": subject, "free": free[subject], "longest_s": _LONGEST_S}
                if connection.execute(_COUNT, values).fetchone() is None:
                    wait = connection.execute(_WAIT, (subject,)).fetchone()
                    connection.rollback()  # neither is counted
                    return Refusal(max(1.0, float(wait[0])))
        return None

    def forget(self, *, address: str, account: str) -> None:
        """The guess was right: forget the account's, and this one of the address."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM site_guess WHERE subject = %s", (_of_account(account),))
            connection.execute(
                "UPDATE site_guess SET failures = greatest(failures - 1, 0) WHERE subject = %s",
                (_of_address(address),),
            )


def _of_address(address: str) -> bytes:
    return hashlib.sha256(f"address {_network(address)}".encode()).digest()


def _of_account(account: str) -> bytes:
    return hashlib.sha256(f"account {account}".encode("utf-8", "replace")).digest()


def _network(address: str) -> str:
    """An IPv6 host has a whole /64 to itself: that counts as one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 6:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
