"""The relay over a fake character device: real gpiod, real processes, levels from the pin's log."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edgeface.door.relay import SETTINGS
from edgeface.schema import first_problem
from tests.door.doors import DoorProcess, eventually, last, pulses
from tests.fakes.gpio_chip import FakeChip, FakeGpio

PIN = 3
LATE_S = 0.1  # a test machine that is busy; docs/relay.md has what was measured
Doors = Callable[..., DoorProcess]


@pytest.fixture
def gpio(tmp_path: Path) -> Iterator[FakeGpio]:
    fake = FakeGpio(tmp_path, {"soc": 32, "expander": 16}, {("expander", PIN): "RELAY1"})
    yield fake
    fake.close()


@pytest.fixture
def chip(gpio: FakeGpio) -> FakeChip:
    return gpio.chips["expander"]


@pytest.fixture
def doors(gpio: FakeGpio) -> Iterator[Doors]:
    """Start a door process: ``doors(fail="safe", ...)``."""
    running = []

    def start(**settings: Any) -> DoorProcess:
        running.append(DoorProcess(gpio, table(**settings)))
        return running[-1]

    yield start
    for door in running:
        door.end()


def table(**settings: Any) -> dict[str, Any]:
    known = {"kind": "relay", "name": "front", "chip": "expander", "line": PIN, "fail": "secure"}
    return {**known, **settings}


def test_relay_takes_its_line_locked_and_names_itself(chip: FakeChip, doors: Doors) -> None:
    door = doors(line="RELAY1")
    assert [change.level for change in chip.changes(PIN)] == [0]
    assert chip.consumer(PIN) == "front relay"
    assert door.ask()["fault"] is None


@pytest.mark.parametrize(
    ("fail", "active_low", "locked"),
    [("secure", False, 0), ("secure", True, 1), ("safe", False, 1), ("safe", True, 0)],
)
def test_level_when_locked_and_open(
    chip: FakeChip, doors: Doors, fail: str, active_low: bool, locked: int
) -> None:
    door = doors(fail=fail, active_low=active_low)
    door.tell(open=0.2)
    assert chip.level(PIN) == 1 - locked
    assert eventually(lambda: chip.level(PIN) == locked)
    door.tell(open=5)
    door.tell(close=1)
    assert {change.level for change in chip.changes(PIN)[:1]} == {locked}
    assert last(chip, PIN).level == locked


def test_pulse_is_as_long_as_was_decided_and_begins_at_once(chip: FakeChip, doors: Doors) -> None:
    told = doors().tell(open=0.3)
    begun = chip.changes(PIN)[1].seconds - told["begin"]
    assert 0 <= begun < LATE_S
    assert eventually(lambda: last(chip, PIN).level == 0)
    assert 0.3 <= pulses(chip, PIN)[0] < 0.3 + LATE_S


def test_denial_moves_nothing(chip: FakeChip, doors: Doors) -> None:
    assert doors().tell(deny=1)["error"] is None
    assert len(chip.changes(PIN)) == 1


def test_two_opens_overlap_and_do_not_add_up(chip: FakeChip, doors: Doors) -> None:
    door = doors()
    door.tell(open=0.4)
    time.sleep(0.2)
    door.tell(open=0.4)
    assert eventually(lambda: last(chip, PIN).level == 0)
    [length] = pulses(chip, PIN)
    assert 0.55 < length < 0.6 + 2 * LATE_S


def test_opens_one_after_another_never_exceed_the_longest_pulse(
    chip: FakeChip, doors: Doors
) -> None:
    door = doors(max_pulse_s=0.5)
    for _ in range(8):
        door.tell(open=0.3)
        time.sleep(0.05)
    assert eventually(lambda: last(chip, PIN).level == 0)
    assert 0.5 <= pulses(chip, PIN)[0] < 0.5 + LATE_S


def test_pulse_longer_than_allowed_is_cut(chip: FakeChip, doors: Doors) -> None:
    doors(max_pulse_s=0.3).tell(open=60)
    assert eventually(lambda: last(chip, PIN).level == 0)
    assert 0.3 <= pulses(chip, PIN)[0] < 0.3 + LATE_S


@pytest.mark.parametrize("length", [0, -1, float("nan")])
def test_pulse_without_length_is_refused(chip: FakeChip, doors: Doors, length: float) -> None:
    assert "expected more than 0" in doors().tell(open=length)["error"]
    assert len(chip.changes(PIN)) == 1


@pytest.mark.parametrize("command", ["close", "lock"])
def test_pulse_ends_when_the_relay_is_told_to_lock(
    chip: FakeChip, doors: Doors, command: str
) -> None:
    door = doors()
    door.tell(open=5)
    door.tell(**{command: 1})
    assert last(chip, PIN).level == 0
    assert pulses(chip, PIN)[0] < 0.2 + LATE_S


def test_pulse_ends_in_time_while_the_door_process_is_stopped(chip: FakeChip, doors: Doors) -> None:
    door = doors()
    door.tell(open=0.5)
    door.stop()
    assert eventually(lambda: last(chip, PIN).level == 0)
    assert 0.5 <= pulses(chip, PIN)[0] < 0.5 + LATE_S
    door.go_on()
    assert door.ask()["fault"] is None


def test_long_pulse_of_a_stopped_door_process_is_ended_by_the_watchdog(
    chip: FakeChip, doors: Doors
) -> None:
    door = doors(watchdog_s=0.4)
    door.tell(open=9)
    door.stop()
    assert eventually(lambda: last(chip, PIN).level == 0)
    assert pulses(chip, PIN)[0] < 0.4 + LATE_S
    door.go_on()
    assert door.tell(open=0.1)["error"] is None


def test_door_process_killed_in_a_pulse_leaves_the_door_locked(
    chip: FakeChip, doors: Doors
) -> None:
    door = doors()
    door.tell(open=5)
    door.kill()
    assert eventually(lambda: chip.consumer(PIN) is None)
    assert last(chip, PIN).level == 0
    assert pulses(chip, PIN)[0] < 0.2 + LATE_S


def test_guard_killed_in_a_pulse_is_a_fault_and_another_locks_the_door(
    chip: FakeChip, doors: Doors
) -> None:
    door = doors()
    door.stop()  # so that nothing is mended before we have looked
    door.go_on()
    first = door.tell(open=5)["pid"]
    killed = time.monotonic()
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: last(chip, PIN).level == 0)
    assert last(chip, PIN).process != first and last(chip, PIN).seconds - killed < 2
    assert eventually(lambda: door.ask()["fault"] is None)
    assert door.tell(open=0.1)["error"] is None


def test_killed_guard_is_told_as_a_fault(chip: FakeChip, doors: Doors) -> None:
    door = doors()
    os.kill(door.ask()["pid"], signal.SIGKILL)
    assert eventually(lambda: "guard" in (door.ask()["fault"] or ""))


def test_guard_that_hangs_in_a_pulse_is_replaced_and_the_door_locked(
    chip: FakeChip, doors: Doors
) -> None:
    door = doors(watchdog_s=0.4)
    first = door.tell(open=0.2)["pid"]
    os.kill(first, signal.SIGSTOP)
    assert eventually(lambda: last(chip, PIN).level == 0)
    assert last(chip, PIN).process != first
    assert eventually(lambda: door.ask()["fault"] is None)


def test_open_through_a_guard_that_hangs_is_an_error_and_opens_nothing(
    chip: FakeChip, doors: Doors
) -> None:
    door = doors()
    os.kill(door.ask()["pid"], signal.SIGSTOP)
    assert "did not answer" in door.tell(open=1)["error"]
    assert eventually(lambda: door.ask()["fault"] is None)
    assert pulses(chip, PIN) == []


def test_door_closed_while_its_guard_hangs_in_a_pulse_is_locked(
    chip: FakeChip, doors: Doors
) -> None:
    door = doors()
    os.kill(door.tell(open=9)["pid"], signal.SIGSTOP)
    door.tell(close=1)
    assert last(chip, PIN).level == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGABRT, signal.SIGHUP])
def test_guard_locks_before_it_is_terminated(chip: FakeChip, doors: Doors, how: int) -> None:
    """As by systemd, whose watchdog ends a hung door and its guard by SIGABRT."""
    guard = doors().tell(open=9)["pid"]
    os.kill(guard, how)
    locked = (guard, 0)
    assert eventually(lambda: locked in [(c.process, c.level) for c in chip.changes(PIN)[1:]])


def test_line_that_cannot_be_driven_is_an_error_until_it_can(chip: FakeChip, doors: Doors) -> None:
    door = doors()
    chip.fail_writes(errno.EIO)
    assert "Input/output error" in door.tell(open=1)["error"]
    assert door.ask()["fault"] is not None
    chip.fail_writes(0)
    assert eventually(lambda: door.ask()["fault"] is None)
    assert pulses(chip, PIN) == []


def test_guard_is_small(doors: Doors) -> None:
    status = Path(f"/proc/{doors().ask()['pid']}/status").read_text()
    resident_kb = int(status.split("VmRSS:")[1].split()[0])
    assert resident_kb < 24_000


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"chip": "nothing"}, "there are: soc, expander"),
        ({"chip": "/dev/gpiochip7"}, "No such file"),
        ({"line": "RELAY9"}, "RELAY9"),
        ({"line": 99}, "99"),
    ],
)
def test_line_that_is_not_there_is_refused_with_what_there_is(
    doors: Doors, settings: dict[str, Any], text: str
) -> None:
    assert text in doors(**settings).hello["error"]


def test_line_in_use_is_refused(doors: Doors) -> None:
    doors()
    assert "busy" in doors(name="back").hello["error"]


def test_settings_are_a_sound_schema_and_hold_what_a_door_needs() -> None:
    jsonschema.Draft202012Validator.check_schema(SETTINGS)
    assert first_problem(table(contact={"line": 4}, exit={"line": "EXIT"}), SETTINGS) is None
    assert "fail" in first_problem({**table(), "fail": "open"}, SETTINGS)
    assert "no such field" in first_problem(table(pulse=1), SETTINGS)
