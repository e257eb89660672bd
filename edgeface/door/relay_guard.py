"""The guard: a process of its own that holds the output lines and ends every pulse itself.

`relay_link.Guard` starts it as ``python -I relay_guard.py SETTINGS``. It imports the standard
library and gpiod only, so that it is small and runs whatever becomes of its parent: when that is
stopped, hangs or is killed, the pulse still ends here, by this process's own clock. One command a
line on standard input, one answer a line on standard output; times are CLOCK_MONOTONIC, ns:

    beat ID SENT               the parent lives                  beat ID
    open ID SENT SECONDS       release the door                  done ID AT ... locked AT
    lock ID SENT               end the pulse now                 done ID AT
    send ID SENT BITS          a Wiegand frame of 0s and 1s      done ID AT ... sent WIDTH GAP (µs)

"stale ID" answers a command that lay in the pipe for too long: it does nothing. "ready" is the
first line; "failed TEXT" the last one of a guard that cannot drive its lines.
"""

from __future__ import annotations

import gc
import json
import math
import os
import select
import signal
import sys
import time
from typing import Any

FRESH_NS = 250_000_000  # an older command is not obeyed: whoever sent it no longer waits for it
_PRIORITY = 50  # of SCHED_FIFO, where this process may have it
_GLANCE_S = 0.25  # how often it looks whether its parent still is its parent
_LONGEST_LINE = 4096
_SPIN_NS = 200_000  # sleep ends this long before a Wiegand slot, the rest is waited busily


class Relay:
    """One line that releases or locks a door; locked from the moment it is requested."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from gpiod.line import Value

        self._locked = Value(settings["locked"])
        self._open = Value(1 - settings["locked"])
        self._line = settings["lines"][0]
        self._longest_ns = round(settings["max_pulse_s"] * 1e9)
        self._watchdog_ns = round(settings["watchdog_s"] * 1e9)
        self._opened_ns: int | None = None
        self._until_ns = 0
        self._heard_ns = 0
        self._request = _request(settings, self._locked)

    def heard(self) -> None:
        """Note that the parent lives."""
        self._heard_ns = time.monotonic_ns()

    def obey(self, word: str, text: str) -> None:
        """Do what a command says."""
        if word == "open":
            self._release(float(text))
        elif word == "lock":
            self.lock()
        else:
            raise ValueError(f"a relay has no command {word!r}")

    def _release(self, seconds: float) -> None:
        if not 0 < seconds < math.inf:
            raise ValueError(f"found a pulse of {seconds} s, expected one that ends")
        now = time.monotonic_ns()
        opened = now if self._opened_ns is None else self._opened_ns
        # Pulses overlap, they do not add up; all of them together are limited.
        until = max(self._until_ns, now + round(seconds * 1e9))
        self._until_ns = min(until, opened + self._longest_ns)
        self._opened_ns = opened
        self._request.set_value(self._line, self._open)

    def wait_s(self) -> float:
        """Seconds until `tick` has something to do."""
        if self._opened_ns is None:
            return math.inf
        return max(0, self._end_ns() - time.monotonic_ns()) / 1e9

    def _end_ns(self) -> int:
        return min(self._until_ns, self._heard_ns + self._watchdog_ns)

    def tick(self) -> str | None:
        """End the pulse when it is time, or when the parent was not heard for too long."""
        if self._opened_ns is None or time.monotonic_ns() < self._end_ns():
            return None
        self.lock()
        return f"locked {time.monotonic_ns()}"

    def lock(self) -> None:
        """Lock the door."""
        self._request.set_value(self._line, self._locked)
        self._opened_ns, self._until_ns = None, 0


class Wiegand:
    """Two lines, D0 and D1, on which a frame is sent bit by bit."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from gpiod.line import Value

        self._on, self._off = Value.ACTIVE, Value.INACTIVE
        self._lines = settings["lines"]
        self._pulse_ns = settings["pulse_us"] * 1000
        self._interval_ns = settings["interval_us"] * 1000
        self._frame = ""
        self._request = _request(settings, self._off)

    def heard(self) -> None:
        """A frame ends by itself: nothing to note."""

    def obey(self, word: str, text: str) -> None:
        """Take a frame; it leaves with the next `tick`, once the parent knows."""
        if word != "send" or not text or set(text) - {"0", "1"}:
            raise ValueError(f"found {word!r} with {len(text)} characters, expected send and bits")
        self._frame = text

    def wait_s(self) -> float:
        """Seconds until `tick` has something to do."""
        return 0.0 if self._frame else math.inf

    def tick(self) -> str | None:
        """Send the frame that waits; say how long the longest pulse and interval were."""
        if not self._frame:
            return None
        frame, self._frame = self._frame, ""
        start = time.monotonic_ns() + self._interval_ns
        widest, begun = 0, []
        for position, bit in enumerate(frame):
            _wait_until(start + position * self._interval_ns)
            begun.append(time.monotonic_ns())
            self._pulse(self._lines[int(bit)])
            widest = max(widest, time.monotonic_ns() - begun[-1])
        gaps = [later - earlier for earlier, later in zip(begun, begun[1:])]
        return f"sent {widest // 1000} {max(gaps, default=0) // 1000}"

    def _pulse(self, line: int) -> None:
        self._request.set_value(line, self._on)
        end = time.monotonic_ns() + self._pulse_ns
        while time.monotonic_ns() < end:
            pass
        self._request.set_value(line, self._off)

    def lock(self) -> None:
        """Leave both lines idle."""
        self._request.set_values({line: self._off for line in self._lines})


