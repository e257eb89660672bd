"""Tells a web server of every event of all doors, by a signed HTTPS POST.

The events in the database are the outbox: what was not taken yet is sent again, in order, after any
restart. Receivers check it as a door's webhook (docs/actuators.md).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from edgeface.door.audit_entry import SIGNED_KINDS
from edgeface.door.sender_message import encoded
from edgeface.door.sender_queue import Backoff, DeliveryError
from edgeface.door.sender_settings import path
from edgeface.door.webhook_post import Target, deliver
from edgeface.errors import SiteError
from edgeface.site.database import Database
from edgeface.site.events import Event, Events
from edgeface.site.watch import Watch

SETTINGS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["url", "secret_file"],
    "properties": {
        "url": {
            "type": "string",
            "pattern": "https?://[!-~]{1,2000}",
            "description": "where to POST each event to, https://",
        },
        "secret_file": path("file with the secret that signs, at least 16 bytes"),
        "ca_file": path("PEM file of who may sign the receiver; the system's"),
        "allow_plain_http": {
            "type": "boolean",
            "description": "whether http:// will do: signed, but everybody on the way reads; false",
        },
    },
}
"""Table [webhook] of site.toml."""

SHORTEST_SECRET = 16
_LEFT_OUT = {*SIGNED_KINDS, "start", "stop", "note"}  # of the log itself, not of the door
_AT_ONCE = 100
_LOOK_S = 5.0
_BACKOFF = Backoff(first_s=0.5, longest_s=60.0)


class SiteWebhook:
    """Sends in a thread of its own, which begins at once. `close` it.

    A receiver that is down, or answers 5xx, 408, 425 or 429, is tried again, with longer and longer
    pauses; any other answer gives the event up. A new receiver is told from now on.

    Parameters
    ----------
    database, events, watch
        The site's.
    url
        Names the receiver in the database.
    target, secret
        Where it is, and what signs.

    Raises
    ------
    SiteError
        The secret is too short, or the database does not answer.
    """

    def __init__(
        self,
        database: Database,
        events: Events,
        watch: Watch,
        *,
        url: str,
        target: Target,
        secret: bytes,
    ) -> None:
        if len(secret) < SHORTEST_SECRET:
            raise SiteError(
                f"[webhook] secret_file: found {len(secret)} bytes, expected at least "
                f"{SHORTEST_SECRET}; make one: openssl rand -hex 32"
            )
        self._database, self._events, self._watch = database, events, watch
        self._url, self._target, self._secret = url, target, secret
        self._closing = threading.Event()
        self._problem: str | None = None
        self._failures = 0
        self._told = self._begin()
        self._thread = threading.Thread(target=self._run, name="site webhook", daemon=True)
        self._thread.start()

    def problem(self) -> str | None:
        """Return why events do not get through now, or None."""
        return self._problem and f"webhook: {self._problem}"

    def close(self) -> None:
        """End it, when the event at hand is through; what waits is sent after the next start."""
        self._closing.set()
        self._thread.join(2 * self._target.timeout_s)

    def __enter__(self) -> SiteWebhook:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            mark = self._watch.mark
            try:
                if not self._send_next():
                    self._watch.wait(["events"], after=mark, timeout_s=_LOOK_S)
            except (DeliveryError, SiteError) as error:
                self._failures += 1
                self._problem = str(error)
                self._closing.wait(_BACKOFF.pause_s(self._failures))

    def _send_next(self) -> bool:
        """Send what there is, at most some; whether there was any."""
        found = self._events.arrived(self._told, limit=_AT_ONCE)
        for event in found:
            if self._closing.is_set():
                return True
            if event.kind not in _LEFT_OUT:
                self._send(event)
            self._keep(event.id)
        return bool(found)

    def _send(self, event: Event) -> None:
        try:
            message = _message(event)
            deliver(
                self._target, encoded(message), event_id=message["event_id"], secret=self._secret
            )
            self._problem, self._failures = None, 0
        except DeliveryError as error:
            if error.again:
                raise
            self._problem = str(error)

    def _begin(self) -> int:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO site_webhook (url, told) "
                "SELECT %s, coalesce(max(id), 0) FROM event ON CONFLICT DO NOTHING",
                (self._url,),
            )
            query = "SELECT told FROM site_webhook WHERE url = %s"
            (told,) = connection.execute(query, (self._url,)).fetchone()
        return told

    def _keep(self, told: int) -> None:
        with self._database.transaction() as connection:
            query = "UPDATE site_webhook SET told = %s WHERE url = %s"
            connection.execute(query, (told, self._url))
        self._told = told


def _message(event: Event) -> Mapping[str, Any]:
    """People are in it by their uid."""
    return {
        "event_id": f"{event.door}-{event.id}",
        "event_type": event.kind,
        **event.message(),
    }
