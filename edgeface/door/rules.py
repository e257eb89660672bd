"""The rules of a door: when a face opens it. Read from door.toml, checked, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edgeface.door.event import Subject
from edgeface.door.rules_group import Group, read_groups
from edgeface.door.rules_matching import Matching, read_matching
from edgeface.door.rules_schedule import read_holidays, read_schedules
from edgeface.door.rules_settings import SETTINGS
from edgeface.door.threshold import Threshold
from edgeface.errors import DoorError
from edgeface.schema import first_problem

__all__ = ["SETTINGS", "Group", "Matching", "Rules"]
POLICIES = ("passive", "passive+challenge", "none")


@dataclass(frozen=True)
class Rules:
    """Everything the engine goes by; `rules_settings.py` says what each number means.

    Raises ``DoorError`` when two settings contradict each other.
    """

    matching: Matching
    policy: str = "passive"
    groups: Mapping[str, Group] = field(default_factory=dict)
    zone: tzinfo = timezone.utc
    frames: int = 3
    of: int = 5
    window_s: float = 3.0
    watch_s: float = 1.0
    max_frame_age_s: float = 0.5
    give_up_s: float = 5.0
    gone_after_s: float = 1.5
    challenge_s: float = 15.0
    retry_s: float = 3.0
    attempts: int = 5
    cool_down_s: float = 5.0
    anti_passback_s: float = 0.0
    openings_per_minute: int = 20
    lock_out_visits: int = 10
    lock_out_window_s: float = 120.0
    lock_out_s: float = 60.0
    two_person_s: float = 20.0
    duress_s: float = 30.0
    pulse_s: float = 5.0
    open_grace_s: float = 2.0
    held_open_s: float = 30.0
    exit_request_opens: bool = True

    def __post_init__(self) -> None:
        if self.policy not in POLICIES or (self.policy == "none") != (self.matching.live is None):
            raise DoorError(
                f"liveness.policy is {self.policy!r} and the least liveness score "
                f"{self.matching.live!r}; expected one of {POLICIES}, and a score but for none"
            )
        if self.frames > self.of:
            raise DoorError(
                f"decision.frames is {self.frames}, decision.of is {self.of}; expected no more "
                "good frames than frames: lower frames"
            )
        if self.watch_s >= self.give_up_s:
            raise DoorError(
                f"decision.watch_s is {self.watch_s}, decision.give_up_s is {self.give_up_s}; "
                "nobody would be watched for long enough: make give_up_s the larger"
            )
        self.threshold(())  # a table of rates that gives no threshold is refused now

    @classmethod
    def from_settings(
        cls,
        settings: Mapping[str, Any],
        *,
        base: Path,
        thresholds: Mapping[str, Any],
        live_threshold: float | None,
    ) -> Rules:
        """Read the tables [decision], [liveness], [schedules] and [groups] of door.toml.

        Parameters
        ----------
        settings
            All of door.toml; other tables, and those inside [liveness], are not looked at.
        base
            Folder of door.toml; no rule has a path.
        thresholds
            The bundle manifest's "thresholds".
        live_threshold
            The bundle's liveness threshold, None where it has no such stage.

        Raises
        ------
        DoorError
            A value that cannot be, two that contradict each other, or a door that would open for
            any photo without its owner's saying so. The text names the key.
        """
        tables = {name: _checked(name, settings.get(name, {})) for name in SETTINGS}
        decision, liveness = tables["decision"], tables["liveness"]
        holidays = read_holidays(decision.get("holidays", []))
        schedules = read_schedules(tables["schedules"], holidays=holidays)
        numbers = {f.name: decision[f.name] for f in fields(cls) if f.name in decision}
        return cls(
            matching=read_matching(
                decision, liveness=liveness, thresholds=thresholds, live_threshold=live_threshold
            ),
            policy=liveness.get("policy", "passive"),
            groups=read_groups(tables["groups"], schedules=schedules),
            zone=_zone(decision.get("time_zone", "UTC")),
            exit_request_opens=decision.get("exit_request", "opens") == "opens",
            **numbers,
        )

    def threshold(self, subjects: Iterable[Subject]) -> Threshold:
        """Return the cosine a match needs in a gallery of these people."""
        return self.matching.threshold(sum(max(subject.templates, 1) for subject in subjects))

    def groups_of(self, subject: Subject) -> tuple[Group, ...]:
        """Return the groups somebody is in: "default" only where there is no other."""
        found = tuple(
            group
            for name, group in self.groups.items()
            if name != "default" and (name in subject.groups or subject.name in group.people)
        )
        return found or tuple(group for name, group in self.groups.items() if name == "default")


def _checked(name: str, table: Any) -> dict[str, Any]:
    if name == "liveness" and isinstance(table, Mapping):  # tables inside it have other owners
        table = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    problem = first_problem({name: table}, {"type": "object", "properties": SETTINGS})
    if problem:
        raise DoorError(f"door.toml: {problem}")
    return table


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DoorError(
            f'decision.time_zone: found "{name}", which this machine does not know; expected a '
            'name like "Europe/Berlin" (is the package tzdata installed?)'
        ) from error
