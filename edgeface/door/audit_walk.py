"""Going along the lines of an audit log, and noting what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgeface.door.audit_entry import GENESIS, LINE_LIMIT_BYTES, SIGNED_KINDS, decode
from edgeface.door.audit_resume import holds
from edgeface.door.audit_stand_in import stand_in
from edgeface.errors import AuditError

PROBLEMS_LIMIT = 50
_TORN = "a power cut (the door mends it at its next start, and notes it), or damage"


@dataclass(frozen=True)
class Report:
    """What a `Walk` found.

    Attributes
    ----------
    log
        The log's id; "" where no signed entry could be read.
    files, entries
        How many were read; entries of which an export has only the digest are among them.
    first_seq, last_seq
        Numbers of the first and the last entry; 0 where there is none.
    signed_seq
        Up to here everything is covered by a signature that was checked; 0 without keys.
    since, until
        UTC of the first and last entry that has one.
    problems
        What is wrong, in the log's order, at most 50. Empty: the log is whole.
    notes
        What is to be known of it.
    """

    log: str
    files: int
    entries: int
    first_seq: int
    last_seq: int
    signed_seq: int
    since: str | None
    until: str | None
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class Walk:
    """Goes along the lines of a log, in order, and notes what is wrong.

    Parameters
    ----------
    keys
        Public keys by id; None leaves the signatures unchecked.
    witness
        Number -> hash of entries that must be there.
    head
        The log's newest signed entry, where there is one.
    part
        True for an export, which may begin anywhere and leave entries out.
    after
        Number and hash of an entry that the first one must follow, from a witness who saw it;
        (0, `GENESIS`): the log is there from its beginning. None: the log itself says how it began.
    """

    def __init__(
        self,
        keys: Mapping[str, Any] | None,
        *,
        witness: Mapping[int, str] | None = None,
        head: Mapping[str, Any] | None = None,
        part: bool = False,
        after: tuple[int, str] | None = None,
    ) -> None:
        self.entries = self.seq = self.signed_seq = self.first_seq = 0
        self._keys, self._witness, self._part = keys, dict(witness or {}), part
        self._head, self._after = head, after
        self._hash: str | None = None if part else GENESIS
        self._first_prev = ""
        self._log = ""
        self._ends: dict[int, str] = {}
        self._tombstones: list[dict[str, Any]] = []
        self._since: str | None = None
        self._until: str | None = None
        self._last: dict[str, Any] = {}
        self._problems: list[str] = []
        self._notes: list[str] = []
        self._cut_runs = 0
        self._head_seen = False

    def problem(self, text: str) -> None:
        """Note what is wrong."""
        self._problems.append(text)

    def file(self, number: int, lines: Iterable[bytes]) -> None:
        """Go along one file."""
        before = self.entries
        for position, line in enumerate(lines, 1):
            self.line(f"file {number}, line {position}", line)
            if self.entries == before + 1 and position == 1:
                self._begins_as(number)
        if self.entries == before:
            self.problem(f"file {number} has no whole entry")
        self._ends[self.seq] = self._hash or ""

    def line(self, where: str, line: bytes) -> None:
        """Go on by one line."""
        if not line.endswith(b"\n"):
            cause = "too long" if len(line) > LINE_LIMIT_BYTES else "cut off in its middle"
            self.problem(f"{where}, after entry {self.seq}: {cause}: {_TORN}")
            return
        try:
            standing = stand_in(line[:-1]) if self._part else None
            entry = decode(line[:-1]) if standing is None else standing.entry_after(self._hash)
        except AuditError as error:
            self.problem(f"{where}, after entry {self.seq}: {error}")
            self.seq, self._hash = self.seq + 1, None  # the next one says what it follows
            return
        self._follow(entry)
        if standing is None:
            self._look(entry)

    def signature_holds(self, where: str, entry: Mapping[str, Any]) -> bool:
        """Check a signed entry's signature, where there are keys."""
        if self._keys is None:
            return True
        key = self._keys.get(entry["key"])
        if key is None:
            known = ", ".join(sorted(self._keys))
            self.problem(f"{where} is signed by key {entry['key']}, expected {known}")
            return False
        if not holds(dict(entry), key):
            self.problem(f"{where}: its signature does not hold: it was not written by this door")
            return False
        return True

    def _begins_as(self, number: int) -> None:
        if (self._last.get("kind"), self._last.get("segment")) != ("segment", number):
            self.problem(f"file {number} does not begin as file {number}: renamed or replaced")

    def _follow(self, entry: Mapping[str, Any]) -> None:
        seq, expected = entry["seq"], self.seq + 1
        if not self.entries:
            self.first_seq, self._first_prev = seq, entry["prev"]
            if seq == 1 and entry["prev"] != GENESIS:
                self.problem("entry 1 does not begin a log")
            self._follow_witness(entry)
        elif seq > expected:
            self.problem(f"{_span(expected, seq - 1)} missing: entry {self.seq} is before {seq}")
        elif seq < expected:
            self.problem(f"entry {seq} comes after entry {self.seq}: repeated or out of order")
            return
        elif self._hash not in (None, entry["prev"]):
            self.problem(f"entry {seq} does not follow entry {self.seq}: one of them was replaced")
        self.entries += 1
        self.seq, self._hash = seq, entry["hash"]
        if self._witness.get(seq, entry["hash"]) != entry["hash"]:
            self.problem(f"entry {seq} is another one than the witness has: the log was rewritten")
        if self._head and (seq, entry["hash"]) == (self._head["seq"], self._head["hash"]):
            self._head_seen = True

    def _follow_witness(self, entry: Mapping[str, Any]) -> None:
        if self._after is None:
            return
        number, known = self._after
        if entry["seq"] != number + 1:
            self.problem(f"{_span(number + 1, entry['seq'] - 1)} missing at the beginning")
        elif entry["prev"] != known:
            self.problem(f"entry {entry['seq']} does not follow the entry that the witness saw")
        elif number:
            self._notes.append(f"entries 1 to {number} were here, were checked and were deleted")

    def _look(self, entry: dict[str, Any]) -> None:
        before, self._last = self._last, entry
        if entry["utc"] is not None:
            self._since, self._until = self._since or entry["utc"], entry["utc"]
        if entry["kind"] == "start" and before.get("kind") not in (None, "segment", "note"):
            self._cut_runs += before.get("why") != "stop"
        if entry["kind"] not in SIGNED_KINDS:
            return
        if self._log not in ("", entry["log"]):
            self.problem(f"entry {entry['seq']} is of another log ({entry['log']})")
        self._log = self._log or entry["log"]
        if self.signature_holds(f"entry {entry['seq']}", entry) and self._keys is not None:
            self.signed_seq = entry["seq"]
            if entry["kind"] == "tombstone":
                self._tombstones.append(entry)

    def end(self) -> None:
        """Look at what only the whole log shows."""
        self._look_at_the_beginning()
        if self._head is not None and self._head["seq"] > self.seq:
            missing = _span(self.seq + 1, self._head["seq"])
            self.problem(f"{missing} missing at the end: the head says that they were written")
        elif self._head is not None and not self._head_seen:
            self.problem(f"entry {self._head['seq']} is not the one that the head has")
        late = [seq for seq in self._witness if seq > self.seq]
        if late:
            self.problem(f"{_span(self.seq + 1, max(late))} missing at the end, says the witness")
        early = sum(seq < self.first_seq for seq in self._witness)
        if early:
            self._notes.append(f"{early} of the witness's entries were deleted since: not compared")
        if self._cut_runs:
            self._notes.append(f"{self._cut_runs} runs ended without 'stop': power cut, or killed")
        self._note_unsigned_end()

    def _note_unsigned_end(self) -> None:
        if self._keys is None:
            self._notes.append("signatures were not checked: whoever can write could have made it")
        elif self.signed_seq < self.seq:
            self._notes.append(
                f"{_span(self.signed_seq + 1, self.seq)} not signed yet: a signature follows "
                "within checkpoint_s while the door runs, or at its next start"
            )
        if self._last.get("why") != "stop":
            self._notes.append("not closed by 'stop': the door runs, or it ended suddenly")

    def _look_at_the_beginning(self) -> None:
        if not self.entries or self.first_seq == 1 or self._after is not None:
            return
        if self._keys is None:
            self._notes.append(f"entries before {self.first_seq} are not there")
            return
        for tombstone in self._tombstones:
            through = tombstone["through_seq"]
            here = {**self._ends, self.first_seq - 1: self._first_prev}
            if through >= self.first_seq - 1 and here.get(through) == tombstone["through_hash"]:
                when = tombstone["utc"] or "at an unknown time"
                self._notes.append(f"entries 1 to {through} were deleted by keep_days, {when}")
                return
        self.problem(
            f"{_span(1, self.first_seq - 1)} missing at the beginning, and no signed entry says "
            "that the door deleted them"
        )

    def report(self, *, files: int) -> Report:
        """Return what was found."""
        return Report(
            log=self._log,
            files=files,
            entries=self.entries,
            first_seq=self.first_seq,
            last_seq=self.seq,
            signed_seq=self.signed_seq,
            since=self._since,
            until=self._until,
            problems=tuple(self._problems[:PROBLEMS_LIMIT]),
            notes=tuple(self._notes),
        )


def _span(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"
