"""Who may come in, and when: the groups of door.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeface.door.rules_schedule import Schedule
from edgeface.errors import DoorError


@dataclass(frozen=True)
class Group:
    """People who may come in at the same times.

    Attributes
    ----------
    name, schedule
        From door.toml. The group "default" is of everybody who is in no other.
    two_people
        It opens for two different members only, each with a visit of their own.
    people
        Members by name, besides those whom the gallery puts in the group.
    """

    name: str
    schedule: Schedule
    two_people: bool = False
    people: frozenset[str] = frozenset()


def read_groups(
    tables: Mapping[str, Mapping[str, Any]], *, schedules: Mapping[str, Schedule]
) -> dict[str, Group]:
    """Return the groups of door.toml by name, or raise ``DoorError``."""
    groups = {}
    for name, table in tables.items():
        schedule = schedules.get(table["schedule"])
        if schedule is None:
            raise DoorError(
                f"groups.{name}.schedule: found {table['schedule']!r}, expected one of "
                f"{', '.join(sorted(schedules))}: correct it, or add that schedule"
            )
        two_people, people = table.get("two_people", False), frozenset(table.get("people", ()))
        groups[name] = Group(name, schedule, two_people, people)
    return groups
