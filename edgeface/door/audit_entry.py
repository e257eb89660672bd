"""One line of the audit log: what it may hold, its bytes, and its place in the chain.

A line is JSON in one form only (sorted keys, no spaces, ASCII), so that no byte of it can change
unnoticed. ``digest`` is SHA-256 over the line without "hash", "prev" and "signature";
``hash`` is SHA-256 over the line before and that digest; a signature is over the hash. Each line
has random salt, so that its digest tells nothing of it: an export shows some lines, and of the
others the digests (docs/decisions/0033).
"""

from __future__ import annotations

import hashlib
import json
import math
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from edgeface.door.event import Alarm, Decision, Fault, Maintenance, Moment, Reason
from edgeface.errors import AuditError
from edgeface.schema import JsonError, first_problem, parse_json

FORMAT = 1
GENESIS = "0" * 64
"""The hash before the first entry."""

LINE_LIMIT_BYTES = 8192
TEXT_LIMIT = 200
_CHAIN_CONTEXT = b"edgeface audit entry, chain 1\n"
_SIGNATURE_CONTEXT = b"edgeface audit checkpoint, signature 1\n"
_OUTSIDE_DIGEST = ("hash", "prev", "signature")

_HEX64 = {"type": "string", "pattern": "[0-9a-f]{64}"}
_TEXT = {"type": "string", "maxLength": TEXT_LIMIT}
_NAME = {"type": ["string", "null"], "maxLength": TEXT_LIMIT}
_COUNT = {"type": "integer", "minimum": 0}
_SCORE = {"type": ["number", "null"], "minimum": -2, "maximum": 2}
_COMMON = {
    "seq": {"type": "integer", "minimum": 1},
    "prev": _HEX64,
    "hash": _HEX64,
    "salt": {"type": "string", "pattern": "[0-9a-f]{16}"},
    "kind": _TEXT,
    "door": _TEXT,
    "utc": {"type": ["string", "null"], "pattern": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"},
    "clock": _TEXT,
    "mono": {"type": "number"},
    "boot": {"type": "string", "pattern": "[0-9a-f-]{0,36}"},
    "bundle": _TEXT,
    "model": _TEXT,
    "config": _TEXT,
}
_SIGNED = {
    "log": {"type": "string", "pattern": "[0-9a-f]{32}"},
    "key": {"type": "string", "pattern": "[0-9a-f]{16}"},
    "signature": {"type": "string", "pattern": "[A-Za-z0-9+/]{85}[AQgw]=="},
}
_SPAN = {"through_seq": _COUNT, "through_hash": _HEX64, "through_segment": _COUNT}
_BEGINS = {"type": "string", "enum": ["begins", "ends"]}
_KINDS: dict[str, dict[str, Any]] = {
    "decision": {
        "outcome": {"type": "string", "enum": ["open", "deny"]},
        "reason": {"type": "string", "enum": [reason.value for reason in Reason]},
        "person": _NAME,
        "with_person": _NAME,
        **{"score": _SCORE, "lead": _SCORE, "live": _SCORE},
        "track": {"type": ["integer", "null"]},
        "frames": _COUNT,
        "pulse_s": {"type": "number", "minimum": 0},
        "detail": _TEXT,
    },
    "alarm": {"alarm": _TEXT, "state": _BEGINS, "person": _NAME, "detail": _TEXT},
    "fault": {"part": _TEXT, "state": _BEGINS, "detail": _TEXT},
    "act": {"act": _TEXT, "by": _TEXT, "detail": _TEXT},
    "start": {"version": _TEXT, "detail": _TEXT},
    "stop": {"detail": _TEXT},
    "note": {"detail": _TEXT},
    "segment": {
        "format": {"const": FORMAT},
        "segment": {"type": "integer", "minimum": 1},
        **_SIGNED,
    },
    "checkpoint": {"why": _TEXT, **_SIGNED},
    "tombstone": {**_SPAN, **_SIGNED},
}
SCHEMAS: dict[str, dict[str, Any]] = {
    kind: {
        "type": "object",
        "additionalProperties": False,
        "required": sorted({**_COMMON, **fields}),
        "properties": {**_COMMON, **fields},
    }
    for kind, fields in _KINDS.items()
}
"""Kind of entry -> what it must hold. No list, no object and no long text is among it: a photo, a
template or an embedding has no place to be."""

SIGNED_KINDS = tuple(kind for kind, fields in _KINDS.items() if "signature" in fields)


@dataclass(frozen=True)
class Record:
    """What an entry tells, without its place in the log.

    Attributes
    ----------
    kind
        A key of `SCHEMAS`.
    moment
        When it happened.
    fields
        What this kind holds beside what every entry does.
    """

    kind: str
    moment: Moment
    fields: Mapping[str, Any]


def record_of(happened: Decision | Alarm | Fault | Maintenance) -> Record:
    """Return the record of what the engine said, or of an event that goes into the log.

    People's names are in it as they are: `AuditLog.write` replaces them as it is set to.
    """
    if isinstance(happened, Decision):
        return Record("decision", happened.moment, _decision(happened))
    if isinstance(happened, Alarm):
        fields = {"alarm": happened.kind, "state": _state(happened.active)}
        fields.update(person=happened.person, detail=plain(happened.detail))
        return Record("alarm", happened.moment, fields)
    if isinstance(happened, Fault):
        fields = {"part": happened.part, "state": _state(happened.active)}
        return Record("fault", happened.moment, {**fields, "detail": plain(happened.text)})
    if isinstance(happened, Maintenance):
        act = f"maintenance {_state(happened.on)}"
        return act_record(happened.moment, act=act, by=happened.by)
    raise TypeError(f"the audit log has no entry for a {type(happened).__name__}")


def act_record(moment: Moment, *, act: str, by: str, detail: str = "") -> Record:
    """Return the record of what an administrator, or the door itself, did: a gallery reloaded."""
    return Record("act", moment, {"act": plain(act), "by": plain(by), "detail": plain(detail)})


def plain(text: str) -> str:
    """Return one printable line of at most `TEXT_LIMIT` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= TEXT_LIMIT else line[: TEXT_LIMIT - 1] + "…"


def utc_text(utc: datetime | None) -> str | None:
    """Return ISO 8601 with milliseconds and Z, or None while the wall clock is not trusted."""
    if utc is None:
        return None
    return utc.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(entry: Mapping[str, Any]) -> bytes:
    """Return an entry's only form, without line end."""
    return json.dumps(
        entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def digest(entry: Mapping[str, Any]) -> str:
    """Return SHA-256 over what an entry says, in hex."""
    return hashlib.sha256(
        encode({key: entry[key] for key in entry if key not in _OUTSIDE_DIGEST})
    ).hexdigest()


def chained(previous: str, entry_digest: str) -> str:
    """Return the hash of an entry that has this digest and follows this hash."""
    return hashlib.sha256(
        _CHAIN_CONTEXT + bytes.fromhex(previous) + bytes.fromhex(entry_digest)
    ).hexdigest()


def signed_message(entry_hash: str) -> bytes:
    """Return what a checkpoint's signature is over."""
    return _SIGNATURE_CONTEXT + bytes.fromhex(entry_hash)


def signature_text(signature: bytes) -> str:
    """Return a signature as entries hold it."""
    return b64encode(signature).decode("ascii")


def signature_bytes(entry: Mapping[str, Any]) -> bytes:
    """Return a signed entry's signature."""
    return b64decode(entry["signature"])


def decode(line: bytes) -> dict[str, Any]:
    """Return the entry of a line (without line end) that is whole in itself.

    Its hash belongs to what it says and to its "prev"; whether "prev" is the line before, and
    whether a signature holds, the caller must look.

    Raises
    ------
    AuditError
        Not what `encode` writes, not of a known kind, or its hash is another.
    """
    if len(line) > LINE_LIMIT_BYTES:
        raise AuditError(f"{len(line)} bytes, at most {LINE_LIMIT_BYTES} are expected")
    try:
        entry = parse_json(line)
    except JsonError as error:
        raise AuditError(f"not JSON ({error})") from error
    kind = entry.get("kind") if isinstance(entry, dict) else None
    if not isinstance(kind, str) or kind not in SCHEMAS:
        raise AuditError(f"of kind {kind!r:.40}, expected one of {', '.join(sorted(SCHEMAS))}")
    problem = first_problem(entry, SCHEMAS[kind])
    if problem:
        raise AuditError(problem)
    if encode(entry) != line:
        raise AuditError("not in the form in which entries are written")
    if chained(entry["prev"], digest(entry)) != entry["hash"]:
        raise AuditError("its hash does not belong to it: it was changed after it was written")
    return entry


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "outcome": "open" if decision.opens else "deny",
        "reason": decision.reason.value,
        "person": decision.person,
        "with_person": decision.with_person,
        "score": _rounded(decision.score),
        "lead": _rounded(decision.lead),
        "live": _rounded(decision.live),
        "track": decision.track,
        "frames": decision.frames,
        "pulse_s": round(float(decision.pulse_s), 3),
        "detail": plain(decision.detail),
    }


def _rounded(score: float | None) -> float | None:
    """Four decimals; None for what is no number, which never opened a door."""
    return None if score is None or not math.isfinite(score) else round(float(score), 4)


def _state(begins: bool) -> str:
    return "begins" if begins else "ends"
