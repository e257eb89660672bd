"""Tells an MQTT broker, and Home Assistant, of every decision and alarm.

It only tells: it subscribes to nothing, so no message on any topic opens the door.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import edgeface
from edgeface.door import sender_settings
from edgeface.door.actuator import Actuator
from edgeface.door.event import Alarm, Decision, Event, Moment
from edgeface.door.mqtt_broker import BROKER, LEVEL, read_broker
from edgeface.door.mqtt_discovery import Topics, discovery
from edgeface.door.mqtt_link import Broker, MqttLink, Publication
from edgeface.door.mqtt_state import DoorState
from edgeface.door.sender_message import encoded, message_of
from edgeface.door.sender_queue import Backoff, SenderQueue, SenderState

SETTINGS = sender_settings.table(
    "mqtt",
    {
        **BROKER,
        "discovery_prefix": {
            "type": "string",
            "pattern": f"|{LEVEL}",
            "description": 'of Home Assistant; "" tells it nothing; "homeassistant"',
        },
        "queue": sender_settings.QUEUE,
        "door": sender_settings.DOOR,
        "send_names": sender_settings.SEND_NAMES,
    },
    required=("host",),
)
_RETRY = Backoff(first_s=0.1, longest_s=1.0)  # of messages; connecting has longer pauses


class Mqtt(Actuator):
    """Publishes events as they come, and keeps a retained state of the door.

    Parameters
    ----------
    broker
        Where to.
    name, door
        Of this actuator in logs, and of the door in topics: letters, digits, - and _.
    prefix
        First level of the door's topics.
    discovery_prefix
        Home Assistant's; None tells it nothing.
    queue
        How many messages may wait while the broker is away; the oldest give way.
    send_names
        Whether messages say who it was.
    clock
        Seconds of a monotonic clock.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        name: str = "mqtt",
        door: str = "door",
        prefix: str = "edgeface",
        discovery_prefix: str | None = "homeassistant",
        queue: int = 1000,
        send_names: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.must_work = name, False
        self.topics = Topics(f"{prefix}/{door}")
        self._door, self._send_names, self._discovery_prefix = door, send_names, discovery_prefix
        self._state, self._version = DoorState(self.topics), edgeface.__version__
        self._link = MqttLink(
            broker, availability_topic=self.topics.availability, greeting=self._greeting
        )
        self._queue: SenderQueue[Publication | str] = SenderQueue(
            self._deliver,
            name=name,
            most=queue,
            patience_s=2 * broker.timeout_s + 5,
            backoff=_RETRY,
            clock=clock,
        )

    @classmethod
    def from_settings(cls, table: Mapping[str, Any], *, base: Path) -> Mqtt:
        """Open what an ``[[actuators]]`` table of kind "mqtt" says.

        Raises
        ------
        DoorError
            No TLS without `allow_plain`, a CA or password file that cannot be used, or paho-mqtt
            is not installed.
        """
        name = table.get("name", "mqtt")
        door = table.get("door", name)
        prefix = table.get("discovery_prefix", "homeassistant")
        return cls(
            read_broker(table, base=base, client_id=f"edgeface-{door}"),
            name=name,
            door=door,
            prefix=table.get("prefix", "edgeface"),
            discovery_prefix=prefix or None,
            queue=table.get("queue", 1000),
            send_names=table.get("send_names", False),
        )

    def handle(self, output: Decision | Alarm) -> None:
        """Queue it; an ActuatorError after `close`."""
        message = message_of(output, door=self._door, send_names=self._send_names)
        changed = self._state.take(output, message=message)
        self._queue.put(Publication(self.topics.event, encoded(message)))
        self._tell_again(changed)

    def show(self, instruction: str) -> None:
        """Publish it, for a display that subscribes to `Topics.instruction`."""
        self._queue.put(Publication(self.topics.instruction, instruction.encode("utf-8")))

    def poll(self, moment: Moment) -> tuple[Event, ...]:
        """Tell that the release is over when its time is; a broker reports nothing to the door."""
        self._tell_again(self._state.elapse(moment))
        return ()

    def tell_health(self, **figures: float) -> None:
        """Publish figures of the board; Home Assistant gets a sensor for each.

        Parameters
        ----------
        figures
            Any of `edgeface.door.mqtt_discovery.HEALTH`: temperature_c, frames_per_s, frame_age_s,
            memory_mb, people, messages_dropped (its own, where it is not given). Others are a
            ValueError.
        """
        figures = {"messages_dropped": self._queue.state().dropped, **figures}
        if self._state.take_health(figures):
            for message in self._discovery():
                self._queue.put(message)
        self._tell_again(self.topics.health)

    def fault(self) -> str | None:
        """Return why messages do not get through now, or None."""
        problem = self._link.problem()
        return self._queue.fault() or (problem and f"{self.name}: {problem}")

    def state(self) -> SenderState:
        """Return how many messages were delivered, dropped and refused, and how many wait."""
        return self._queue.state()

    def delays_s(self) -> tuple[float, ...]:
        """Return how long each of the last messages took from `handle` to the acknowledgement."""
        return self._queue.delays_s()

    def close(self) -> None:
        """Send what waits for up to two seconds, say that the door is offline, and disconnect."""
        self._queue.close(drain_s=0.0 if self._link.problem() else 2.0)
        self._link.close()

    def _deliver(self, item: Publication | str) -> None:
        """Publish an event as it was queued, or what a retained topic holds by now.

        So a release that was over before the broker came back is never told as if it were now.
        """
        message = item if isinstance(item, Publication) else self._state.publication(item)
        self._link.publish(message, closing=lambda: self._queue.closing)

    def _tell_again(self, topic: str | None) -> None:
        if topic is not None:
            self._queue.put(topic)

    def _greeting(self) -> list[Publication]:
        return [*self._discovery(), *self._state.publications()]

    def _discovery(self) -> list[Publication]:
        if self._discovery_prefix is None:
            return []
        found = discovery(
            self.topics,
            door=self._door,
            version=self._version,
            prefix=self._discovery_prefix,
            send_names=self._send_names,
            health=self._state.health(),
        )
        return list(found)
