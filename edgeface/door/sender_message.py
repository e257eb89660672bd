"""What others are told of a decision or an alarm, as a plain JSON object.

No photo, no template and no card number: whoever reads a card number can make the card. A person's
name only where the owner asked for it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from edgeface.door.event import Alarm, Decision

EVENT_TYPES = ("opened", "denied", "alarm", "alarm_over")


def message_of(output: Decision | Alarm, *, door: str, send_names: bool) -> dict[str, Any]:
    """Return the message for a decision or an alarm.

    Parameters
    ----------
    output
        What the door decided.
    door
        The door's name, for receivers of several doors.
    send_names
        False leaves out who it was.

    Returns
    -------
    dict
        "event_id": differs for each event, the same when one is sent again; "event_type": one of
        `EVENT_TYPES`; "door"; "at": UTC in ISO 8601, null while the door's clock is not to be
        trusted; "clock": how good that is (`Clock.quality`); and what docs/actuators.md lists for
        that type.
    """
    decision = isinstance(output, Decision)
    said = _decision(output) if isinstance(output, Decision) else _alarm(output)
    people = ("person", "with_person") if decision else ("person",)
    names = {key: getattr(output, key) if send_names else None for key in people}
    return {
        "event_id": str(uuid.uuid4()),
        "event_type": _event_type(output),
        "door": door,
        "at": utc_text(output.moment.utc),
        "clock": output.moment.clock,
        **names,
        **said,
    }


def encoded(message: Mapping[str, Any]) -> bytes:
    """Return a message as JSON in UTF-8; what is no text (half a surrogate pair) becomes "?"."""
    return json.dumps(message, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def utc_text(utc: datetime | None) -> str | None:
    """Return a UTC time in ISO 8601 with milliseconds, or None."""
    if utc is None:
        return None
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _event_type(output: Decision | Alarm) -> str:
    if isinstance(output, Decision):
        return "opened" if output.opens else "denied"
    return "alarm" if output.active else "alarm_over"


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "reason": decision.reason.value,
        "detail": decision.detail,
        "score": _rounded(decision.score),
        "lead": _rounded(decision.lead),
        "live": _rounded(decision.live),
        "track": decision.track,
        "frames": decision.frames,
        "pulse_s": decision.pulse_s if decision.opens else 0.0,
    }


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {"alarm": alarm.kind, "detail": alarm.detail}


def _rounded(value: float | None) -> float | None:
    # JSON has no NaN; more digits would say more of the template than a receiver needs.
    if value is None or not -10 < value < 10:
        return None
    return round(value, 2)
