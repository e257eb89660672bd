"""Tells a web server of every decision and alarm, by a signed HTTPS POST."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeface.door import sender_settings
from edgeface.door.actuator import Actuator
from edgeface.door.event import Alarm, Decision
from edgeface.door.sender_message import encoded, message_of
from edgeface.door.sender_queue import Backoff, SenderQueue, SenderState
from edgeface.door.webhook_post import Target, deliver
from edgeface.door.webhook_signature import Received, WebhookReceiver, verify_signature
from edgeface.errors import DoorError

__all__ = ["SETTINGS", "Received", "Webhook", "WebhookReceiver", "verify_signature"]

SETTINGS = sender_settings.table(
    "webhook",
    {
        "url": {
            "type": "string",
            "pattern": "https?://[!-~]{1,2000}",
            "description": "where to POST to, https://",
        },
        "secret_file": sender_settings.path(
            "file with the secret that signs, at least 16 bytes; a path or credential:NAME"
        ),
        "ca_file": sender_settings.path("PEM file of who may sign the server; the system's"),
        "allow_plain_http": {
            "type": "boolean",
            "description": "whether http:// will do: signed, but everybody on the way reads; false",
        },
        "timeout_s": sender_settings.seconds(0.1, 60, "for one request, all of it; 5"),
        "longest_pause_s": sender_settings.seconds(1, 3600, "between two tries, at most; 60"),
        "queue": sender_settings.QUEUE,
        "door": sender_settings.DOOR,
        "send_names": sender_settings.SEND_NAMES,
    },
    required=("url", "secret_file"),
)
_SHORTEST_SECRET = 16


@dataclass(frozen=True)
class _Post:
    """One message, ready to be signed and sent."""

    event_id: str
    body: bytes


class Webhook(Actuator):
    """Sends each decision and alarm to one URL, in order, until the server answers 2xx.

    A server that is down or answers 5xx, 408, 425 or 429 is tried again, with longer and longer
    pauses, while `queue` newer events wait; any other answer, a redirect too, gives the event up.

    Parameters
    ----------
    target
        Where to send to.
    secret
        Signs each request; at least 16 bytes.
    name, door
        Of this actuator in logs, and of the door in messages.
    queue
        How many messages may wait; the oldest give way.
    send_names
        Whether messages say who it was.
    backoff
        Pauses between tries.
    clock, wall_clock
        Seconds of a monotonic clock, and seconds since 1970.
    """

    def __init__(
        self,
        target: Target,
        *,
        secret: bytes,
        name: str = "webhook",
        door: str = "door",
        queue: int = 1000,
        send_names: bool = False,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        secret = secret.strip()
        if len(secret) < _SHORTEST_SECRET:
            raise DoorError(
                f"secret_file of {name}: found {len(secret)} bytes, expected at least "
                f"{_SHORTEST_SECRET}; make one: openssl rand -hex 32"
            )
        self.name, self.must_work = name, False
        self._target, self._secret, self._wall_clock = target, secret, wall_clock
        self._door, self._send_names = door, send_names
        self._queue: SenderQueue[_Post] = SenderQueue(
            self._send,
            name=name,
            most=queue,
            patience_s=2 * target.timeout_s + 5,
            backoff=backoff,
            clock=clock,
        )

    @classmethod
    def from_settings(cls, table: Mapping[str, Any], *, base: Path) -> Webhook:
        """Open what an ``[[actuators]]`` table of kind "webhook" says.

        Raises
        ------
        DoorError
            http:// without `allow_plain_http`, or a secret or CA file that cannot be used.
        """
        name = table.get("name", "webhook")
        ca_file = table.get("ca_file")
        target = Target.of(
            table["url"],
            timeout_s=table.get("timeout_s", 5.0),
            ca_file=None if ca_file is None else base / ca_file,
            allow_plain_http=table.get("allow_plain_http", False),
        )
        return cls(
            target,
            secret=sender_settings.secret_setting(table, "secret_file", base=base),
            name=name,
            door=table.get("door", name),
            queue=table.get("queue", 1000),
            send_names=table.get("send_names", False),
            backoff=Backoff(longest_s=table.get("longest_pause_s", 60.0)),
        )

    def handle(self, output: Decision | Alarm) -> None:
        """Queue it; an ActuatorError after `close`."""
        message = message_of(output, door=self._door, send_names=self._send_names)
        self._queue.put(_Post(message["event_id"], encoded(message)))

    def fault(self) -> str | None:
        """Return why messages do not get through now, or None."""
        return self._queue.fault()

    def state(self) -> SenderState:
        """Return how many messages were delivered, dropped and refused, and how many wait."""
        return self._queue.state()

    def delays_s(self) -> tuple[float, ...]:
        """Return how long each of the last messages took from `handle` to the server's answer."""
        return self._queue.delays_s()

    def close(self) -> None:
        """Send what waits for up to two seconds, then give it up."""
        self._queue.close()

    def _send(self, message: _Post) -> None:
        now = self._wall_clock()
        deliver(self._target, message.body, event_id=message.event_id, secret=self._secret, now=now)
