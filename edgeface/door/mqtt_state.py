"""What the retained topics of a door say: kept up by its outputs, read when it is sent."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from edgeface.door.event import Alarm, Decision, Moment
from edgeface.door.mqtt_discovery import HEALTH, LASTING_ALARMS, Topics
from edgeface.door.mqtt_link import Publication
from edgeface.door.sender_message import encoded

_OF_DECISION = ("reason", "at", "person")


class DoorState:
    """The last decision, whether the door is released, alarms and figures. Threads may share one.

    Parameters
    ----------
    topics
        Where the door publishes.
    """

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._lock = threading.Lock()
        self._locks_again: float | None = None
        self._faults: frozenset[str] = frozenset()  # parts, of which several may fail at once
        self._state: dict[str, Any] = {"released": "OFF", **dict.fromkeys(_OF_DECISION)}
        self._alarms = dict.fromkeys(LASTING_ALARMS, "OFF")
        self._health: dict[str, float] = {}

    def take(self, output: Decision | Alarm, *, message: Mapping[str, Any]) -> str | None:
        """Take an output over, with its message; return the topic that changed, if one did."""
        with self._lock:
            if isinstance(output, Alarm):
                return self._take_alarm(output)
            self._state.update({key: message[key] for key in _OF_DECISION})
            if output.opens:
                self._state["released"] = "ON"
                self._locks_again = output.moment.monotonic + output.pulse_s
            return self._topics.state

    def elapse(self, moment: Moment) -> str | None:
        """End the release when its time is over; return the topic that changed, if it did."""
        with self._lock:
            if self._locks_again is None or moment.monotonic < self._locks_again:
                return None
            self._locks_again, self._state["released"] = None, "OFF"
            return self._topics.state

    def take_health(self, figures: Mapping[str, float]) -> bool:
        """Take figures over, and say whether there is a new one among them."""
        unknown = sorted(set(figures) - set(HEALTH))
        if unknown:
            raise ValueError(f"no such figures: {unknown}; expected some of {sorted(HEALTH)}")
        if not all(math.isfinite(value) for value in figures.values()):
            raise ValueError(f"found {dict(figures)}, expected finite numbers")
        with self._lock:
            new = not set(figures) <= set(self._health)
            self._health.update(figures)
            return new

    def health(self) -> tuple[str, ...]:
        """Return which figures there are."""
        with self._lock:
            return tuple(sorted(self._health))

    def publication(self, topic: str) -> Publication:
        """Return what a topic says now."""
        with self._lock:
            said = {
                self._topics.state: self._state,
                self._topics.alarms: self._alarms,
                self._topics.health: self._health,
            }
            return Publication(topic, encoded(said[topic]), retain=True)

    def publications(self) -> Iterable[Publication]:
        """Return all of them."""
        topics = [self._topics.state, self._topics.alarms]
        topics += [self._topics.health] * bool(self.health())
        return [self.publication(topic) for topic in topics]

    def _take_alarm(self, alarm: Alarm) -> str | None:
        if alarm.kind not in self._alarms:
            return None
        active = alarm.active
        if alarm.kind == "fault":
            part = {alarm.detail.partition(":")[0]}
            self._faults = self._faults | part if active else self._faults - part
            active = bool(self._faults)
        self._alarms[alarm.kind] = "ON" if active else "OFF"
        return self._topics.alarms
