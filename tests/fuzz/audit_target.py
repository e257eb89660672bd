"""The audit log's readers: verify, the door's start, show and exports."""

from __future__ import annotations

import json
import shutil
from functools import cache

from edgeface.door.audit import Limits
from edgeface.door.audit_entry import GENESIS, chained, digest, encode
from edgeface.door.audit_read import read_entries
from edgeface.door.audit_resume import find_end
from edgeface.door.audit_verify import verify_export, verify_log
from edgeface.errors import AuditError
from tests.door.audit_logs import KEY, denial, open_log, opening, tamper
from tests.fuzz.places import scratch

KEYS = {KEY.id: KEY.public}


@cache
def seeds() -> tuple[bytes, ...]:
    """A whole log, its lines, and the beginning of one."""
    folder = scratch("audit-seed")
    with open_log(folder, limits=Limits(checkpoint_entries=2)) as log:
        for happened in (opening(), denial(), tamper(), opening(with_person="Grace")):
            log.write(happened)
    whole = (folder / "audit-000001.jsonl").read_bytes()
    shutil.rmtree(folder)
    lines = whole.splitlines(keepends=True)
    return (whole, b"".join(lines[:3]), *(b"\1" + line for line in lines), b"")


def check(data: bytes) -> None:
    """Whatever is in the folder: a report, or `AuditError`; never taken for whole unless so.

    A first byte of 1 has each line chained anew, as somebody without the key can do it, so that
    what is behind the hashes is reached.
    """
    folder = scratch("audit")
    data = _rechained(data[1:]) if data[:1] == b"\1" else data
    (folder / "audit-000001.jsonl").write_bytes(data)
    (folder / "head.jsonl").write_bytes(data[data[:-1].rfind(b"\n") + 1 :])
    report = verify_log(folder, keys=KEYS)
    if report.whole:  # then what is signed is what the door wrote, to the byte
        signed = b"".join(data.splitlines(keepends=True)[: report.signed_seq])
        assert signed and seeds()[0].startswith(signed)
    broken: list[str] = []
    assert sum(1 for _ in read_entries(folder, broken=broken.append)) <= data.count(b"\n") + 1
    for attempt in (
        lambda: find_end(folder, key=KEY),
        lambda: verify_export(folder / "head.jsonl", keys=KEYS),
    ):
        try:
            attempt()
        except AuditError:
            continue


def _rechained(data: bytes) -> bytes:
    previous, lines = GENESIS, []
    for line in data.splitlines():
        try:
            entry = json.loads(line)
            entry["prev"] = previous
            entry["hash"] = previous = chained(previous, digest(entry))
            lines.append(encode(entry))
        except (ValueError, TypeError, RecursionError):
            lines.append(line)
    return b"".join(line + b"\n" for line in lines)
