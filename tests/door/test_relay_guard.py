"""The guard process by itself: what it answers on its pipe, and what it does not obey."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.door import relay_guard
from tests.door.doors import pulses
from tests.fakes.gpio_chip import FakeChip, FakeGpio

PIN = 3


@pytest.fixture
def gpio(tmp_path: Path) -> Iterator[FakeGpio]:
    fake = FakeGpio(tmp_path, {"soc": 32})
    yield fake
    fake.close()


@pytest.fixture
def chip(gpio: FakeGpio) -> FakeChip:
    return gpio.chips["soc"]


def guard_answers(gpio: FakeGpio, *lines: str) -> list[str]:
    """What a guard of PIN says to lines on its standard input, which then ends."""
    settings = (
        '{"job": "relay", "chip": "/dev/gpiochip0", "lines": [3], "active_low": false, '
        '"drive": "push_pull", "locked": 0, "max_pulse_s": 1, "watchdog_s": 1, "consumer": "t"}'
    )
    done = subprocess.run(
        [sys.executable, "-I", relay_guard.__file__, settings],
        input="".join(f"{line}\n" for line in lines),
        env={**os.environ, **gpio.environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()[1:]


def test_command_that_lay_in_the_pipe_does_not_open(gpio: FakeGpio, chip: FakeChip) -> None:
    assert guard_answers(gpio, "open 1 0 0.5") == ["stale 1"]
    assert pulses(chip, PIN) == []


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0", "", "x", "1 2"])
def test_pulse_that_is_no_length_is_refused_by_the_guard(
    gpio: FakeGpio, chip: FakeChip, text: str
) -> None:
    [answer] = guard_answers(gpio, f"open 1 {time.monotonic_ns() + 10**10} {text}")
    assert answer.startswith("refused 1")
    assert pulses(chip, PIN) == []


def test_garbage_ends_no_guard_and_opens_nothing(gpio: FakeGpio, chip: FakeChip) -> None:
    answers = guard_answers(gpio, "", "open", "open x", "\x00\x7f", "send 1 99999999999999999 01")
    assert len(answers) == 5 and all(answer.startswith("refused") for answer in answers)
    assert pulses(chip, PIN) == []
