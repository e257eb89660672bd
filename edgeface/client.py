"""A client of a site's API, for programs: people, doors, rules, events. Standard library only.

::

    with SiteClient("https://site.example:8443", token=token, ca_file="ca.pem") as site:
        person = site.enrol("Ada Lovelace", ["ada.jpg"], groups=["staff"])
        site.change(person["uid"], blocked=True)

docs/site-api.md has every route, and how to get a token.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeface.client_http import Link, form_of, part


class SiteClient:
    """A connection to a site, for one thread. Use it as a context manager, or `close` it.

    Every method raises ``SiteForbiddenError`` where the token lacks the scope,
    ``UnknownEntryError`` and ``SiteConflictError`` as the site says, ``SiteUnavailableError``
    where it does not answer, and ``SiteError`` for what it refuses otherwise.

    Parameters
    ----------
    url
        As ``https://site.example:8443``.
    token
        Of POST /tokens, with the scopes that the methods need.
    ca_file
        PEM file of who may sign the site's certificate: its ``ca.pem``; None: the system's.
    timeout_s
        For an answer, seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str,
        ca_file: str | os.PathLike[str] | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._link = Link(url, token=token, ca_file=ca_file, timeout_s=timeout_s)

    def people(self, **wanted: Any) -> Iterator[dict[str, Any]]:
        """Yield everybody who fits: ``text``, ``group``, ``state`` ("valid", "expired", "blocked").

        Scope people:read.
        """
        after: str | None = None
        while True:
            page = self._link.get("/people", {**wanted, "after": after, "limit": 200})
            yield from page["people"]
            after = page["next"]
            if after is None:
                return

    def person(self, uid: str) -> dict[str, Any]:
        """Return somebody. Scope people:read."""
        return self._link.get(f"/people/{part(uid)}")

    def enrol(
        self,
        name: str,
        photos: Sequence[str | os.PathLike[str] | bytes],
        *,
        request_id: str | None = None,
        confirm: bool = False,
        **changes: Any,
    ) -> dict[str, Any]:
        """Enrol somebody from photos, which the site does not keep. Scope people:write.

        Parameters
        ----------
        photos
            Paths, or JPEG, PNG, BMP or WebP bytes.
        request_id
            32 hex digits; the same again is the same enrolment. Give it to try again safely.
        confirm
            Enrol also who looks like another person: else that is a ``SiteConflictError``.
        changes
            ``groups``, ``consent_at``, ``expires_at``, ``card``, ``blocked``.
        """
        fields = {
            "name": name,
            "changes": json.dumps(changes),
            "request_id": request_id or uuid.uuid4().hex,
            "confirm": "true" if confirm else "false",
        }
        files = [item if isinstance(item, bytes) else Path(item).read_bytes() for item in photos]
        body, kind = form_of(fields, files)
        return self._link.ask("POST", "/people", body, headers={"Content-Type": kind})

    def change(self, uid: str, *, base: int | None = None, **changes: Any) -> dict[str, Any]:
        """Change somebody: return ``person`` and ``conflicts``. Scope people:write.

        ``base``: the version that the change begins from; what others changed since is merged.
        """
        headers = {} if base is None else {"If-Match": f'"{base}"'}
        return self._link.send("PATCH", f"/people/{part(uid)}", changes, headers=headers)

    def erase(self, uid: str) -> dict[str, Any]:
        """Erase somebody here and at every door; return the receipt. Scope people:write."""
        return self._link.ask("DELETE", f"/people/{part(uid)}")

    def account(self, uid: str) -> dict[str, Any]:
        """Return everything held of somebody, for that person. Scope people:read."""
        return self._link.get(f"/people/{part(uid)}/account")

    def doors(self) -> list[dict[str, Any]]:
        """Return the doors and how they are. Scope doors:read."""
        return self._link.get("/doors")

    def add_door(self, name: str, *, groups: Sequence[str]) -> str:
        """Add a door; return its token. Scope doors:write."""
        return self._link.send("POST", "/doors", {"name": name, "groups": list(groups)})["token"]

    def remove_door(self, name: str) -> None:
        """Take a door away. Scope doors:write."""
        self._link.ask("DELETE", f"/doors/{part(name)}")

    def schedules(self) -> dict[str, dict[str, Any]]:
        """Return the schedules by name, as door.toml has them. Scope rules:read."""
        return self._link.get("/schedules")

    def put_schedule(self, name: str, table: Mapping[str, Any]) -> None:
        """Set a schedule. Scope rules:write."""
        self._link.send("PUT", f"/schedules/{part(name)}", dict(table))

    def groups(self) -> dict[str, dict[str, Any]]:
        """Return the groups by name, as door.toml has them. Scope rules:read."""
        return self._link.get("/groups")

    def put_group(self, name: str, table: Mapping[str, Any]) -> None:
        """Set a group. Scope rules:write."""
        self._link.send("PUT", f"/groups/{part(name)}", dict(table))

    def events(self, **wanted: Any) -> Iterator[dict[str, Any]]:
        """Yield events, newest first. Scope events:read.

        ``door``, ``kind``, ``reason``, ``opened``, ``person``, ``since``, ``until``: only such.
        """
        before: int | None = None
        while True:
            page = self._link.get("/events", {**wanted, "before": before, "limit": 200})
            yield from page["events"]
            before = page["next"]
            if before is None:
                return

    def follow(self, *, after: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield events as they come, for ever; ``after``: the id of the last one that you have.

        It ends by ``SiteUnavailableError`` when the connection does: go on from the last id.
        Scope events:read.
        """
        yield from self._link.follow("/events/stream", {"after": after})

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        self._link.close()

    def __enter__(self) -> SiteClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
