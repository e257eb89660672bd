"""What doors and their site say to each other, as JSON. Both sides import this module.

A door asks; the site never calls a door. Every message is checked against its schema, in both
directions: a strange one is a ``SiteError`` and changes nothing. docs/site-protocol.md has the
routes.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeface.errors import SiteError
from edgeface.schema import JsonError, first_problem, parse_json

PROTOCOL = 1
LONGEST_WAIT_S = 30
"""For how long the site may hold an answer back until something changes."""

_UID = {"type": "string", "pattern": "[0-9a-f]{32}"}
_TIME = {"type": ["string", "null"], "pattern": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"}
_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string", "maxLength": 500}
_TEMPLATES = {"type": "array", "maxItems": 100, "items": {"type": "string"}}


def _table(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": sorted(required),
        "properties": {**required, **(optional or {})},
    }


RECORD = {
    "groups": {"type": "array", "maxItems": 64, "items": _NAME},
    "consent_at": _TIME,
    "expires_at": _TIME,
    "card": {"type": ["array", "null"], "items": _COUNT},
    "blocked": {"type": "boolean"},
}
"""A person's own data, as in `edgeface.gallery_person.PersonRecord`."""

_PERSON = _table(
    {"uid": _UID, "version": _COUNT, "present": {"type": "boolean"}},
    {"name": _NAME, "record": _table(RECORD), "templates": _TEMPLATES},
)
CHANGES = _table(
    {
        "protocol": {"const": PROTOCOL},
        "model_id": {"type": "string"},
        "epoch": _UID,
        "through": _COUNT,
        "whole": {"type": "boolean"},
        "more": {"type": "boolean"},
        "people": {"type": "array", "items": _PERSON},
        "rules": {"type": ["object", "null"]},
        "received": {"type": "object"},
        "task": {"type": ["object", "null"]},
        "live_until": _TIME,
        "now": _TIME,
    }
)
"""What the site answers a door that asks what is new.

``epoch`` and ``through`` are the door's cursor from now on. ``whole``: ``people`` is everybody
whom this door may know, and who is not in it must go; else ``people`` holds those that changed
since the door's cursor (``present`` false: gone, or not this door's any more). ``more``: ask again
at once. ``rules``: ``{"version": n, "tables": {"schedules": …, "groups": …, "decision": …}}`` of
door.toml, None where the door has these already. ``received``: log id -> sequence number up to
which the site holds the door's audit log without a gap. ``task``: a roll-out's step, or None.
``live_until``: until when an operator has asked for the live picture, or None. ``now``: the
site's time."""

EDIT = _table(
    {
        "edit_id": _UID,
        "kind": {"enum": ["enrol", "change", "erase"]},
        "made_at": _TIME,
    },
    {
        "uid": _UID,
        "base": _COUNT,
        "name": _NAME,
        "changes": {"type": "object", "additionalProperties": False, "properties": RECORD},
        "templates": _TEMPLATES,
    },
)
"""An edit made at a door: to somebody the site knows (``uid``, and ``base``: the version that the
edit began from), or of somebody new (``name``, ``templates``). The same ``edit_id`` twice is one
edit."""

EDITED = _table(
    {
        "edit_id": _UID,
        "outcome": {"enum": ["applied", "merged", "refused"]},
        "text": _TEXT,
        "conflicts": {"type": "array", "items": {"type": "string"}},
    },
    {"uid": _UID, "version": _COUNT},
)
"""What became of an edit. "merged": others had edited the same person meanwhile; ``conflicts``
names the fields on which both differ, where the value that lets fewer in holds (decision 0034)."""

_FIGURE = {"type": ["number", "null"]}
STATUS = _table(
    {
        "edgeface": _TEXT,
        "bundle": _TEXT,
        "model_id": _TEXT,
        "config": _TEXT,
        "rules": {"type": ["integer", "null"]},
        "people": _COUNT,
        "clock": _TEXT,
        "faults": {"type": "object"},
    },
    {
        "slot": _TEXT,
        "temperature_c": _FIGURE,
        "frames_per_s": _FIGURE,
        "latency_p50_ms": _FIGURE,
        "latency_p95_ms": _FIGURE,
        "memory_mb": _FIGURE,
        "unsent": _COUNT,
        "clock_offset_s": _FIGURE,
        "task": {"type": ["object", "null"]},
    },
)
"""How a door is; it tells the site every few seconds. ``task``: ``{"rollout": id, "state":
"working" | "done" | "failed", "text": …}`` of the roll-out's step at hand. Latencies are from a
frame's capture to its decision."""

