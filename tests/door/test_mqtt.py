"""MQTT, against a real mosquitto with TLS and a password."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.door.event import Moment
from edgeface.door.mqtt import SETTINGS, Mqtt
from edgeface.errors import ActuatorError, DoorError
from edgeface.schema import first_problem
from tests.door.broker import PASSWORD, USER, Broker, Listener
from tests.door.certificates import Certificates, make_certificates
from tests.door.outputs import (
    NAME,
    alarm,
    denial,
    moment,
    opening,
    report_delays,
    tells_who,
    wait_until,
)

EVENT = "edgeface/front/event"
STATE = "edgeface/front/state"
ALARMS = "edgeface/front/alarms"
AVAILABILITY = "edgeface/front/availability"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def broker(tmp_path: Path, certificates: Certificates) -> Iterator[Broker]:
    broker = Broker(tmp_path, certificates)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    listener = Listener(broker)
    yield listener
    listener.close()


def settings(broker: Broker, folder: Path, *, password: str = PASSWORD, **more) -> dict:
    secret = folder / "password"
    secret.write_text(password + "\n")
    secret.chmod(0o600)
    table = {
        "kind": "mqtt",
        "host": "localhost",
        "port": broker.port,
        "ca_file": str(broker.certificates.authority),
        "username": USER,
        "password_file": "password",
        "door": "front",
        "timeout_s": 2,
        "longest_pause_s": 1,
        **more,
    }
    assert first_problem(table, SETTINGS) is None
    return table


@pytest.fixture
def door(broker: Broker, listener: Listener, tmp_path: Path) -> Iterator[Mqtt]:
    with Mqtt.from_settings(settings(broker, tmp_path), base=tmp_path) as door:
        wait_until(lambda: door.fault() is None)
        yield door


def told(listener: Listener, topic: str) -> dict:
    return json.loads(listener.last().get(topic, b"{}"))


def events(listener: Listener) -> list[dict]:
    return [json.loads(payload) for payload in listener.on(EVENT)]


def test_events_arrive_as_json_without_names_or_cards(door: Mqtt, listener: Listener) -> None:
    door.handle(opening())
    door.handle(denial())
    wait_until(lambda: len(events(listener)) == 2)
    first, second = events(listener)
    assert (first["event_type"], first["reason"], first["score"]) == ("opened", "recognised", 0.61)
    assert first["clock"] == "unsure"
    assert second["event_type"] == "denied" and first["event_id"] != second["event_id"]
    assert not any(tells_who(payload) for _, payload, _ in listener.got)
    assert not any(retained for topic, _, retained in listener.got if topic == EVENT)


def test_names_are_sent_where_they_are_asked_for(
    broker: Broker, listener: Listener, tmp_path: Path
) -> None:
    table = settings(broker, tmp_path, send_names=True)
    with Mqtt.from_settings(table, base=tmp_path) as door:
        door.handle(opening())
        wait_until(lambda: events(listener))
    assert events(listener)[0]["person"] == NAME
    assert told(listener, STATE).get("person") == NAME
    assert "homeassistant/sensor/front/person/config" in listener.last()


def test_release_is_told_for_as_long_as_it_lasts(door: Mqtt, listener: Listener) -> None:
    decision = opening(pulse_s=3.0)
    door.handle(decision)
    wait_until(lambda: told(listener, STATE).get("released") == "ON")
    door.poll(Moment(decision.moment.monotonic + 2.9, None))
    door.poll(Moment(decision.moment.monotonic + 3.0, None))
    wait_until(lambda: told(listener, STATE).get("released") == "OFF")


def test_alarm_is_on_until_it_is_over(door: Mqtt, listener: Listener) -> None:
    door.handle(alarm("tamper"))
    wait_until(lambda: told(listener, ALARMS).get("tamper") == "ON")
    assert told(listener, ALARMS).get("forced") == "OFF"
    door.handle(alarm("tamper", active=False))
    wait_until(lambda: told(listener, ALARMS).get("tamper") == "OFF")
    assert [event["event_type"] for event in events(listener)] == ["alarm", "alarm_over"]


def test_health_is_told_and_announced(door: Mqtt, listener: Listener) -> None:
    config = "homeassistant/sensor/front/temperature_c/config"
    door.tell_health(temperature_c=51.5, people=12)
    wait_until(lambda: told(listener, "edgeface/front/health") and config in listener.last())
    figures = {"temperature_c": 51.5, "people": 12, "messages_dropped": 0}
    assert told(listener, "edgeface/front/health") == figures
    with pytest.raises(ValueError, match="no such figures"):
        door.tell_health(mood=1)


def test_nothing_published_on_any_topic_does_anything(
    broker: Broker, door: Mqtt, listener: Listener
) -> None:
    wait_until(lambda: STATE in listener.last())
    topics = {topic for topic, _, _ in listener.got}
    topics |= {f"edgeface/front/{name}" for name in ("set", "command", "open", "lock", "cmnd")}
    topics |= {"edgeface/front", "edgeface/set", "homeassistant/lock/front/set", "front/open"}
    before = door.state()
    for topic in sorted(topics):
        for payload in (b"OPEN", b"ON", b"UNLOCK", b'{"released": "ON"}', b"\xff" * 100):
            listener.publish(topic, payload)
    assert door.poll(moment()) == () and door.fault() is None
    assert door.state() == before  # it published nothing in answer
    assert "SUBSCRIBE from edgeface-front" not in broker.log()


def test_door_that_goes_is_offline_and_one_that_vanishes_too(
    broker: Broker, door: Mqtt, listener: Listener, tmp_path: Path
) -> None:
    wait_until(lambda: listener.last().get(AVAILABILITY) == b"online")
    door._link._client.socket().close()  # as a pulled plug, without a farewell
    wait_until(lambda: b"offline" in listener.on(AVAILABILITY))
    wait_until(lambda: listener.last()[AVAILABILITY] == b"online")
    door.close()
    wait_until(lambda: listener.last()[AVAILABILITY] == b"offline")
    late = Listener(broker)
    wait_until(lambda: (AVAILABILITY, b"offline", True) in late.got)
    late.close()


def test_broker_that_was_killed_gets_everything_again_after_it_starts(
    broker: Broker, door: Mqtt, listener: Listener
) -> None:
    door.handle(alarm("tamper"))
    wait_until(lambda: len(events(listener)) == 1)
    listener.close()
    broker.kill()
    wait_until(door.fault)
    for output in (opening(pulse_s=0.1), denial(), denial()):
        began = time.monotonic()
        door.handle(output)
        assert time.monotonic() - began < 0.05
    time.sleep(0.2)
    door.poll(moment())
    broker.start()
    wait_until(lambda: door.fault() is None and door.state().waiting == 0, within_s=20)
    back = Listener(broker)
    wait_until(lambda: AVAILABILITY in back.last() and ALARMS in back.last())
    assert back.last()[AVAILABILITY] == b"online"
    assert told(back, ALARMS).get("tamper") == "ON"
    state = told(back, STATE)
    assert state["released"] == "OFF" and state["reason"] == "unknown"
    assert any(topic.endswith("/released/config") for topic in back.last())
    back.close()


def test_release_of_yesterday_is_never_told_as_if_it_were_now(
    broker: Broker, door: Mqtt, listener: Listener
) -> None:
    broker.kill()
    wait_until(door.fault)
    decision = opening(pulse_s=0.1)
    door.handle(decision)
    door.poll(Moment(decision.moment.monotonic + 1, None))
    broker.start()
    wait_until(lambda: door.state().waiting == 0 and door.fault() is None, within_s=20)
    back = Listener(broker)
    wait_until(lambda: STATE in back.last())
    assert all(json.loads(payload)["released"] == "OFF" for payload in back.on(STATE))
    back.close()


def test_full_queue_counts_what_it_dropped(broker: Broker, tmp_path: Path) -> None:
    broker.kill()
    table = settings(broker, tmp_path, queue=4)
    with Mqtt.from_settings(table, base=tmp_path) as door:
        for _ in range(20):
            door.handle(denial())
        assert door.state().waiting <= 5 and door.state().dropped >= 35
        wait_until(lambda: "cannot connect" in str(door.fault()))


def test_wrong_password_is_reported(broker: Broker, tmp_path: Path) -> None:
    table = settings(broker, tmp_path, password="guess")
    with Mqtt.from_settings(table, base=tmp_path) as door:
        wait_until(lambda: "refused" in str(door.fault()))
        assert "guess" not in str(door.fault()) and "guess" not in repr(vars(door._link))


def test_broker_of_another_authority_is_not_trusted(broker: Broker, tmp_path: Path) -> None:
    stranger = make_certificates(tmp_path / "stranger")
    table = settings(broker, tmp_path, ca_file=str(stranger.authority))
    with Mqtt.from_settings(table, base=tmp_path) as door:
        wait_until(lambda: "certificate" in str(door.fault()))
        door.handle(opening())
    assert "edgeface-front" not in broker.log()


def test_connection_without_tls_must_be_asked_for(broker: Broker, tmp_path: Path) -> None:
    table = settings(broker, tmp_path)
    with pytest.raises(DoorError, match="exclude each other"):
        Mqtt.from_settings({**table, "allow_plain": True}, base=tmp_path)
    del table["ca_file"]
    with Mqtt.from_settings({**table, "allow_plain": True}, base=tmp_path) as door:
        assert door._link._broker.tls is None
    with Mqtt.from_settings(table, base=tmp_path) as door:
        wait_until(lambda: "certificate" in str(door.fault()))


def test_host_that_is_no_name_is_refused(broker: Broker, tmp_path: Path) -> None:
    table = settings(broker, tmp_path)
    with pytest.raises(DoorError, match="mqtt: host 'broker..example'"):
        Mqtt.from_settings({**table, "host": "broker..example"}, base=tmp_path)


def test_password_that_others_may_read_is_refused(broker: Broker, tmp_path: Path) -> None:
    table = settings(broker, tmp_path)
    (tmp_path / "password").chmod(0o644)
    with pytest.raises(DoorError, match="chmod 600"):
        Mqtt.from_settings(table, base=tmp_path)
    del table["username"]
    with pytest.raises(DoorError, match="add username"):
        Mqtt.from_settings(table, base=tmp_path)


def test_closed_link_refuses_and_closes_twice(door: Mqtt) -> None:
    door.close()
    door.close()
    with pytest.raises(ActuatorError, match="closed"):
        door.handle(denial())


def test_delay_from_handle_to_the_brokers_acknowledgement(door: Mqtt, listener: Listener) -> None:
    wait_until(lambda: told(listener, ALARMS))  # the greeting is over
    for _ in range(100):
        door.handle(denial())
        time.sleep(0.005)
    wait_until(lambda: door.state().waiting == 0)
    assert report_delays("mqtt, handle to acknowledgement", door.delays_s()) < 0.5
