"""What an export has in place of an entry that it does not show: its number and its digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgeface.door.audit_entry import chained, digest, encode
from edgeface.errors import AuditError
from edgeface.schema import JsonError, first_problem, parse_json

_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["digest", "seq"],
    "properties": {
        "digest": {"type": "string", "pattern": "[0-9a-f]{64}"},
        "seq": {"type": "integer", "minimum": 1},
    },
}


@dataclass(frozen=True)
class StandIn:
    """An entry that is not shown."""

    seq: int
    digest: str

    def entry_after(self, previous: str | None) -> dict[str, Any]:
        """Return its place in the chain.

        Raises
        ------
        AuditError
            Nothing whole is before it.
        """
        if previous is None:
            raise AuditError("an entry that is not shown stands where the chain is broken")
        return {"seq": self.seq, "prev": previous, "hash": chained(previous, self.digest)}


def stand_in(line: bytes) -> StandIn | None:
    """Return the stand-in of a line, or None where it is none.

    Raises
    ------
    AuditError
        It is one in another form than `hidden` writes.
    """
    try:
        value = parse_json(line)
    except JsonError as error:
        raise AuditError(f"not JSON ({error})") from error
    if first_problem(value, _SCHEMA):
        return None
    if encode(value) != line:
        raise AuditError("not in the form in which entries are written")
    return StandIn(value["seq"], value["digest"])


def hidden(entry: dict[str, Any]) -> bytes:
    """Return the line that stands for an entry."""
    return encode({"digest": digest(entry), "seq": entry["seq"]}) + b"\n"
