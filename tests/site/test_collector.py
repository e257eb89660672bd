"""From a door's log to the site's table over a real broker, and who may say what there."""

from __future__ import annotations

import json
import ssl
import sys
import threading
import time
from dataclasses import replace

import pytest
from paho.mqtt import client as mqtt

from edgeface.site.collector import Collector, client_id_of
from edgeface.site.events import Events
from tests.door.audit_logs import KEY, lines, open_log, opening
from tests.door.broker import PASSWORD, Broker
from tests.door.outputs import wait_until
from tests.site.brokers import broker_of, collector_of, shipper_of, site_says
from tests.site.door_logs import ADA, arrivals, write_log


def test_lines_arrive_as_they_are_written(broker, events, tmp_path):
    folder = write_log(tmp_path / "audit", visits=3)
    with collector_of(broker, events), shipper_of(broker, folder) as shipper:
        shipper.start()
        with site_says(shipper, events):
            wait_until(lambda: events.received("north"))
            with open_log(folder) as log:
                log.write(opening())
                began = time.monotonic()
                wait_until(lambda: len(events.find(person=ADA).events) == 3)
                sys.stdout.write(f"\nlogged to found at the site: {time.monotonic() - began:.3f} s")
            wait_until(lambda: shipper.unsent() == 0)
            assert shipper.problem() is None
    report = events.verify("north")
    assert report.whole and report.logs[0].report.entries == len(lines(folder))


def notices(events: Events) -> list[str]:
    return [event.detail for event in events.find(kind="unreadable").events]


def client_of(broker: Broker, user: str, *, client_id: str = "") -> mqtt.Client:
    client_id = client_id or f"other-{user}"
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id)
    client.username_pw_set(user, PASSWORD)
    client.tls_set_context(ssl.create_default_context(cafile=str(broker.certificates.authority)))
    client.connect("localhost", broker.port)
    client.loop_start()
    return client


def test_door_writes_its_own_topics_only_and_reads_nothing(broker, events, tmp_path):
    sent = arrivals(write_log(tmp_path / "audit", visits=1))
    lines = [
        json.dumps({"log": found.log_id, "line": found.line.decode(), "people": {}})
        for found in sent
    ]
    heard: list[str] = []
    with collector_of(broker, events) as collector:
        wait_until(lambda: collector.problem() is None)
        south = client_of(broker, "south")
        south.on_message = lambda _client, _data, message: heard.append(message.topic)
        south.subscribe("#", qos=1)
        for topic in ("edgeface/north/log", "edgeface/north/key", "edgeface/log"):
            south.publish(topic, lines[0], qos=1)
        south.publish("homeassistant/sensor/north/person/config", b"", qos=1)
        for line in lines:
            south.publish("edgeface/south/log", line, qos=1)
        wait_until(lambda: events.received("south") == {sent[0].log_id: len(sent)})
        south.disconnect()
        south.loop_stop()
    assert events.received("north") == {} and heard == []
    assert [event.detail for event in events.find(kind="chain_broken").events] == [
        "its log calls the door 'north', and 'south' sent it"
    ]


def test_door_that_does_not_know_the_collectors_id_cannot_take_its_place(
    broker, events, certificates, tmp_path
):
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)
    table = {"host": "localhost", "port": broker.port, "username": "site"}
    table |= {"password_file": "password", "ca_file": str(certificates.authority)}
    key, other = b"k" * 32, b"o" * 32
    assert client_id_of(key) == client_id_of(key) != client_id_of(other)
    with Collector.from_settings(table, base=tmp_path, events=events, key=key) as collector:
        wait_until(lambda: collector.problem() is None)
        taken = {}
        for client_id in (client_id_of(other), client_id_of(key)):
            south = client_of(broker, "south", client_id=client_id)
            deadline = time.monotonic() + 1
            while collector.problem() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            taken[client_id] = collector.problem() is not None
            south.disconnect()
            south.loop_stop()
        assert taken == {client_id_of(other): False, client_id_of(key): True}
        wait_until(lambda: collector.problem() is None)


def test_house_reads_all_that_doors_say_and_writes_nothing(broker, events):
    heard: list[str] = []
    house, north = client_of(broker, "house"), client_of(broker, "north")
    house.on_message = lambda _client, _data, message: heard.append(message.topic)
    ready = threading.Event()
    house.on_subscribe = lambda *_: ready.set()
    house.subscribe([("edgeface/#", 1), ("homeassistant/#", 1)])
    assert ready.wait(10)
    with collector_of(broker, events) as collector:
        wait_until(lambda: collector.problem() is None)
        house.publish("edgeface/north/key", KEY.public_pem, qos=1).wait_for_publish(5)
        said = ["edgeface/north/event", "homeassistant/sensor/north/people/config"]
        for topic in said:
            north.publish(topic, b"{}", qos=1)
        wait_until(lambda: len(heard) == 2)
    assert sorted(heard) == said and not events.keys("north")
    for client in (house, north):
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"\xff", b"[1]", b'{"log": "x", "line": "", "people": {}}', b"x" * 20000],
)
def test_strange_message_is_noticed_and_what_follows_is_taken(broker, events, payload, qos):
    with collector_of(broker, events) as collector:
        wait_until(lambda: collector.problem() is None)
        north = client_of(broker, "north")
        north.publish("edgeface/north/log", payload, qos=qos)
        north.publish("edgeface/north/key", KEY.public_pem, qos=1)
        wait_until(lambda: events.keys("north"))
        wait_until(lambda: notices(events))
        north.disconnect()
        north.loop_stop()
    assert len(notices(events)) == 1


def test_collector_says_why_nothing_comes_in(broker, events, certificates):
    with Collector(events, replace(broker_of(broker, user="site"), password=b"wrong")) as refused:
        wait_until(lambda: "refused us" in str(refused.problem()))
    broker.kill()
    with collector_of(broker, events) as alone:
        wait_until(lambda: "localhost" in str(alone.problem()))
        broker.start()
        wait_until(lambda: alone.problem() is None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_collector_that_ended_by_a_fault_of_its_own_says_so(broker, events, monkeypatch):
    with collector_of(broker, events) as collector:
        wait_until(lambda: collector.problem() is None)
        monkeypatch.setattr(events, "introduce", lambda door, key: 1 // 0)
        client_of(broker, "north").publish("edgeface/north/key", b"key", qos=1)
        wait_until(lambda: "fault of its own" in str(collector.problem()))