LOOK_HEADER = "X-Edgeface-Look"
_FACE = _table(
    {
        "box": {"type": "array", "minItems": 4, "maxItems": 4, "items": {"type": "number"}},
        "text": {"type": "string", "maxLength": 100},
        "state": {"enum": ["", "good", "warn", "bad"]},
    }
)
LOOK = _table(
    {},
    {
        "faces": {"type": "array", "maxItems": 20, "items": _FACE},
        "track": {"type": ["integer", "null"]},
        "instruction": {"type": "string", "maxLength": 200},
    },
)
"""What a door saw in a live picture, whose JPEG has nothing drawn into it: in `LOOK_HEADER`, as
JSON in ASCII. ``box``: x, y, width, height in the picture's pixels; ``text`` and ``state``: what
was decided on that face."""

KEY_TOPIC = "{prefix}/{door}/key"
"""On MQTT, retained: the public key that verifies the door's audit log, as PEM."""

LOG_TOPIC = "{prefix}/{door}/log"
LOG_MESSAGE = _table(
    {
        "log": _UID,
        "line": {"type": "string", "maxLength": 8192},
        "people": {"type": "object", "additionalProperties": _UID},
    },
    {"missing_from": {"type": "integer", "minimum": 1}},
)
"""One line of a door's audit log on MQTT, QoS 1: byte for byte, so that the site can verify its
chain. ``log``: the log's id, which only signed lines say themselves. ``people``: which uid each
pseudonym in it stands for, where the site knows the person. ``missing_from``: the lines from this
number up to this line are not at the door any more, so the site need not wait for them."""


@dataclass(frozen=True, eq=False)
class SitePerson:
    """Somebody as the site has them; None and empty where ``present`` is False.

    ``templates`` is (T, dim) float32, unit rows; ``record`` as `RECORD`.
    """

    uid: str
    version: int
    present: bool
    name: str | None = None
    record: Mapping[str, Any] | None = None
    templates: np.ndarray | None = None


def checked(message: Any, schema: Mapping[str, Any], *, what: str) -> dict[str, Any]:
    """Return a message that its schema allows.

    Raises
    ------
    SiteError
        It does not; the text names the field.
    """
    problem = first_problem(message, schema)
    if problem:
        raise SiteError(f"{what}: {problem}")
    return message


def parsed(body: bytes, schema: Mapping[str, Any], *, what: str) -> dict[str, Any]:
    """Return the message in a body, checked; ``SiteError`` where it is no JSON or no such one."""
    try:
        message = parse_json(body)
    except JsonError as error:
        raise SiteError(f"{what}: {error}") from error
    return checked(message, schema, what=what)


def encode_templates(templates: np.ndarray) -> list[str]:
    """Return (T, dim) float32 rows as base64 of little-endian float32, a text each."""
    return [b64encode(row.astype("<f4").tobytes()).decode("ascii") for row in templates]


def decode_templates(texts: list[str], *, dim: int) -> np.ndarray:
    """Return what `encode_templates` was given: (T, dim) float32.

    Raises
    ------
    SiteError
        Not base64 of ``dim`` finite float32 numbers of unit norm.
    """
    rows = np.empty((len(texts), dim), np.float32)
    for number, text in enumerate(texts):
        try:
            values = np.frombuffer(b64decode(text, validate=True), "<f4")
        except ValueError as error:
            raise SiteError(f"template {number}: {error}") from error
        if len(values) != dim or not abs(float(np.linalg.norm(values)) - 1) < 1e-3:
            raise SiteError(f"template {number}: expected {dim} numbers of unit norm")
        rows[number] = values
    return rows


def person_message(person: SitePerson) -> dict[str, Any]:
    """Return an entry of ``people`` in `CHANGES`."""
    entry: dict[str, Any] = {
        "uid": person.uid,
        "version": person.version,
        "present": person.present,
    }
    if person.present:
        entry.update(
            name=person.name,
            record={**(person.record or {})},
            templates=encode_templates(person.templates),
        )
    return entry


def person_of(entry: Mapping[str, Any], *, dim: int) -> SitePerson:
    """Return the person of an entry that `CHANGES` allows; ``SiteError`` for broken templates."""
    if not entry["present"]:
        return SitePerson(entry["uid"], entry["version"], False)
    missing = {"name", "record", "templates"} - set(entry)
    if missing:
        raise SiteError(f"person {entry['uid']}: {sorted(missing)[0]} is missing")
    templates = decode_templates(entry["templates"], dim=dim)
    return SitePerson(
        entry["uid"], entry["version"], True, entry["name"], entry["record"], templates
    )
