"""Takes the doors' audit logs from the broker into the database.

A message is acknowledged only after the database has it: until then the broker keeps it, and a
broker that loses it is no loss, for doors send again what the site does not have.
"""

from __future__ import annotations

import hashlib
import hmac
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeface.door.mqtt_broker import BROKER, read_broker
from edgeface.door.mqtt_link import Broker
from edgeface.door.sender_queue import Backoff
from edgeface.errors import SiteError
from edgeface.site.events import Events
from edgeface.site.events_arrival import Arrival, unreadable
from edgeface.site.wire import KEY_TOPIC, LOG_MESSAGE, LOG_TOPIC, parsed

SETTINGS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["host"],
    "properties": BROKER,
}
"""Table [mqtt] of site.toml."""

_BATCH = 100
_QOS = 1
_CLIENT_ID = b"edgeface collector 1"
_BACKOFF = Backoff(first_s=0.2, longest_s=5.0)


@dataclass(frozen=True)
class _Message:
    """What came, and how to acknowledge it: only in the connection in which it came."""

    topic: str
    payload: bytes
    number: int
    qos: int
    connection: int


def client_id_of(key: bytes) -> str:
    """Return the collector's id at the broker, the same each time, made of the site's secret key.

    Whoever connects with an id ends the connection that has it: a stolen door must not know it.
    """
    return f"edgeface-site-{hmac.new(key, _CLIENT_ID, hashlib.sha256).hexdigest()[:32]}"


class Collector:
    """A subscriber with a session that the broker keeps. Close it, or use it as a context manager.

    It connects in its own threads, at once and again after every loss, for ever.

    Parameters
    ----------
    events
        Where to.
    broker
        Where from; its `client_id` names the session.
    prefix
        First level of the doors' topics.
    """

    def __init__(self, events: Events, broker: Broker, *, prefix: str = "edgeface") -> None:
        self._events, self._broker, self._prefix = events, broker, prefix
        self._waiting: queue.Queue[_Message | None] = queue.Queue()
        self._connection = 0
        self._connected = threading.Event()
        self._closing = threading.Event()
        self._why = "not connected yet"
        self._failed: str | None = None
        self._client = self._opened()
        self._thread = threading.Thread(target=self._run, name="edgeface collector", daemon=True)
        self._thread.start()

    @classmethod
    def from_settings(
        cls, table: Mapping[str, Any], *, base: Path, events: Events, key: bytes
    ) -> Collector:
        """Open the collector of table [mqtt] of site.toml; ``key`` is the site's.

        Raises
        ------
        DoorError
            A CA or password file that cannot be used, or paho-mqtt is not installed.
        """
        broker = read_broker(table, base=base, client_id=client_id_of(key))
        return cls(events, broker, prefix=table.get("prefix", "edgeface"))

    def problem(self) -> str | None:
        """Return why nothing comes in now, or None."""
        if not self._connected.is_set():
            return f"{self._broker.host}:{self._broker.port}: {self._why}"
        if not (self._thread.is_alive() or self._closing.is_set()):
            return (
                "the collector ended by a fault of its own: restart 'edgeface site' and report it"
            )
        return self._failed

    def close(self) -> None:
        """Leave; the broker keeps what comes meanwhile. Closing twice is harmless."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._client.disconnect()
        self._client.loop_stop()
        self._waiting.put(None)
        self._thread.join()

    def __enter__(self) -> Collector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> Any:
        from paho.mqtt import client as mqtt

        broker = self._broker
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            protocol=mqtt.MQTTv311,
            clean_session=False,
            manual_ack=True,
        )
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        client.connect_timeout = broker.timeout_s
        client.reconnect_delay_set(min_delay=1, max_delay=max(1, int(broker.longest_pause_s)))
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_message = self._on_message
        client.connect_async(broker.host, broker.port, keepalive=broker.keepalive_s)
        client.loop_start()
        return client

    def _on_connect(self, client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        if code.is_failure:
            self._why = f"the broker refused us: {code}; see username and password_file"
            return
        self._connection += 1
        topics = (topic.format(prefix=self._prefix, door="+") for topic in (LOG_TOPIC, KEY_TOPIC))
        client.subscribe([(topic, _QOS) for topic in topics])
        self._connected.set()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        if self._connected.is_set():
            self._why = f"the connection was lost: {code}"
        self._connected.clear()

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        how = (message.mid, message.qos, self._connection)
        self._waiting.put(_Message(message.topic, message.payload, *how))

    def _run(self) -> None:
        import psycopg

        while not self._closing.is_set():
            batch = self._batch()
            failures = 0
            while batch and not self._closing.is_set():
                try:
                    self._take(batch)
                    self._failed = None
                    break
                except (SiteError, psycopg.Error) as error:
                    failures, self._failed = failures + 1, str(error)
                    self._closing.wait(_BACKOFF.pause_s(failures))

    def _batch(self) -> list[_Message]:
        """Wait for messages and return those that are there."""
        found = [self._waiting.get()]
        while len(found) < _BATCH and not self._waiting.empty():
            found.append(self._waiting.get())
        return [message for message in found if message is not None]

    def _take(self, batch: list[_Message]) -> None:
        arrivals = []
        for message in batch:
            door, kind = message.topic.split("/")[1:3]
            if kind == "key":
                self._events.introduce(door, message.payload)
            else:
                arrivals.append(self._arrival(door, message.payload))
        self._events.receive_all([arrival for arrival in arrivals if arrival is not None])
        for message in batch:
            if message.qos and message.connection == self._connection:
                self._client.ack(message.number, message.qos)

    def _arrival(self, door: str, payload: bytes) -> Arrival | None:
        try:
            said = parsed(payload, LOG_MESSAGE, what="a log's line")
        except SiteError as error:
            self._events.notice(unreadable(Arrival(door, "", payload, {}), str(error)))
            return None
        line = said["line"].encode("utf-8")
        return Arrival(door, said["log"], line, said["people"], said.get("missing_from"))
