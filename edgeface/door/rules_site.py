"""The site's rules beside a door's own: a file that `edgeface agent` writes, followed at work.

Of the tables [schedules], [groups] and [decision] each entry that the site names is the site's; all
others are door.toml's. They are taken all together or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from edgeface.door.rules import Rules
from edgeface.errors import DoorError
from edgeface.schema import JsonError, first_problem, parse_json

TABLES = ("schedules", "groups", "decision")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "tables"],
    "properties": {
        "version": {"type": "integer", "minimum": 0},
        "tables": {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {"type": "object"} for name in TABLES},
        },
    },
}
_LIMIT_BYTES = 1 << 20
_UNREAD = (-1, -1, -1)


@dataclass(frozen=True)
class SiteTables:
    """What the file says: the rules' number at the site, and tables as in door.toml."""

    version: int
    tables: Mapping[str, Mapping[str, Any]]

    def over(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return door.toml's tables with each entry of the site in the place of its own."""
        site = {name: {**own.get(name, {}), **table} for name, table in self.tables.items()}
        return {**own, **site}


def read_site_rules(path: Path) -> SiteTables | None:
    """Return what the file says, or None where there is none.

    Raises
    ------
    DoorError
        It cannot be read, or is not what the agent writes.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_LIMIT_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DoorError(f"{path}: {error.strerror}: give the door permission to read it") from error
    if len(data) > _LIMIT_BYTES:
        raise DoorError(f"{path} has more than {_LIMIT_BYTES} bytes: these are no site's rules")
    try:
        found = parse_json(data)
    except JsonError as error:
        raise DoorError(f"{path}: {error}: remove it, and edgeface agent writes it anew") from error
    problem = first_problem(found, SCHEMA)
    if problem:
        raise DoorError(f"{path}: {problem}: remove it, and edgeface agent writes it anew")
    return SiteTables(found["version"], found["tables"])


class SiteRules:
    """Follows the site's rules. One a door; not for several threads.

    Parameters
    ----------
    path
        The file, which need not be there.
    own
        All tables of door.toml.
    make
        Makes rules of tables; a ``DoorError`` where they cannot be.

    Attributes
    ----------
    version
        Number of the site's rules that hold; None where door.toml's hold alone.
    known
        Whether right rules were found since the start: while it is False, nobody knows what the
        site has forbidden.
    """

    def __init__(
        self,
        path: Path,
        *,
        own: Mapping[str, Any],
        make: Callable[[Mapping[str, Any]], Rules],
    ) -> None:
        self._path, self._own, self._make = path, own, make
        self._stamp: tuple[int, int, int] | None = _UNREAD
        self._problem: str | None = None
        self.version: int | None = None
        self.known = False

    def follow(self) -> Rules | None:
        """Return the rules to go by from now on; None where they are those of before.

        Costs one look at the file's time. Without a file, door.toml's rules hold from the start.

        Raises
        ------
        DoorError
            What is there cannot be, or the file is gone: the rules taken before hold on. Raised
            until the file changes.
        """
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp, self._problem = stamp, None
            try:
                return self._take()
            except DoorError as error:
                self._problem = str(error)
        if self._problem is not None:
            raise DoorError(self._problem)
        return None

    def _take(self) -> Rules | None:
        found = read_site_rules(self._path)
        if found is None:
            if self.version is not None:
                raise DoorError(f"{self._path} is gone: the site's rules {self.version} hold on")
            self.known = True
            return None
        rules = self._make(found.over(self._own))
        self.version, self.known = found.version, True
        return rules

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:  # `read_site_rules` says why
            return None
        return (found.st_mtime_ns, found.st_ino, found.st_size)
