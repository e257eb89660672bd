"""The guard process as the door sees it: started, told, watched, and replaced when it fails."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgeface.door import relay_guard
from edgeface.errors import ActuatorError

_ANSWER_S = 0.25  # as long as the guard obeys a command, see relay_guard.FRESH_NS
_START_S = 10.0  # a board that boots starts Python slowly
_END_S = 1.0
_RESTART_S = 1.0
_STARTING = "its guard starts"
_GRACE_S = 0.5  # after which a pulse that was not reported as ended is ended by force


class Guard:
    """A guard process that holds output lines; `close` ends it, with the lines locked.

    When it dies, hangs or cannot drive its lines, `fault` says so, and a new one is started,
    whose first act is to take the lines in their locked state.

    Parameters
    ----------
    settings
        The guard's: job, chip, lines, consumer and what `relay_guard` reads of them.
    name
        The actuator's, for error texts.
    watchdog_s
        The guard locks the door when it hears nothing for so long; it is given up when it
        answers nothing for so long.
    clock
        Monotonic seconds.

    Raises
    ------
    ActuatorError
        The lines could not be taken.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        name: str,
        watchdog_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = json.dumps({**settings, "watchdog_s": watchdog_s})
        self._name, self._watchdog_s, self._clock = name, watchdog_s, clock
        self._number = 0
        self.real_time = False
        self.sent: tuple[int, int] | None = None  # µs: widest pulse, longest interval of a frame
        self._closed = False
        self._start(_STARTING)
        deadline = clock() + _START_S
        while self._fault == _STARTING and clock() < deadline:
            self._read(deadline - clock())
        if self._fault is not None:
            self._end()
            raise ActuatorError(f"{name}: {self._fault}")

    def _start(self, fault: str) -> None:
        self._fault: str | None = fault
        self._process: subprocess.Popen | None = None
        self._started_s = self._clock()
        self._rest, self._answers = b"", {}
        self._ready = False
        self._unanswered_s: float | None = None  # when the oldest unanswered beat was sent
        self._beat_s = float("-inf")
        self._lock_due_s: float | None = None
        # By its path and isolated: neither our package nor PYTHONPATH or the folder is looked at.
        command = [sys.executable, "-I", relay_guard.__file__, self._settings]
        try:
            self._process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=Path(relay_guard.__file__).anchor,
                start_new_session=True,  # a terminal's Ctrl-C and hang-up are not for it
            )
        except OSError as error:  # no memory, no process left
            self._fault = f"its guard cannot be started: {error.strerror}"
            return
        os.set_blocking(self._process.stdin.fileno(), False)

    def command(self, word: str, text: str, *, ends_s: float | None = None) -> None:
        """Have the guard do something, and wait until it did: a millisecond.

        Parameters
        ----------
        word, text
            "open" and seconds, "lock" and "", "send" and bits.
        ends_s
            For a pulse: how long it is, seconds.

        Raises
        ------
        ActuatorError
            It was not done; a guard that did not answer has been ended and the door locked.
        """
        self._read(0)
        if self._fault is not None:
            raise ActuatorError(f"{self._name}: {self._fault}; nothing was done")
        number = self._write(word, text)
        deadline = self._clock() + _ANSWER_S
        while number not in self._answers and self._fault is None and self._clock() < deadline:
            self._read(deadline - self._clock())
        answer = self._answers.pop(number, "")
        if not answer:
            self._give_up(self._fault or f"its guard did not answer within {_ANSWER_S} s")
            raise ActuatorError(f"{self._name}: {self._fault}; the door was locked")
        if answer != "done":
            raise ActuatorError(f"{self._name}: its guard answered: {answer}; nothing was done")
        if ends_s is not None:
            due = self._clock() + ends_s + _GRACE_S
            self._lock_due_s = max(due, self._lock_due_s or due)

    def beat(self) -> None:
        """Tell the guard that the door's loop runs; see after it. Called in every round."""
        if self._closed:
            return
        self._read(0)
        now = self._clock()
        if self._process is None or self._process.poll() is not None:
            if now - self._started_s > _RESTART_S:
                self._give_up(self._fault or "its guard died")
        elif self._unanswered_s is not None and now - self._unanswered_s > self._watchdog_s:
            self._give_up(f"its guard did not answer for {self._watchdog_s} s")
        elif self._lock_due_s is not None and now > self._lock_due_s:
            self._give_up("its guard did not end a pulse")
        elif not self._ready and now - self._started_s > _START_S:
            self._give_up(self._fault or "its guard does not start")
        elif self._ready and now - self._beat_s > self._watchdog_s / 4:
            self._beat_s = now
            self._write("beat", "")
            self._unanswered_s = now if self._unanswered_s is None else self._unanswered_s

    def fault(self) -> str | None:
        """Return what is wrong, or None."""
        return "closed" if self._closed else self._fault

    def close(self) -> None:
        """Lock the door and end the guard. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        if not self._end():  # it died or hung, perhaps with the door open: another one locks it
            self._start(_STARTING)
            self._end(_START_S)

    def _give_up(self, fault: str) -> None:
        if self._process is not None:
            self._process.kill()
        self._end()
        self._start(fault)

    def _end(self, wait_s: float = _END_S) -> bool:
        """Close both pipes, which ends the guard; True when it locked the door before."""
        if self._process is None:
            return False
        self._process.stdin.close()
        try:
            return self._process.wait(wait_s) == 0
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        finally:
            self._process.stdout.close()

    def _write(self, word: str, text: str) -> str:
        self._number += 1
        number = str(self._number)
        line = f"{word} {number} {time.monotonic_ns()} {text}\n"
        try:
            os.write(self._process.stdin.fileno(), line.encode("ascii"))
        except OSError as error:  # it died, or reads nothing any more
            self._fault = self._fault or f"its guard cannot be told anything: {error.strerror}"
        return number

    def _read(self, wait_s: float) -> None:
        if self._process is None:
            return
        output = self._process.stdout.fileno()
        while select.select([output], [], [], max(0.0, wait_s))[0]:
            data = os.read(output, 4096)
            if not data:
                if self._fault in (None, _STARTING):
                    self._fault = "its guard died"
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._hear(line.decode("ascii", "replace"))
            wait_s = 0

    def _hear(self, line: str) -> None:
        word, _, text = line.partition(" ")
        if word == "ready":
            self._fault, self._ready, self.real_time = None, True, text == "real-time"
        elif word == "failed":
            self._fault = f"its lines cannot be driven: {text}"
        elif word == "beat":
            self._unanswered_s = None
        elif word == "locked":
            self._lock_due_s = None
        elif word == "sent":
            self.sent = tuple(int(number) for number in text.split())
        else:
            number, _, more = text.partition(" ")
            self._answers[number] = "done" if word == "done" else f"{word} {more}".strip()