def _wait_until(moment: int) -> None:
    rest = moment - _SPIN_NS - time.monotonic_ns()
    if rest > 0:
        time.sleep(rest / 1e9)
    while time.monotonic_ns() < moment:
        pass


def _request(settings: dict[str, Any], value: Any) -> Any:
    import gpiod
    from gpiod.line import Direction, Drive

    lines = gpiod.LineSettings(
        direction=Direction.OUTPUT,
        drive=Drive[settings["drive"].upper()],
        active_low=settings["active_low"],
        output_value=value,
    )
    wanted = {line: lines for line in settings["lines"]}
    return gpiod.request_lines(settings["chip"], config=wanted, consumer=settings["consumer"])


def main(settings: dict[str, Any]) -> int:
    """Hold the lines of ``settings`` until standard input ends; return the exit status."""
    for number in (signal.SIGTERM, signal.SIGABRT, signal.SIGHUP):  # systemd's; its watchdog's
        signal.signal(number, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends us
    os.set_blocking(1, False)  # a parent that reads nothing holds up nothing
    real_time = _take_priority()
    try:
        job = {"relay": Relay, "wiegand": Wiegand}[settings["job"]](settings)
        _say("ready real-time" if real_time else "ready")
        try:
            _serve(job)
        finally:
            job.lock()
    except BrokenPipeError:
        return 0
    except (OSError, ImportError) as error:
        _say(f"failed {error}")
        return 1
    return 0


def _take_priority() -> bool:
    gc.disable()  # nothing here makes cycles
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except OSError:
        return False
    return True


def _serve(job: Relay | Wiegand) -> None:
    parent, rest = os.getppid(), b""
    poller = select.poll()
    poller.register(0, select.POLLIN)
    while os.getppid() == parent:
        if poller.poll(1000 * min(job.wait_s(), _GLANCE_S)):
            data = os.read(0, _LONGEST_LINE)
            *lines, rest = (rest + data).split(b"\n")
            if not data or len(rest) > _LONGEST_LINE:
                return
            for line in lines:
                _command(job, line.decode("ascii", "replace"))
        told = job.tick()
        if told:
            _say(told)


def _command(job: Relay | Wiegand, line: str) -> None:
    word, number, sent, text = (line.split(" ", 3) + [""] * 3)[:4]
    try:
        if time.monotonic_ns() - int(sent) > FRESH_NS:
            _say(f"stale {number}")
            return
        job.heard()
        if word == "beat":
            _say(f"beat {number}")
            return
        job.obey(word, text)
    except ValueError as error:
        _say(f"refused {number} {error}")
        return
    _say(f"done {number} {time.monotonic_ns()}")


def _say(text: str) -> None:
    try:
        os.write(1, text.encode("ascii", "replace").replace(b"\n", b" ") + b"\n")
    except BlockingIOError:
        pass  # the parent does not read: what it misses, it finds out by asking


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
