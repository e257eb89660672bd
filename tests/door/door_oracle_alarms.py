"""The oracle's own reckoning of alarms: which begin and end with an event."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from edgeface.door.event import (
    Decision,
    DoorContact,
    Duress,
    ExitRequest,
    Fault,
    Output,
    Reason,
    Tamper,
)
from edgeface.door.rules import Rules
from tests.door.door_oracle_evidence import Seen


class AlarmOracle:
    """Follows one door's contact, housing and parts."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.broken: set[str] = set()
        self.housing_open = False
        self.door_open: bool | None = None
        self.open_since = math.inf
        self.on: set[str] = set()
        self.released = -math.inf
        self.duress = -math.inf

    def expected(
        self, event: Any, *, now: float, outputs: tuple[Output, ...]
    ) -> list[tuple[str, bool]]:
        """Return the alarms that an event begins or ends: (kind, active)."""
        alarms = []
        if "held_open" not in self.on and now - self.open_since >= self.rules.held_open_s:
            self.on.add("held_open")
            alarms.append(("held_open", True))
        for output in outputs:
            if isinstance(output, Decision):
                alarms += self._of_decision(output, now)
        if isinstance(event, DoorContact) and event.open != self.door_open:
            alarms += self._of_contact(event.open, now)
        elif isinstance(event, Tamper) and event.active != self.housing_open:
            self.housing_open = event.active
            alarms.append(("tamper", event.active))
        elif isinstance(event, Fault) and event.active != (event.part in self.broken):
            self.broken ^= {event.part}
            alarms.append(("fault", event.active))
        elif isinstance(event, Duress):
            alarms += [] if now <= self.duress else [("duress", True)]
            self.duress = now + self.rules.duress_s
        elif isinstance(event, ExitRequest) and self.rules.exit_request_opens:
            self._release(now)
        return alarms

    def _of_decision(self, found: Decision, now: float) -> list[tuple[str, bool]]:
        if found.reason is Reason.BLOCKED:
            return [("blocked", True)]
        if not found.opens or found.track is None:
            return []
        self._release(now)
        return [("duress", True)] if now <= self.duress else []

    def _release(self, now: float) -> None:
        reach = self.rules.pulse_s + self.rules.open_grace_s
        self.released = max(self.released, now + reach)

    def _of_contact(self, is_open: bool, now: float) -> list[tuple[str, bool]]:
        first, self.door_open = self.door_open is None, is_open
        if not is_open:
            ended, self.on, self.open_since = sorted(self.on), set(), math.inf
            return [(kind, False) for kind in ended]
        self.open_since = now
        if first or now <= self.released:
            return []
        self.on.add("forced")
        return [("forced", True)]


def is_out(history: Sequence[Seen], index: int, *, rules: Rules) -> bool:
    """Say whether somebody let in at an index has left since, or never went in."""
    reach = rules.pulse_s + rules.open_grace_s
    until, shut = -math.inf, _contact_before(history, index) is False
    for i, seen in enumerate(history[index:], index):
        if i > index and seen.now > until and shut:
            return True
        event = seen.event
        if isinstance(event, ExitRequest) and rules.exit_request_opens:
            return True
        if isinstance(event, DoorContact) and event.open:
            shut = False
        if any(isinstance(output, Decision) and output.opens for output in seen.outputs):
            until = max(until, seen.now + reach)
    return False


def _contact_before(history: Sequence[Seen], index: int) -> bool | None:
    states = [seen.event.open for seen in history[:index] if isinstance(seen.event, DoorContact)]
    return states[-1] if states else None
