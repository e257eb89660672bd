"""When a group may come in: days and local times, over midnight, through clock changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any

from edgeface.door.rules_settings import DAYS
from edgeface.errors import DoorError

_CLOCK_WAS_SET = datetime(2020, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Schedule:
    """Days and times at which it is open, in local time.

    Attributes
    ----------
    name
        From door.toml; "always" and "never" are there without being written.
    days
        On which its spans begin, 0 (Monday) to 6.
    spans
        Minutes of the day: first (inclusive) and last (exclusive). Where the last is not after
        the first, the span ends on the next day.
    closed_on
        Dates on which no span begins.
    always
        Open without asking any clock.
    """

    name: str
    days: tuple[int, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    closed_on: frozenset[date] = frozenset()
    always: bool = False

    def is_open(self, local: datetime) -> bool:
        """Say whether it is open at a local time.

        The wall clock decides: in the hour that is repeated in autumn a span is open twice, and a
        span within the hour that is left out in spring is not open at all.
        """
        if self.always:
            return True
        minute = local.hour * 60 + local.minute
        today = self._begins_on(local.date())
        yesterday = self._begins_on(local.date() - timedelta(days=1))
        for first, last in self.spans:
            over_midnight = last <= first
            if today and first <= minute and (over_midnight or minute < last):
                return True
            if yesterday and over_midnight and minute < last:
                return True
        return False

    def _begins_on(self, day: date) -> bool:
        return day.weekday() in self.days and day not in self.closed_on


ALWAYS = Schedule("always", always=True)
NEVER = Schedule("never")


def local_time(utc: datetime | None, *, zone: tzinfo) -> datetime | None:
    """Return the local time, or None where the clock says nothing that can be believed.

    That is: no time, a time without its zone, one of a clock that was never set (before 2020), or
    one that no calendar has.
    """
    if utc is None or utc.tzinfo is None:
        return None
    try:
        return utc.astimezone(zone) if utc >= _CLOCK_WAS_SET else None
    except (OverflowError, ValueError):
        return None


def read_schedules(
    tables: Mapping[str, Mapping[str, Any]], *, holidays: frozenset[date]
) -> dict[str, Schedule]:
    """Return the schedules of door.toml by name, with "always" and "never".

    Raises
    ------
    DoorError
        A name that is taken, or a span without length.
    """
    schedules = {"always": ALWAYS, "never": NEVER}
    for name, table in tables.items():
        if name in schedules:
            raise DoorError(
                f"schedules.{name}: {name} is built in; give yours another name, or remove it"
            )
        days = tuple(DAYS.index(day) for day in table.get("days", DAYS))
        spans = tuple(_span(text, name) for text in table.get("times", ["00:00-24:00"]))
        closed = frozenset() if table.get("holidays") == "as_usual" else holidays
        schedules[name] = Schedule(name, days, spans, closed)
    return schedules


def read_holidays(texts: list[str]) -> frozenset[date]:
    """Return the dates of decision.holidays, or raise ``DoorError``."""
    try:
        return frozenset(date.fromisoformat(text) for text in texts)
    except ValueError as error:
        raise DoorError(
            f'decision.holidays: {error}; expected days of the calendar like "2026-12-25"'
        ) from error


def _span(text: str, name: str) -> tuple[int, int]:
    first, last = (int(time[:2]) * 60 + int(time[3:]) for time in text.split("-"))
    if first == last:
        raise DoorError(
            f'schedules.{name}.times: found "{text}", which has no length; expected two times, '
            'or "00:00-24:00" for the whole day'
        )
    return first, last
