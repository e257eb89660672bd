"""Door processes over fake GPIO chips: what the tests of relay and Wiegand share."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fakes.gpio_chip import Change, FakeChip, FakeGpio

ROOT = Path(__file__).resolve().parent.parent.parent


class DoorProcess:
    """A process of relay_worker.py; `end` it."""

    def __init__(self, gpio: FakeGpio, table: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.door.relay_worker", json.dumps(table)],
            cwd=ROOT,
            env={**os.environ, **gpio.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.hello = json.loads(self.process.stdout.readline())

    def tell(self, **command: Any) -> dict[str, Any]:
        """Give a command, return the answer."""
        self.send(**command)
        return json.loads(self.process.stdout.readline())

    def send(self, **command: Any) -> None:
        """Give a command, and do not wait for its answer."""
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def ask(self) -> dict[str, Any]:
        """Return events, fault and the guard's process id."""
        return self.tell(ask=1)

    def stop(self) -> None:
        """Let it hang: SIGSTOP."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Undo `stop`."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Let it die without a word: SIGKILL."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """End it whatever its state is."""
        self.go_on()
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process.stdout.close()


def eventually(holds: Callable[[], bool], *, within_s: float = 5.0) -> bool:
    """Wait until something holds; False when it never did."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.01)
    return holds()


def pulses(chip: FakeChip, line: int) -> list[float]:
    """How long a line was high each time, seconds; infinity for one that did not end."""
    found, begin = [], None
    for change in chip.changes(line):
        if change.level == 1 and begin is None:
            begin = change.seconds
        elif change.level != 1 and begin is not None:
            found.append(change.seconds - begin)
            begin = None
    return [*found, float("inf")] if begin is not None else found


def last(chip: FakeChip, line: int) -> Change:
    """The last level that a line was driven to."""
    return [change for change in chip.changes(line) if change.level >= 0][-1]
