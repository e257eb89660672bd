"""The relay's inputs over a fake character device: door contact, exit button, tamper, duress."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.door.doors import DoorProcess, eventually
from tests.fakes.gpio_chip import FakeChip, FakeGpio

RELAY, CONTACT, EXIT, TAMPER, DURESS, MAINTENANCE = range(6)
INPUTS = {
    "contact": {"line": CONTACT},
    "exit": {"line": EXIT},
    "tamper": {"line": TAMPER},
    "duress": {"line": DURESS},
    "maintenance": {"line": MAINTENANCE},
}
TABLE = {"kind": "relay", "name": "front", "chip": "soc", "line": RELAY, "fail": "secure"}


@pytest.fixture
def gpio(tmp_path: Path) -> Iterator[FakeGpio]:
    fake = FakeGpio(tmp_path, {"soc": 8})
    fake.chips["soc"].drive(EXIT, 1)  # buttons pull their lines down when pressed
    fake.chips["soc"].drive(DURESS, 1)
    fake.chips["soc"].drive(MAINTENANCE, 1)
    yield fake
    fake.close()


@pytest.fixture
def chip(gpio: FakeGpio) -> FakeChip:
    return gpio.chips["soc"]


@pytest.fixture
def start(gpio: FakeGpio) -> Iterator[Callable[..., DoorProcess]]:
    running = []

    def start(**settings: Any) -> DoorProcess:
        running.append(DoorProcess(gpio, {**TABLE, **INPUTS, **settings}))
        assert running[-1].hello["error"] is None
        return running[-1]

    yield start
    for door in running:
        door.end()


def events_of(door: DoorProcess, act: Callable[[], None]) -> list[str]:
    door.ask()
    act()
    time.sleep(0.15)
    return door.ask()["events"]


def test_closed_door_in_peace_tells_its_contact_once_and_nothing_else(start) -> None:
    door = start()
    time.sleep(0.1)
    assert door.ask()["events"] == ["DoorContact False"]
    assert door.ask()["events"] == []


def test_contact_tells_open_and_closed(chip: FakeChip, start) -> None:
    door = start()
    assert events_of(door, lambda: chip.drive(CONTACT, 1)) == ["DoorContact True"]
    assert events_of(door, lambda: chip.drive(CONTACT, 0)) == ["DoorContact False"]


def test_cut_wires_read_as_open_door_and_open_housing(chip: FakeChip, start) -> None:
    chip.drive(CONTACT, 1)  # what the pull-up makes of them
    chip.drive(TAMPER, 1)
    door = start()
    time.sleep(0.1)
    assert door.ask()["events"] == ["DoorContact True", "Tamper True"]


def test_button_is_one_request_however_long_it_is_held(chip: FakeChip, start) -> None:
    door = start()
    assert events_of(door, lambda: chip.drive(EXIT, 0)) == ["ExitRequest"]
    assert events_of(door, lambda: chip.drive(EXIT, 1)) == []


def test_button_held_before_the_start_opens_nothing(chip: FakeChip, start) -> None:
    chip.drive(EXIT, 0)
    door = start()
    time.sleep(0.1)
    assert "ExitRequest" not in door.ask()["events"]
    assert events_of(door, lambda: chip.drive(EXIT, 1)) == []
    assert events_of(door, lambda: chip.drive(EXIT, 0)) == ["ExitRequest"]


def test_duress_and_tamper_are_told(chip: FakeChip, start) -> None:
    door = start()
    assert events_of(door, lambda: chip.drive(DURESS, 0)) == ["Duress"]
    assert events_of(door, lambda: chip.drive(TAMPER, 1)) == ["Tamper True"]


def test_key_switch_is_told_turned_and_back_and_how_it_stands_at_the_start(
    chip: FakeChip, start
) -> None:
    chip.drive(MAINTENANCE, 0)
    door = start()
    time.sleep(0.1)
    assert "Maintenance True" in door.ask()["events"]
    assert events_of(door, lambda: chip.drive(MAINTENANCE, 1)) == ["Maintenance False"]


def test_contact_that_bounces_is_one_change(chip: FakeChip, start) -> None:
    def bounce() -> None:
        for level in [1, 0] * 10 + [1]:
            chip.drive(CONTACT, level)
            time.sleep(0.001)

    door = start(contact={"line": CONTACT, "debounce_s": 0.05})
    assert events_of(door, bounce) == ["DoorContact True"]


def test_short_press_between_two_polls_is_not_lost(chip: FakeChip, start) -> None:
    door = start(exit={"line": EXIT, "debounce_s": 0})
    door.ask()
    door.stop()
    chip.drive(EXIT, 0)
    chip.drive(EXIT, 1)
    door.go_on()
    assert eventually(lambda: "ExitRequest" in door.ask()["events"])


def test_loose_wire_is_a_fault_from_the_start(chip: FakeChip, start) -> None:
    hanging = threading.Event()

    def hum() -> None:
        level = 0
        while not hanging.wait(0.005):
            level = 1 - level
            chip.drive(CONTACT, level)

    thread = threading.Thread(target=hum)
    thread.start()
    try:
        fault = start().ask()["fault"]
    finally:
        hanging.set()
        thread.join()
    assert fault.startswith("contact: changed") and "is a wire loose?" in fault


def test_chip_that_is_pulled_out_is_a_fault_and_ends_no_door(gpio: FakeGpio, start) -> None:
    door = start()
    gpio.close()
    assert eventually(lambda: "cannot be read" in (door.ask()["fault"] or ""))


def test_input_in_use_is_refused_and_the_relay_is_let_go(chip: FakeChip, gpio: FakeGpio) -> None:
    door = DoorProcess(gpio, {**TABLE, "contact": {"line": RELAY}})
    assert "gpioinfo" in door.hello["error"]
    assert eventually(lambda: chip.consumer(RELAY) is None)
    door.end()
