"""What every actuator is: it acts on decisions and alarms, and may report inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

from edgeface.door.event import Alarm, Decision, Event, Moment, Reason


class Actuator(ABC):
    """A relay, a reader's line, a message bus. Opened by its constructor; `close` leaves it safe.

    `handle` and `poll` are called by the door's one loop and return at once: whatever waits (a
    network, a panel) does so in the actuator's own thread with a bounded queue. Use it as a
    context manager.

    Attributes
    ----------
    name
        Of this actuator in logs, from its settings.
    must_work
        True where the door is not to be used while this one fails (a relay); False for those that
        only tell (a webhook).
    """

    name: str
    must_work: bool

    @abstractmethod
    def handle(self, output: Decision | Alarm) -> None:
        """Act on it.

        Raises
        ------
        ActuatorError
            It could not be done; nothing is open because of this call.
        """

    def show(self, instruction: str) -> None:  # noqa: B027 (most have no display)
        """Tell the visitor what to do, on whatever display this has; empty: nothing more.

        Not every actuator has one. Raises as `handle`.
        """

    def tell_health(self, **figures: float) -> None:  # noqa: B027 (most tell nobody)
        """Take figures of the door's health, of those in `edgeface.door.mqtt_discovery.HEALTH`."""

    def poll(self, moment: Moment) -> tuple[Event, ...]:
        """Return what its inputs reported since the last call: contact, exit button, tamper."""
        return ()

    def fault(self) -> str | None:
        """Return what is wrong with it now, or None."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Lock the door, free what was opened. Closing twice is harmless."""

    def __enter__(self) -> Actuator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def not_opened(decision: Decision, actuator: Actuator) -> Decision:
    """Return what became of a decision to open which an actuator could not carry out."""
    return replace(
        decision, opens=False, reason=Reason.FAULT, detail=f"{actuator.name} failed", pulse_s=0.0
    )
