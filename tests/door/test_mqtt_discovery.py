"""What Home Assistant is told, against the keys that its documentation has."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import jinja2
import pytest

from edgeface.door.event import Alarm, Reason
from edgeface.door.mqtt_discovery import (
    HEALTH,
    LASTING_ALARMS,
    MOMENTARY_ALARMS,
    Topics,
    discovery,
)
from edgeface.door.mqtt_state import DoorState
from edgeface.door.sender_message import EVENT_TYPES, encoded, message_of
from edgeface.schema import parse_json
from tests.door.outputs import alarm, denial, moment, opening

TOPICS = Topics("edgeface/front")
# home-assistant.io: MQTT (discovery), MQTT Event, MQTT Binary Sensor, MQTT Sensor.
EVERY_ENTITY = {
    "availability", "availability_mode", "availability_template", "availability_topic", "device",
    "device_class", "enabled_by_default", "encoding", "entity_category", "icon",
    "json_attributes_template", "json_attributes_topic", "name", "origin", "payload_available",
    "payload_not_available", "qos", "state_topic", "unique_id", "value_template",
}  # fmt: skip
KEYS = {
    "event": EVERY_ENTITY | {"event_types"},
    "binary_sensor": EVERY_ENTITY
    | {"expire_after", "force_update", "off_delay", "payload_off", "payload_on"},
    "sensor": EVERY_ENTITY
    | {
        *("expire_after", "force_update", "last_reset_value_template", "options"),
        *("state_class", "suggested_display_precision", "unit_of_measurement"),
    },
}
REQUIRED = {"event": {"event_types"}, "binary_sensor": set(), "sensor": set()}
DEVICE_KEYS = {
    "configuration_url", "connections", "hw_version", "identifiers", "manufacturer", "model",
    "model_id", "name", "serial_number", "suggested_area", "sw_version", "via_device",
}  # fmt: skip
BINARY_CLASSES = {
    "battery", "battery_charging", "carbon_monoxide", "cold", "connectivity", "door",
    "garage_door", "gas", "heat", "light", "lock", "moisture", "motion", "moving", "occupancy",
    "opening", "plug", "power", "presence", "problem", "running", "safety", "smoke", "sound",
    "tamper", "update", "vibration", "window",
}  # fmt: skip
SENSOR_CLASSES = {"data_size", "duration", "enum", "temperature", "timestamp"}
UNITS = {"temperature": {"°C"}, "duration": {"s"}, "data_size": {"MB"}}


def configs(*, send_names: bool = True) -> dict[str, tuple[str, dict]]:
    """Topic -> (component, configuration) of every entity there can be."""
    found = discovery(
        TOPICS,
        door="front",
        version="1.2.3",
        prefix="homeassistant",
        send_names=send_names,
        health=sorted(HEALTH),
    )
    return {m.topic: (m.topic.split("/")[1], json.loads(m.payload)) for m in found if m.payload}


@pytest.mark.parametrize("topic", configs())
def test_configuration_has_documented_keys_only(topic: str) -> None:
    component, config = configs()[topic]
    assert re.fullmatch(r"homeassistant/\w+/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config", topic)
    assert set(config) <= KEYS[component]
    assert {"state_topic", "unique_id", "device"} | REQUIRED[component] <= set(config)
    assert set(config["device"]) <= DEVICE_KEYS and config["device"]["identifiers"]
    assert config["origin"] == {"name": "edgeface", "sw_version": "1.2.3"}
    assert config["availability_topic"] == TOPICS.availability


@pytest.mark.parametrize("topic", configs())
def test_device_class_and_unit_are_ones_that_go_together(topic: str) -> None:
    component, config = configs()[topic]
    device_class = config.get("device_class")
    if component == "binary_sensor":
        assert device_class in BINARY_CLASSES
    elif device_class is not None:
        assert device_class in SENSOR_CLASSES
        if device_class in UNITS:
            assert config["unit_of_measurement"] in UNITS[device_class]
        # These two take no unit and no state class.
        if device_class in ("enum", "timestamp"):
            assert not {"unit_of_measurement", "state_class"} & set(config)


def test_no_entity_takes_commands() -> None:
    assert "command" not in json.dumps(configs())
    assert {component for component, _ in configs().values()} == {
        "event",
        "binary_sensor",
        "sensor",
    }


def test_every_message_is_retained_and_every_id_differs() -> None:
    found = configs()
    assert len({config["unique_id"] for _, config in found.values()}) == len(found)
    many = discovery(TOPICS, door="front", version="1", prefix="ha", send_names=False, health=())
    assert all(message.retain for message in many)


def test_last_person_is_an_entity_only_where_names_are_sent() -> None:
    assert "homeassistant/sensor/front/person/config" in configs()
    assert "homeassistant/sensor/front/person/config" not in configs(send_names=False)
    [taken_away] = [
        message
        for message in discovery(
            TOPICS, door="front", version="1", prefix="ha", send_names=False, health=()
        )
        if not message.payload
    ]
    assert taken_away.topic == "ha/sensor/front/person/config" and taken_away.retain


@pytest.mark.parametrize("output", [opening(), denial(), alarm(), alarm(active=False)])
def test_event_types_and_reasons_are_those_announced(output) -> None:
    message = message_of(output, door="front", send_names=False)
    found = configs()
    assert message["event_type"] in EVENT_TYPES
    assert found["homeassistant/event/front/access/config"][1]["event_types"] == list(EVENT_TYPES)
    options = found["homeassistant/sensor/front/reason/config"][1]["options"]
    assert options == [reason.value for reason in Reason]
    assert message.get("reason", options[0]) in options


def test_templates_read_what_the_topics_say() -> None:
    """Each `value_json.KEY` is a key of the retained topic that the entity listens to."""
    state = DoorState(TOPICS)
    state.take_health(dict.fromkeys(HEALTH, 1.0))
    told = {p.topic: json.loads(p.payload) for p in state.publications()}
    for component, config in configs().values():
        if component != "event" and config["state_topic"] != TOPICS.event:
            key = re.fullmatch(r"\{\{ value_json\.(\w+) \}\}", config["value_template"])
            assert key and key[1] in told[config["state_topic"]]


@pytest.mark.parametrize("kind", MOMENTARY_ALARMS)
def test_alarm_without_an_end_ends_by_itself_in_home_assistant(kind: str) -> None:
    config = configs()[f"homeassistant/binary_sensor/front/{kind}/config"][1]
    assert config["off_delay"] == 60 and config["state_topic"] == TOPICS.event
    template = jinja2.Template(config["value_template"])
    said = [
        template.render(value_json=message_of(output, door="front", send_names=False))
        for output in (alarm(kind), alarm("tamper"), denial(), opening())
    ]
    assert said == ["ON", "", "", ""]


def test_fault_is_on_until_the_last_part_works_again() -> None:
    state = DoorState(TOPICS)

    def fault(detail: str, active: bool) -> str:
        output = Alarm(moment(), "fault", active, detail=detail)
        assert state.take(output, message={}) == TOPICS.alarms
        return json.loads(state.publication(TOPICS.alarms).payload)["fault"]

    assert fault("camera: unplugged", True) == "ON"
    assert fault("actuator: no answer", True) == "ON"
    assert fault("camera", False) == "ON"
    assert fault("actuator", False) == "OFF"


def test_kinds_of_alarm_are_all_known() -> None:
    said = str(Alarm.__doc__)
    assert set(re.findall(r'"(\w+)"', said)) == set(LASTING_ALARMS) | set(MOMENTARY_ALARMS)


def test_figure_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="no such figures"):
        DoorState(TOPICS).take_health({"mood": 1.0})
    with pytest.raises(ValueError, match="finite"):
        DoorState(TOPICS).take_health({"temperature_c": float("nan")})


def test_text_and_figures_of_any_kind_become_strict_json() -> None:
    odd = replace(opening(person="\udce4\n\x00"), score=float("nan"), live=float("inf"))
    message = parse_json(encoded({**message_of(odd, door="front", send_names=False)}))
    assert message["score"] is None and message["live"] is None
    assert b"?" in encoded(message_of(odd, door="front", send_names=True))
