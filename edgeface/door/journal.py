"""What is wrong with a door now, and writing down whatever happens at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.door.audit_entry import Record
from edgeface.door.event import Alarm, Decision, Event, Fault, Maintenance, Moment
from edgeface.errors import AuditError

if TYPE_CHECKING:
    from edgeface.door.audit import AuditLog


class Journal:
    """The door's log and its faults: a log that fails is one of them.

    Parameters
    ----------
    audit
        The log; None where nothing is logged, for trials.
    """

    def __init__(self, audit: AuditLog | None) -> None:
        self._audit = audit
        self._faults: dict[str, str] = {}

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong now, by part."""
        return dict(self._faults)

    def fault(
        self, part: str, text: str | None, moment: Moment, *, matters: bool = True
    ) -> list[Event]:
        """Return the event that a part failed or works again; none where nothing changed.

        A part that does not matter to the door is only written down.
        """
        if (text is None) == (part not in self._faults):
            return []
        if text is None:
            del self._faults[part]
        else:
            self._faults[part] = text
        fault = Fault(moment, part, text is not None, text or "")
        if matters:
            return [fault]
        return self.log(fault)

    def log(self, happened: Decision | Alarm | Fault | Maintenance | Record) -> list[Event]:
        """Write something down; return the event that this failed, where it worked until now."""
        if self._audit is None:
            return []
        try:
            self._audit.write(happened)
        except AuditError as error:
            return self.fault("audit", str(error), happened.moment)
        return []

    def keep(self, moment: Moment) -> list[Event]:
        """Sign and rotate where that is due, and see whether a log that failed works again."""
        if self._audit is None:
            return []
        try:
            if "audit" in self._faults:  # only what was written shows that writing works again
                self._audit.write(Fault(moment, "audit", False))
            self._audit.tick()
        except AuditError as error:
            return self.fault("audit", str(error), moment)
        return self.fault("audit", None, moment)
