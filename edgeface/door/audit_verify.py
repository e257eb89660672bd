"""Is an audit log whole? Every entry, every signature, and whether something is missing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgeface.door.audit_entry import SIGNED_KINDS, decode
from edgeface.door.audit_resume import holds
from edgeface.door.audit_segment import HEAD, is_locked, read_lines, segment_numbers, segment_path
from edgeface.door.audit_walk import Report, Walk
from edgeface.errors import AuditError

_WRITING_S = 0.2


def verify_log(
    folder: Path, *, keys: Mapping[str, Any] | None, witness: Iterable[bytes] = ()
) -> Report:
    """Check every file of a log, which may be in use.

    Parameters
    ----------
    keys
        Public keys that may have signed, from `edgeface.signature.load_public_keys`; None leaves
        the signatures unchecked.
    witness
        Signed lines of this log that were kept elsewhere: each must be in it.

    Raises
    ------
    AuditError
        There is no log, or it cannot be read. What is wrong with a log is in the report.
    """
    numbers = segment_numbers(folder)
    if not numbers and not (folder / HEAD).exists():
        raise AuditError(f"{folder} holds no audit log: give the folder of [audit] path")
    head, problem = _head(folder)
    walk = Walk(keys, witness=_kept(witness, keys), head=head)
    if head is None:
        walk.problem(problem)
    else:
        walk.signature_holds("its head", head)
    for number in numbers:
        walk.file(number, _settled_lines(folder, number, last=number == numbers[-1]))
    walk.end()
    return walk.report(files=len(numbers))


def verify_export(file: Path, *, keys: Mapping[str, Any] | None) -> Report:
    """Check the file of an export: that its entries are some of a log which was signed.

    Raises
    ------
    AuditError
        It cannot be read.
    """
    walk = Walk(keys, part=True)
    for number, line in enumerate(read_lines(file), 1):
        walk.line(f"line {number}", line)
    if not walk.entries:
        walk.problem("the file has no entry")
    elif keys is not None and walk.signed_seq < walk.seq:
        walk.problem(f"entries after {walk.signed_seq} are not covered by a signature")
    return walk.report(files=1)


def _settled_lines(folder: Path, number: int, *, last: bool) -> list[bytes]:
    """A file's lines; the newest is read again while its last line is just being written."""
    path = segment_path(folder, number)
    lines = list(read_lines(path))
    if last and lines and not lines[-1].endswith(b"\n") and is_locked(folder):
        time.sleep(_WRITING_S)
        lines = list(read_lines(path))
    return lines


def _kept(lines: Iterable[bytes], keys: Mapping[str, Any] | None) -> dict[int, str]:
    found = {}
    for line in lines:
        entry = decode(line.strip())
        signer = (keys or {}).get(entry.get("key"))
        if keys is not None and (signer is None or not holds(entry, signer)):
            raise AuditError("the witness is not signed by this key: it proves nothing")
        found[entry["seq"]] = entry["hash"]
    return found


def _head(folder: Path) -> tuple[dict[str, Any] | None, str]:
    """The head's entry, or what is wrong with it."""
    unknown = "whether the log's end was cut off is unknown"
    if not (folder / HEAD).exists():
        return None, f"its head is missing ({HEAD}): {unknown}"
    line = b"".join(read_lines(folder / HEAD))
    try:
        if not line.endswith(b"\n"):
            raise AuditError("the line has no end")
        entry = decode(line[:-1])
        if entry["kind"] not in SIGNED_KINDS:
            raise AuditError("it is no signed entry")
    except AuditError as error:
        return None, f"its head cannot be read ({error}): {unknown}"
    return entry, ""
