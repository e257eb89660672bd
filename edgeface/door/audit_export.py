"""Some entries of a log for somebody else, with the proof that the door wrote and signed them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgeface.container import replacing
from edgeface.door.audit_entry import SIGNED_KINDS, encode
from edgeface.door.audit_read import Filter
from edgeface.door.audit_segment import translated
from edgeface.door.audit_stand_in import hidden

COLUMNS = (
    *("seq", "utc", "clock", "mono", "boot", "door", "kind", "outcome", "reason", "person"),
    *("with_person", "score", "lead", "live", "track", "frames", "pulse_s", "alarm", "part"),
    *("state", "act", "by", "detail", "version", "bundle", "model", "config", "hash"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export_lines(entries: Iterable[dict[str, Any]], chosen: Filter) -> tuple[list[bytes], int]:
    """Return the lines of an export, and how many entries it shows.

    From the first entry that is asked for to the first signed one behind the last: those in
    between that are not asked for have their digest only, so that the chain can be followed and
    they stay unknown.
    """
    lines: list[bytes] = []
    shown = ends_at = 0
    for entry in entries:
        if chosen.fits(entry):
            shown, ends_at = shown + 1, len(lines) + 1
        elif not lines:
            continue
        signed = entry["kind"] in SIGNED_KINDS
        show = chosen.fits(entry) or signed
        lines.append(encode(entry) + b"\n" if show else hidden(entry))
        if signed and ends_at:
            covered, ends_at = len(lines), 0
    end = len(lines) if ends_at or not lines else covered
    return lines[:end], shown


def write_jsonl(lines: Iterable[bytes], path: Path) -> None:
    """Write an export's lines; the file is there whole or not at all.

    Raises
    ------
    AuditError
        The disk refused it.
    """
    with translated(path), replacing(path, mode=0o600) as temporary:
        temporary.write_bytes(b"".join(lines))


def write_csv(entries: Iterable[dict[str, Any]], path: Path) -> None:
    """Write entries as a table, for spreadsheets: no cell is a formula.

    Raises
    ------
    AuditError
        The disk refused it.
    """
    with translated(path), replacing(path, mode=0o600) as temporary:
        with temporary.open("w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(COLUMNS)
            for entry in entries:
                table.writerow([_cell(entry.get(column)) for column in COLUMNS])


def proof_path(path: Path) -> Path:
    """Return where the proof of a table goes."""
    return path.with_name(f"{path.name}.proof.jsonl")


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
