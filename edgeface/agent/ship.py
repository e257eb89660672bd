"""Sends the door's audit log to the site: the log on the disk is the outbox.

Nothing of what was sent is remembered here. The site says up to which line it has the log, and
whatever is behind that is sent again when a broker may have lost it: twice is once there.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from edgeface.agent.ship_read import Line, LogReader
from edgeface.door.audit_entry import plain
from edgeface.door.audit_key import AuditKey
from edgeface.door.audit_settings import AuditSettings
from edgeface.door.mqtt_broker import BROKER, read_broker
from edgeface.door.mqtt_link import Broker, MqttLink, Publication
from edgeface.door.sender_queue import Backoff
from edgeface.errors import EdgeFaceError
from edgeface.site.wire import KEY_TOPIC, LOG_TOPIC

if TYPE_CHECKING:
    from edgeface.door.config import DoorConfig

LINES_PER_S = 200.0
PATIENCE_S = 20.0
WINDOW = 500  # mosquitto keeps 1000 for a client that is away
PREFIX = "edgeface"

SETTINGS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["host"],
    "properties": {
        **BROKER,
        "lines_per_s": {
            "type": "number",
            "minimum": 1,
            "maximum": 10000,
            "description": f"of the audit log, sent at most, after days without; {LINES_PER_S:g}",
        },
    },
}
"""Table [mqtt] of agent.toml."""

_LOOK_S = 0.2  # for new lines
_LONGEST_PATIENCE_S = 600.0
_BACKOFF = Backoff(first_s=0.2, longest_s=5.0)


class Shipper:
    """Publishes a door's audit log. `start` it; `close` it, or use it as a context manager.

    It sends nothing before `received` was called for the first time.

    Parameters
    ----------
    folder
        The audit log's.
    key
        The log's: it makes pseudonyms of names.
    broker
        Where to.
    door
        The door's name in topics.
    uids
        Returns name -> uid of whom the site knows; another mapping whenever that changed.
    prefix
        First level of topics.
    lines_per_s, window
        How many lines are sent a second; how many, while the site has not said that it has them.
    patience_s
        After so long without progress at the site, lines are sent again; then twice as long.
    clock
        Seconds of a monotonic clock.
    """

    def __init__(
        self,
        folder: Path,
        *,
        key: AuditKey,
        broker: Broker,
        door: str,
        uids: Callable[[], Mapping[str, str]],
        prefix: str = PREFIX,
        lines_per_s: float = LINES_PER_S,
        window: int = WINDOW,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader, self._key, self._broker = LogReader(folder), key, broker
        self._topics = {topic: topic.format(prefix=prefix, door=door) for topic in _TOPICS}
        self._uids, self._clock = uids, clock
        self._pause_s, self._window = 1.0 / lines_per_s, window
        self._changed = threading.Condition()
        self._received: dict[str, int] | None = None
        self._log_id: str | None = None
        self._sent = 0  # number of the last line that the broker has
        self._again = self._closing = False
        self._progress_at = clock()
        self._patience_s = self._first_patience_s = patience_s
        self._known: Mapping[str, str] = {}
        self._people: dict[str, str] = {}
        self._problem: str | None = None
        self._link: MqttLink | None = None
        self._thread = threading.Thread(target=self._run, name="edgeface ship", daemon=True)

    @classmethod
    def from_settings(
        cls,
        table: Mapping[str, Any],
        *,
        base: Path,
        door: DoorConfig,
        uids: Callable[[], Mapping[str, str]],
    ) -> Shipper:
        """Return the shipper of table [mqtt] of agent.toml, for a door.

        Raises
        ------
        DoorError
            A CA or password file that cannot be used, or door.toml's [audit] is wrong.
        AuditError
            The log's key cannot be used.
        """
        audit = AuditSettings.from_settings(door.table("audit"), base=door.base)
        return cls(
            audit.path,
            key=AuditKey.load(audit.key),
            broker=read_broker(table, base=base, client_id=f"edgeface-agent-{door.name}"),
            door=door.name,
            uids=uids,
            prefix=table.get("prefix", PREFIX),
            lines_per_s=table.get("lines_per_s", LINES_PER_S),
        )

    def start(self) -> None:
        """Connect, and begin; a broker that is away is waited for."""
        self._link = MqttLink(
            self._broker, availability_topic=self._topics[_AGENT_TOPIC], greeting=self._greeting
        )
        self._thread.start()

    def received(self, mapping: Mapping[str, int]) -> None:
        """Take the site's word: log id -> number up to which it has that log's lines.

        Call it with every answer of the site that has it. Without it nothing more is sent, after
        some lines.
        """
        with self._changed:
            before = self._held()
            self._received = dict(mapping)
            if self._held() > before or self._sent <= self._held():
                self._progress_at, self._patience_s = self._clock(), self._first_patience_s
            elif self._clock() - self._progress_at > self._patience_s:
                # The broker had it, and the site never got it: it was full, or lost its queue.
                self._again, self._progress_at = True, self._clock()
                self._patience_s = min(2 * self._patience_s, _LONGEST_PATIENCE_S)
            self._changed.notify_all()

    def unsent(self) -> int:
        """Return how many lines of the log the site does not have yet, as far as is known.

        Raises
        ------
        AuditError
            The log cannot be read.
        """
        with self._changed:
            known = (self._received or {}).get(self._reader.log_id() or "", 0)
        return max(self._reader.last_seq() - known, 0)

    def problem(self) -> str | None:
        """Return why lines do not get through now, or None."""
        return self._problem or (self._link.problem() if self._link else "not started")

    def close(self) -> None:
        """End; what was not sent is sent after the next `start` of another one."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._link is not None:
            self._thread.join()
            self._link.close()
            self._link = None

    def __enter__(self) -> Shipper:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        failures = 0
        while not self._closing:
            try:
                self._send_all()
                failures, self._problem, pause_s = 0, None, _LOOK_S
            except EdgeFaceError as error:  # the log, the broker, the gallery that names people
                failures, self._problem, self._again = failures + 1, str(error), True
                pause_s = _BACKOFF.pause_s(failures)
            with self._changed:
                self._changed.wait_for(lambda: self._closing, pause_s)

    def _send_all(self) -> None:
        """Send what is there behind the last line that was sent, as far as it may be."""
        if not self._placed():
            return
        for line in self._reader.lines():
            self._send(line)
            with self._changed:
                full = self._sent - self._held() >= self._window
                if full or self._again or self._closing:
                    return

    def _placed(self) -> bool:
        """Stand where the next line is to be sent; False while nothing is."""
        log_id = self._reader.log_id()
        with self._changed:
            if self._received is None or log_id is None:
                return False
            if self._again or log_id != self._log_id:
                self._again, self._log_id = False, log_id
                # A log that was put back to an older state goes on below what the site has.
                self._sent = min(self._held(), self._reader.last_seq())
                self._reader.go_to(self._sent)
            return self._sent - self._held() < self._window

    def _held(self) -> int:
        return (self._received or {}).get(self._log_id or "", 0)

    def _send(self, line: Line) -> None:
        assert self._link is not None  # nosec B101  # for type checkers
        began = self._clock()
        message = Publication(self._topics[LOG_TOPIC], self._payload(line))
        self._link.publish(message, closing=lambda: self._closing)
        with self._changed:
            if self._sent <= self._held():
                self._progress_at = self._clock()  # only now is there something to wait for
            self._sent = line.seq
            left_s = self._pause_s - (self._clock() - began)
            self._changed.wait_for(lambda: self._closing, max(left_s, 0.0))

    def _payload(self, line: Line) -> bytes:
        message: dict[str, Any] = {
            "log": line.log_id,
            "line": line.line.decode("ascii"),
            "people": self._people_in(line.entry),
        }
        if line.missing_from is not None:
            message["missing_from"] = line.missing_from
        return json.dumps(message).encode("ascii")

    def _people_in(self, entry: Mapping[str, Any]) -> dict[str, str]:
        known = self._uids()
        if known is not self._known:
            self._people = {self._key.pseudonym(name): uid for name, uid in known.items()}
            self._people.update({plain(name): uid for name, uid in known.items()})
            self._known = known
        shown = {entry.get("person"), entry.get("with_person")}
        return {who: self._people[who] for who in shown & set(self._people) if who}

    def _greeting(self) -> Iterable[Publication]:
        """Called at every connection: the broker may have lost what the site does not have."""
        with self._changed:
            self._again = self._again or self._sent > self._held()
        return [Publication(self._topics[KEY_TOPIC], self._key.public_pem, retain=True)]


_AGENT_TOPIC = "{prefix}/{door}/agent"
_TOPICS = (_AGENT_TOPIC, KEY_TOPIC, LOG_TOPIC)
