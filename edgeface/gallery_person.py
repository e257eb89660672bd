"""What a gallery knows of a person beside the templates, and how that is written down."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_GROUPS_LIMIT = 64
_FACILITY_LIMIT, _NUMBER_LIMIT = (1 << 16) - 1, (1 << 32) - 1
_PADDING_BYTES = 128
_OF_SITE = {"site_id", "site_version", "site_copy"}


@dataclass(frozen=True)
class PersonRecord:
    """Somebody's own data.

    Attributes
    ----------
    name : str
        In Unicode form NFC.
    enrolled_at : str
        Time of first enrolment; times are ISO 8601 in UTC, as ``2026-01-31T12:00:00Z``.
    consent_at, expires_at : str or None
        When the person agreed; from when on the person is not recognised any more.
    groups : tuple of str
        Names of groups, for the door's schedules.
    card : (facility, number) or None
        The card number that Wiegand and OSDP panels know the person by.
    blocked : bool
        Recognised, and never let in.
    site_id : str or None
        32 hex digits by which the site knows the person; None for somebody of this gallery alone.
    site_version : int or None
        Which version of the person the site last told.
    site_copy : str or None
        What it told, as `edgeface.agent` wrote it down: whatever differs was changed here. Without
        a `site_id`, by what the site may know the person, whose enrolment was sent.
    """

    name: str
    enrolled_at: str
    consent_at: str | None = None
    expires_at: str | None = None
    groups: tuple[str, ...] = ()
    card: tuple[int, int] | None = None
    blocked: bool = False
    site_id: str | None = None
    site_version: int | None = None
    site_copy: str | None = None


@dataclass(frozen=True)
class Person(PersonRecord):
    """Somebody enrolled: own data as in `PersonRecord`, and templates.

    Attributes
    ----------
    templates : int
        How many there are of the gallery's model.
    """

    templates: int = 0

    @property
    def needs_enrolment(self) -> bool:
        """Whether the person must be enrolled again to be recognised."""
        return self.templates == 0


def to_person(record: PersonRecord, *, templates: int) -> Person:
    """Return a record with the number of its templates of the gallery's model."""
    return Person(templates=templates, **vars(record))


def apply_changes(record: PersonRecord, changes: Mapping[str, Any]) -> PersonRecord:
    """Return a record with some of its fields set anew.

    Parameters
    ----------
    record
        As it was.
    changes : mapping
        ``consent_at``, ``expires_at``: None, an aware datetime, or text as ``2026-01-31`` or
        ``2026-01-31T12:00:00Z``; ``groups``: names; ``card``: None or (facility 0 to 65535, number
        0 to 4294967295); ``blocked``: bool.

    Raises ``TypeError`` for a field that there is not or a value of another type, ``ValueError``
    for a value out of range.
    """
    unknown = sorted(set(changes) - set(_CHECKS))
    if unknown:
        raise TypeError(f"a person has no {unknown[0]!r}; expected some of {', '.join(_CHECKS)}")
    return replace(record, **{name: _CHECKS[name](name, changes[name]) for name in changes})


def now() -> str:
    """Return the time as the gallery stores it: ISO 8601, UTC, seconds."""
    return _text(datetime.now(timezone.utc))


def to_datetime(text: str) -> datetime:
    """Return a time that the gallery stored as an aware datetime in UTC."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def encode(record: PersonRecord) -> bytes:
    """Return a record as JSON, padded so that its length tells nearly nothing.

    Without a site it is as an edgeface wrote it that knew of none, and reads it.
    """
    values = {k: v for k, v in asdict(record).items() if v is not None or k not in _OF_SITE}
    data = json.dumps(values, ensure_ascii=False).encode("utf-8")
    return data + b" " * (-len(data) % _PADDING_BYTES)


def decode(data: bytes) -> PersonRecord:
    """Return what `encode` was given; ``ValueError`` for anything else."""
    values = json.loads(data)
    known = {field.name for field in fields(PersonRecord)}
    if not isinstance(values, dict) or not known - _OF_SITE <= set(values) <= known:
        raise ValueError("not a person's record")
    card = values["card"]
    groups = tuple(values["groups"])
    return PersonRecord(**{**values, "groups": groups, "card": tuple(card) if card else None})


def _checked_time(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name} is a time without its zone: make it aware, best in UTC")
        return _text(value.astimezone(timezone.utc))
    if not isinstance(value, str):
        raise TypeError(f"{name} is a datetime or text, not {type(value).__name__}")
    text = f"{value}T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else value
    try:
        if not _TIME.fullmatch(text):
            raise ValueError("another form")
        to_datetime(text)
    except ValueError as error:
        raise ValueError(
            f"{name} is {value!r}; expected 2026-01-31 or 2026-01-31T12:00:00Z, in UTC"
        ) from error
    return text


def _checked_groups(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(group, str) for group in value):
        raise TypeError(f"{name} is several texts, as ('staff', 'night')")
    groups = tuple(dict.fromkeys(value))
    bad = [group for group in groups if not _GROUP.fullmatch(group)]
    if bad or len(groups) > _GROUPS_LIMIT:
        raise ValueError(
            f"{name}: found {bad[0] if bad else len(groups)!r}; expected at most {_GROUPS_LIMIT} "
            "names of 1 to 64 letters, digits, '_', '-' and '.', the first a letter or digit"
        )
    return groups


def _checked_card(name: str, value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, (tuple, list)) or [type(part) for part in value] != [int, int]:
        raise TypeError(f"{name} is (facility, number), two whole numbers")
    facility, number = value
    if not (0 <= facility <= _FACILITY_LIMIT and 0 <= number <= _NUMBER_LIMIT):
        raise ValueError(
            f"{name} is ({facility}, {number}); expected a facility of 0 to {_FACILITY_LIMIT} and "
            f"a number of 0 to {_NUMBER_LIMIT}"
        )
    return (facility, number)


def _checked_flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not {type(value).__name__}")
    return value


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


_CHECKS = {
    "consent_at": _checked_time,
    "expires_at": _checked_time,
    "groups": _checked_groups,
    "card": _checked_card,
    "blocked": _checked_flag,
}
