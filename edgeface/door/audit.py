"""The audit log: who, when, what was decided and why, in a chain that no entry leaves unnoticed.

An entry is on the disk before `AuditLog.write` returns, and the door opens only afterwards: what
cannot be logged does not open. docs/audit.md says what the log proves and what it cannot.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable

from edgeface.door.audit_chain import AuditChain
from edgeface.door.audit_entry import Record, act_record, plain, record_of
from edgeface.door.audit_key import AuditKey
from edgeface.door.audit_segment import translated
from edgeface.door.audit_settings import NAMES, SETTINGS, AuditSettings, Limits
from edgeface.door.event import Alarm, Decision, Fault, Maintenance, Moment

__all__ = [
    "SETTINGS",
    "AuditKey",
    "AuditLog",
    "AuditSettings",
    "Build",
    "Limits",
    "Record",
    "act_record",
]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PEOPLE = ("person", "with_person")


@dataclass(frozen=True)
class Build:
    """What decides at this door; in every entry.

    Attributes
    ----------
    bundle
        Name and version of the bundle.
    model
        Its embedder's model id.
    config
        Digest of the door's configuration, in hex.
    """

    bundle: str
    model: str
    config: str


def system_moment() -> Moment:
    """Return now by this machine's clocks, which are believed."""
    return Moment(time.monotonic(), datetime.now(timezone.utc))


class AuditLog:
    """An open log, for one thread. `close` it, or use it as a context manager.

    Its first entry is "start", its last one "stop". A line that was torn by a power cut is taken
    away, and a note in the log says so.

    Parameters
    ----------
    path
        Its folder, made when missing.
    key
        Signs checkpoints and makes pseudonyms.
    door
        The door's name.
    build
        What decides.
    names
        How people appear: "pseudonym", "name" or "none".
    limits
        When to sign, to begin a new file and to delete old ones.
    now, quality
        What the door's clock says, and in words how far its wall clock can be trusted.

    Attributes
    ----------
    path
        As given.

    Raises
    ------
    AuditError
        It cannot be written, another process writes it, or it is not whole.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        key: AuditKey,
        door: str,
        build: Build,
        names: str = NAMES[0],
        limits: Limits | None = None,
        now: Callable[[], Moment] = system_moment,
        quality: Callable[[], str] = lambda: "unsure",
    ) -> None:
        if names not in NAMES:
            raise ValueError(f"names is {names!r}, expected one of {', '.join(NAMES)}")
        self.path = Path(path).absolute()
        self._key, self._names, self._limits = key, names, limits or Limits()
        self._now, self._quality = now, quality
        self._unsigned = 0
        self._unsigned_since = 0.0
        with translated(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        same = {"door": door, "bundle": build.bundle, "model": build.model, "config": build.config}
        same = {key: plain(value) for key, value in same.items()}
        self._chain = AuditChain(self.path, key=key, same={**same, "boot": _boot_id()})
        try:
            self._start()
        except BaseException:
            self._chain.close()
            raise

    @classmethod
    def from_settings(
        cls,
        table: Mapping[str, Any],
        *,
        base: Path,
        door: str,
        build: Build,
        now: Callable[[], Moment] = system_moment,
        quality: Callable[[], str] = lambda: "unsure",
    ) -> AuditLog:
        """Open the log that table [audit] of door.toml describes.

        Raises
        ------
        DoorError
            The table is wrong.
        AuditError
            Its key cannot be used, or as for the class.
        """
        settings = AuditSettings.from_settings(table, base=base)
        return cls(
            settings.path,
            key=AuditKey.load(settings.key),
            door=door,
            build=build,
            names=settings.names,
            limits=settings.limits,
            now=now,
            quality=quality,
        )

    @property
    def head(self) -> bytes:
        """The newest signed line.

        Kept elsewhere (by a broker, a printer), it shows later whether this log was cut off or
        replaced: ``edgeface audit verify --witness``.
        """
        return self._chain.head

    def write(self, happened: Decision | Alarm | Fault | Maintenance | Record) -> int:
        """Add an entry and return its number; it is on the disk then.

        Write a decision before anything acts on it.

        Raises
        ------
        AuditError
            It could not be written: nothing may open. The next call tries anew.
        """
        record = happened if isinstance(happened, Record) else record_of(happened)
        self.tick()  # what is due comes first, so that nothing can fail once this entry is there
        self._append(record.kind, record.moment, self._with_names(record.fields))
        return self._chain.seq

    def tick(self) -> None:
        """Sign, and begin a new file, where that is due. Call it every turn of the loop.

        Raises
        ------
        AuditError
            The disk refused it.
        """
        moment = self._now()
        waited = moment.monotonic - self._unsigned_since
        if self._unsigned >= self._limits.checkpoint_entries:
            self._checkpoint("entries", moment)
        elif self._unsigned and waited >= self._limits.checkpoint_s:
            self._checkpoint("time", moment)
        if self._rotation_due(moment):
            self._checkpoint("rotation", moment)
            self._chain.begin_segment(moment, self._clock())
            self._retire(moment)

    def close(self, detail: str = "") -> None:
        """Write "stop" and a last checkpoint, and let go; closing twice is harmless.

        Raises
        ------
        AuditError
            They could not be written; it is closed all the same.
        """
        if self._chain.size == 0:
            return
        try:
            moment = self._now()
            self._append("stop", moment, {"detail": plain(detail)})
            self._checkpoint("stop", moment)
        finally:
            self._chain.close()

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close("" if kind is None else f"error: {kind.__name__}")

    def _start(self) -> None:
        from edgeface import __version__

        moment = self._now()
        if self._chain.size == 0:
            self._chain.begin_segment(moment, self._clock())
        for note in self._chain.notes:
            self._append("note", moment, {"detail": plain(note)})
        self._append("start", moment, {"version": __version__, "detail": ""})
        self._checkpoint("start", moment)
        self._retire(moment)

    def _append(self, kind: str, moment: Moment, fields: Mapping[str, Any]) -> None:
        self._chain.append(kind, moment, {**fields, **self._clock()})
        if not self._unsigned:
            self._unsigned_since = moment.monotonic
        self._unsigned += 1

    def _checkpoint(self, why: str, moment: Moment) -> None:
        self._chain.sign("checkpoint", moment, {"why": why, **self._clock()})
        self._unsigned = 0

    def _clock(self) -> dict[str, str]:
        return {"clock": plain(self._quality())}

    def _with_names(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        shown: dict[str, Callable[[str], str | None]] = {
            "name": plain,
            "pseudonym": self._key.pseudonym,
            "none": lambda name: None,
        }
        named = [key for key in _PEOPLE if fields.get(key) is not None]
        return {**fields, **{key: shown[self._names](fields[key]) for key in named}}

    def _rotation_due(self, moment: Moment) -> bool:
        if self._chain.size >= self._limits.rotate_mib * 2**20:
            return True
        began = self._chain.segment_utc
        if moment.utc is None or began is None:
            return False
        return moment.utc - began >= timedelta(days=self._limits.rotate_days)

    def _retire(self, moment: Moment) -> None:
        if self._limits.keep_days is not None and moment.utc is not None:
            before = moment.utc - timedelta(days=self._limits.keep_days)
            self._chain.retire(moment, self._clock(), before=before)


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()[:36]
    except (OSError, ValueError):
        return ""
