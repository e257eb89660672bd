"""What door.toml may say about decisions, as schemas; `rules.py` has what no schema can check."""

from __future__ import annotations

from typing import Any

_NAME = "^[a-z0-9_-]{1,64}$"
_TIMES = r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$"
_DATE = r"^\d{4}-\d{2}-\d{2}$"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _count(low: int, high: int, text: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high, "description": text}


def _seconds(low: float, high: float, text: str) -> dict[str, Any]:
    text = f"seconds; {text}"
    return {"type": "number", "minimum": low, "maximum": high, "description": text}


def _table(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


_TARGET = {
    "type": "number",
    "exclusiveMinimum": 0,
    "maximum": 0.1,
    "description": "how often one look of a stranger may match anybody of the gallery; 0.001",
}
_LEAD = {
    "type": "number",
    "minimum": 0,
    "maximum": 2,
    "description": "least lead of the best person's cosine over the second's; the bundle's margin",
}
_EXIT_REQUEST = {
    "enum": ["opens", "ignored"],
    "description": 'what the exit button does; "opens". Others need a way out by law',
}
_ZONE = {
    "type": "string",
    "minLength": 1,
    "maxLength": 64,
    "description": 'IANA time zone of the schedules, like "Europe/Berlin"; "UTC"',
}
_HOLIDAYS = {
    "type": "array",
    "maxItems": 1000,
    "items": {"type": "string", "pattern": _DATE},
    "description": 'days that schedules close on, in quotes: ["2026-12-25"]; none',
}

DECISION = _table(
    {
        "frames": _count(1, 50, "good frames of one person that an opening needs; 3"),
        "of": _count(1, 50, "frames of the track among which they must be; 5"),
        "window_s": _seconds(0.1, 30, "within which they were captured; 3"),
        "watch_s": _seconds(
            0, 10, "for which a face is watched before it opens, as long as a feed's still_s; 1"
        ),
        "lead": _LEAD,
        "false_accept_target": _TARGET,
        "max_frame_age_s": _seconds(0.05, 5, "older frames never count; 0.5"),
        "give_up_s": _seconds(0.5, 60, "after which a visit is denied; 5"),
        "gone_after_s": _seconds(0.1, 30, "without the face, after which its visit ends; 1.5"),
        "challenge_s": _seconds(1, 120, "for the active challenge, and frames after it; 15"),
        "retry_s": _seconds(0.5, 600, "until a face that was not let in is looked at again; 3"),
        "attempts": _count(1, 100, "how often it is looked at before it must leave; 5"),
        "cool_down_s": _seconds(0, 600, "in which somebody let in is not let in again; 5"),
        "anti_passback_s": _seconds(
            0, 604800, "for which somebody let in counts as inside, unless somebody leaves; 0: off"
        ),
        "openings_per_minute": _count(1, 600, "openings by faces; 20"),
        "lock_out_visits": _count(1, 1000, "visits by strangers or attacks that lock out; 10"),
        "lock_out_window_s": _seconds(1, 86400, "within which those visits count; 120"),
        "lock_out_s": _seconds(1, 86400, "for which no face opens then; 60"),
        "two_person_s": _seconds(1, 600, "from the first of two people to the second; 20"),
        "duress_s": _seconds(1, 600, "after a duress signal in which an opening is reported; 30"),
        "pulse_s": _seconds(0.1, 120, "for which the door is released; 5"),
        "open_grace_s": _seconds(0, 30, "after the release in which opening is not forced; 2"),
        "held_open_s": _seconds(1, 86400, "for which the door may stand open; 30"),
        "exit_request": _EXIT_REQUEST,
        "time_zone": _ZONE,
        "holidays": _HOLIDAYS,
    }
)
LIVENESS = _table(
    {
        "policy": {
            "enum": ["passive", "passive+challenge", "none"],
            "description": 'what proves that a face is live; "passive". none: see i_understand',
        },
        "i_understand": {
            "type": "boolean",
            "description": "must be true for policy none, with which any photo opens; false",
        },
        "threshold": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
            "description": "least liveness score of a frame; at least, and else, the bundle's",
        },
    }
)
SCHEDULE = _table(
    {
        "days": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"enum": list(DAYS)},
            "description": "on which its times begin; all",
        },
        "times": {
            "type": "array",
            "minItems": 1,
            "maxItems": 24,
            "items": {"type": "string", "pattern": _TIMES},
            "description": '"07:00-12:30", "22:00-06:00" over midnight; ["00:00-24:00"]',
        },
        "holidays": {
            "enum": ["closed", "as_usual"],
            "description": 'on days of decision.holidays; "closed"',
        },
    }
)
GROUP = _table(
    {
        "schedule": {
            "type": "string",
            "pattern": _NAME,
            "description": 'a name of [schedules], "always" or "never"; must be given',
        },
        "two_people": {
            "type": "boolean",
            "description": "opens for two different members only, one after the other; false",
        },
        "people": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 200},
            "description": "members by name, besides those whom the gallery puts in it; none",
        },
    }
)
GROUP["required"] = ["schedule"]


def _named(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "propertyNames": {"pattern": _NAME},
        "additionalProperties": schema,
    }


SETTINGS = {
    "decision": DECISION,
    "liveness": LIVENESS,
    "schedules": _named(SCHEDULE),
    "groups": _named(GROUP),
}
"""Of the door.toml tables that `Rules.from_settings` reads; [liveness] has tables of others too."""
