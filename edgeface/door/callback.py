"""A Python function as an actuator, for doors that are scripts."""

from __future__ import annotations

import time
from collections.abc import Callable as _Callable

from edgeface.door.actuator import Actuator
from edgeface.door.event import Alarm, Decision
from edgeface.door.sender_queue import DeliveryError, SenderQueue, SenderState


class Callback(Actuator):
    """Calls a function with every decision and alarm, in a thread of its own.

    What the function raises or how long it takes never reaches the door: `fault` reports it. It is
    called once for each output, one after the other, and not again after an error.

    Parameters
    ----------
    function
        Called with a `Decision` or an `Alarm`; what it returns is ignored.
    name
        Of this actuator in logs.
    limit_s
        How long a call may take before it counts as hanging, seconds. It cannot be stopped; later
        outputs wait in the queue.
    queue
        How many outputs may wait; the oldest give way.
    clock
        Seconds of a monotonic clock.
    """

    def __init__(
        self,
        function: _Callable[[Decision | Alarm], object],
        *,
        name: str = "callback",
        limit_s: float = 5.0,
        queue: int = 100,
        clock: _Callable[[], float] = time.monotonic,
    ) -> None:
        if not callable(function):
            raise TypeError(f"function is {function!r}; expected something that can be called")
        self.name, self.must_work = name, False
        self._function = function
        self._queue: SenderQueue[Decision | Alarm] = SenderQueue(
            self._call, name=name, most=queue, patience_s=limit_s, clock=clock
        )

    def handle(self, output: Decision | Alarm) -> None:
        """Queue it for the function; an ActuatorError after `close`."""
        self._queue.put(output)

    def fault(self) -> str | None:
        """Return what the last call raised, or that it hangs; None after one that worked."""
        return self._queue.fault()

    def state(self) -> SenderState:
        """Return how many outputs were handed over, dropped and refused (raised)."""
        return self._queue.state()

    def delays_s(self) -> tuple[float, ...]:
        """Return how long each of the last outputs took from `handle` to the function's return."""
        return self._queue.delays_s()

    def close(self) -> None:
        """Let what waits be called for up to two seconds, then leave it."""
        self._queue.close()

    def _call(self, output: Decision | Alarm) -> None:
        try:
            self._function(output)
        except (Exception, SystemExit) as error:
            # The type only: the text may hold who it was about.
            text = f"the function raised {type(error).__name__}"
            raise DeliveryError(text, again=False) from error
