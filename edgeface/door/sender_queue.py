"""A bounded queue with its own thread, for actuators that tell others of what the door did.

The door's loop puts a message in and goes on; the thread delivers in order, and keeps trying while
the receiver is away. When the queue is full the oldest message gives way, and is counted.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from edgeface.errors import ActuatorError

Message = TypeVar("Message")

_DELAYS_KEPT = 1000
_LOOK_S = 0.5  # how often a waiting thread looks whether it is to end


class DeliveryError(ActuatorError):
    """A message was not delivered.

    Attributes
    ----------
    again
        True when trying again may help; else the message is given up.
    """

    def __init__(self, text: str, *, again: bool) -> None:
        super().__init__(text)
        self.again = again


@dataclass(frozen=True)
class Backoff:
    """How long to wait between tries, seconds: doubling from `first_s` to at most `longest_s`."""

    first_s: float = 0.5
    longest_s: float = 60.0

    def pause_s(self, failures: int) -> float:
        """Return the pause after so many failures in a row (1 or more), of which half is chance.

        Chance, so that a hundred doors do not all come back in the moment a server does.
        """
        most = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 32))
        return random.uniform(most / 2, most)  # nosec B311  # no secret


@dataclass(frozen=True)
class SenderState:
    """What became of the messages so far: counts, and how many wait now."""

    delivered: int = 0
    dropped: int = 0
    refused: int = 0
    waiting: int = 0


class SenderQueue(Generic[Message]):
    """The queue and its thread, which starts at once.

    Parameters
    ----------
    deliver
        Called in the thread with one message after the other; returns when it is delivered.
        Raises `DeliveryError` when it was not. It should give up by itself after a time: what
        hangs in it hangs the queue, which `fault` reports.
    name
        Of the actuator, for the thread and for texts.
    most
        How many messages may wait.
    patience_s
        How long one delivery may take before it counts as hanging, seconds.
    backoff
        Pauses between tries.
    clock
        Seconds of a monotonic clock.
    """

    def __init__(
        self,
        deliver: Callable[[Message], None],
        *,
        name: str,
        most: int = 1000,
        patience_s: float = 30.0,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deliver, self._name, self._most = deliver, name, most
        self._patience_s, self._backoff, self._clock = patience_s, backoff or Backoff(), clock
        self._changed = threading.Condition()
        self._waiting: deque[tuple[float, Message]] = deque()
        self._delays: deque[float] = deque(maxlen=_DELAYS_KEPT)
        self._delivered = self._dropped = self._refused = self._failures = 0
        self._began: float | None = None
        self._problem: str | None = None
        self._end: float | None = None  # when, after `close`, to stop delivering
        self._thread = threading.Thread(target=self._run, name=f"edgeface {name}", daemon=True)
        self._thread.start()

    def put(self, message: Message) -> None:
        """Queue a message and return at once; after `close` an ActuatorError."""
        with self._changed:
            if self._end is not None:
                raise ActuatorError(f"{self._name} is closed: open it again to send by it")
            self._append(self._clock(), message)
            self._changed.notify_all()

    def fault(self) -> str | None:
        """Return why messages do not get through now, or None."""
        with self._changed:
            if self._end is None and not self._thread.is_alive():
                return f"{self._name}: its thread ended; start the door again"
            busy_s = 0.0 if self._began is None else self._clock() - self._began
            if busy_s > self._patience_s:
                return f"{self._name}: hangs for {busy_s:.0f} s in one delivery; {self._counts()}"
            return self._problem and f"{self._name}: {self._problem}; {self._counts()}"

    def state(self) -> SenderState:
        """Return the counts."""
        with self._changed:
            waiting = len(self._waiting) + (self._began is not None)
            return SenderState(self._delivered, self._dropped, self._refused, waiting)

    def delays_s(self) -> tuple[float, ...]:
        """Return how long the last 1000 delivered messages took from `put`, seconds."""
        with self._changed:
            return tuple(self._delays)

    @property
    def closing(self) -> bool:
        """Whether `close` was called: a delivery that waits should give up."""
        return self._end is not None

    def close(self, *, drain_s: float = 2.0) -> None:
        """End the thread, after it had up to `drain_s` seconds to deliver what waits.

        Where the last delivery failed, what waits is given up at once.
        """
        with self._changed:
            drain_s = 0.0 if self._failures else drain_s
            if self._end is None:
                self._end = self._clock() + drain_s
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(drain_s + _LOOK_S)  # one that hangs is left behind

    def _append(self, put_at: float, message: Message) -> None:
        if len(self._waiting) >= self._most:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append((put_at, message))

    def _counts(self) -> str:
        return f"{len(self._waiting)} waiting, {self._dropped} dropped, {self._refused} refused"

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and self._end is None:
                    self._changed.wait()
                if not self._waiting or self._over():
                    return
                put_at, message = self._waiting.popleft()
                self._began = self._clock()
            self._attempt(put_at, message)

    def _attempt(self, put_at: float, message: Message) -> None:
        try:
            self._deliver(message)
        except DeliveryError as error:
            self._note_failure(error, put_at, message)
            return
        with self._changed:
            self._delays.append(self._clock() - put_at)
            self._delivered += 1
            self._began, self._problem, self._failures = None, None, 0

    def _note_failure(self, error: DeliveryError, put_at: float, message: Message) -> None:
        with self._changed:
            self._began, self._problem = None, str(error)
            if not error.again:
                self._refused += 1
                return
            self._failures += 1
            if len(self._waiting) < self._most:
                self._waiting.appendleft((put_at, message))
            else:
                self._dropped += 1
            self._pause(self._backoff.pause_s(self._failures))

    def _pause(self, pause_s: float) -> None:
        until = self._clock() + pause_s
        while self._end is None and self._clock() < until:
            self._changed.wait(min(_LOOK_S, max(until - self._clock(), 0.001)))
        if self._end is not None:  # closing: one more try each, and no longer pauses
            self._changed.wait(0.05)

    def _over(self) -> bool:
        return self._end is not None and self._clock() >= self._end
