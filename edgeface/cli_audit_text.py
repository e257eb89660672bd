"""Audit entries and reports, for people."""

from __future__ import annotations

from typing import Any

from edgeface.door.audit_walk import Report

_TELLS = {
    "decision": ("outcome", "reason", "person", "with_person"),
    "alarm": ("alarm", "state", "person"),
    "fault": ("part", "state"),
    "act": ("act", "by"),
    "start": ("version", "bundle", "model", "config"),
    "segment": ("segment", "log"),
    "checkpoint": ("why", "key"),
    "tombstone": ("through_seq", "key"),
}
_SCORES = ("score", "lead", "live", "track", "frames")


def entry_text(entry: dict[str, Any]) -> str:
    """Return one line: number, time, kind, and what it tells."""
    when = entry["utc"] or f"{entry['mono']:.3f} s after boot, wall clock not trusted"
    told = [str(entry[key]) for key in _TELLS.get(entry["kind"], ()) if entry[key] is not None]
    told += [f"{key} {entry[key]:g}" for key in _SCORES if entry.get(key) is not None]
    detail = entry.get("detail")
    words = [f"{entry['seq']:>7}", when, entry["kind"], *told, *([detail] if detail else [])]
    return "".join(c if c.isprintable() else "?" for c in "  ".join(words))


def report_text(report: Report, place: str) -> str:
    """Return a report's lines: the verdict first."""
    count = f"{report.entries} entries ({report.first_seq} to {report.last_seq})"
    verdict = "whole" if report.whole else "NOT WHOLE"
    when = f", {report.since} to {report.until}" if report.since else ""
    lines = [f"{place}: {verdict}: {count} in {report.files} files{when}"]
    if report.signed_seq:
        lines.append(f"signatures hold, up to entry {report.signed_seq}")
    lines += [f"problem: {problem}" for problem in report.problems]
    lines += [f"note: {note}" for note in report.notes]
    return "\n".join(lines)
