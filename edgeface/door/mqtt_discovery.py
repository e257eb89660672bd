"""What Home Assistant is told of a door, so that its entities appear by themselves.

Keys are those of Home Assistant's documentation (MQTT discovery; event, binary_sensor and sensor).
A door is no `lock` there: that entity needs a command topic, and nothing on a bus opens this door.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from edgeface.door.event import Reason
from edgeface.door.mqtt_link import Publication
from edgeface.door.sender_message import EVENT_TYPES, encoded

# Kind of alarm: its name, its device class.
LASTING_ALARMS = {
    "held_open": ("Held open", "problem"),
    "forced": ("Forced", "safety"),
    "tamper": ("Tamper", "tamper"),
    "locked_out": ("Locked out", "problem"),
    "fault": ("Fault", "problem"),
}
# Those without an end, which Home Assistant ends after a minute.
MOMENTARY_ALARMS = {"duress": ("Duress", "safety"), "blocked": ("Blocked person", "safety")}
_MINUTE_S = 60
# What the door's state becomes: component, key, the state's key, configuration.
_OF_STATE: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    # Device class "lock": on is unlocked.
    ("binary_sensor", "released", "released", {"name": "Released", "device_class": "lock"}),
    (
        *("sensor", "reason", "reason"),
        {
            "name": "Last decision",
            "device_class": "enum",
            "options": [reason.value for reason in Reason],
        },
    ),
    ("sensor", "decided_at", "at", {"name": "Last decided", "device_class": "timestamp"}),
    ("sensor", "person", "person", {"name": "Last person"}),
)
# What may be told of the door's health: name, unit, device class.
HEALTH: dict[str, tuple[str, str | None, str | None]] = {
    "temperature_c": ("Temperature", "°C", "temperature"),
    "frames_per_s": ("Frames", "fps", None),
    "frame_age_s": ("Frame age", "s", "duration"),
    "memory_mb": ("Memory", "MB", "data_size"),
    "people": ("People enrolled", None, None),
    "messages_dropped": ("Messages dropped", None, None),
}


@dataclass(frozen=True)
class Topics:
    """Where a door publishes. Everything but `event` and `instruction` is retained."""

    base: str

    @property
    def availability(self) -> str:
        """ "online" or "offline"."""
        return f"{self.base}/availability"

    @property
    def event(self) -> str:
        """Each decision and alarm, as JSON."""
        return f"{self.base}/event"

    @property
    def instruction(self) -> str:
        """What the visitor is asked to do now, as text for a display; empty: nothing."""
        return f"{self.base}/instruction"

    @property
    def state(self) -> str:
        """The last decision, and whether the door is released now."""
        return f"{self.base}/state"

    @property
    def alarms(self) -> str:
        """Which alarms are active."""
        return f"{self.base}/alarms"

    @property
    def health(self) -> str:
        """Figures of the board."""
        return f"{self.base}/health"


def discovery(
    topics: Topics,
    *,
    door: str,
    version: str,
    prefix: str,
    send_names: bool,
    health: Iterable[str],
) -> Iterator[Publication]:
    """Yield the retained configuration messages of a door's entities.

    Parameters
    ----------
    topics
        Where the door publishes.
    door
        Its name: letters, digits, - and _.
    version
        Of edgeface.
    prefix
        Home Assistant's discovery prefix.
    send_names
        Whether there is an entity that says who came last.
    health
        Which of `HEALTH` the door tells.
    """
    common = {
        "availability_topic": topics.availability,
        "qos": 1,
        "device": {
            "identifiers": [f"edgeface_{door}"],
            "name": door,
            "manufacturer": "edgeface",
            "model": "door",
            "sw_version": version,
        },
        "origin": {"name": "edgeface", "sw_version": version},
    }
    if not send_names:  # an empty message takes the entity away that an earlier setting made
        yield Publication(f"{prefix}/sensor/{door}/person/config", b"", retain=True)
    for component, key, entity in _entities(topics, send_names=send_names, health=health):
        config = {**entity, **common, "unique_id": f"edgeface_{door}_{key}"}
        yield Publication(f"{prefix}/{component}/{door}/{key}/config", encoded(config), retain=True)


def _entities(
    topics: Topics, *, send_names: bool, health: Iterable[str]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield component, key and configuration of each entity."""
    access = {"name": "Access", "state_topic": topics.event, "event_types": list(EVENT_TYPES)}
    yield "event", "access", access
    for component, key, says, entity in _OF_STATE:
        if says != "person" or send_names:
            yield component, key, {**entity, **_value(topics.state, says)}
    for kind, (name, device_class) in LASTING_ALARMS.items():
        entity = {"name": name, "device_class": device_class, **_value(topics.alarms, kind)}
        yield "binary_sensor", kind, entity
    for kind, (name, device_class) in MOMENTARY_ALARMS.items():
        entity = {"name": name, "device_class": device_class, **_moment(topics.event, kind)}
        yield "binary_sensor", kind, entity
    for key in health:
        yield "sensor", key, {**_health(key), **_value(topics.health, key)}


def _value(topic: str, key: str) -> dict[str, str]:
    return {"state_topic": topic, "value_template": f"{{{{ value_json.{key} }}}}"}


def _moment(topic: str, kind: str) -> dict[str, Any]:
    # An empty text is no state: other events leave the sensor as it is.
    template = f"{{{{ 'ON' if value_json.alarm | default('') == '{kind}' else '' }}}}"
    return {"state_topic": topic, "value_template": template, "off_delay": _MINUTE_S}


def _health(key: str) -> dict[str, Any]:
    name, unit, device_class = HEALTH[key]
    entity = {"name": name, "entity_category": "diagnostic", "state_class": "measurement"}
    if unit:
        entity["unit_of_measurement"] = unit
    if device_class:
        entity["device_class"] = device_class
    return entity
