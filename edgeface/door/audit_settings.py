"""Table [audit] of door.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeface.errors import DoorError
from edgeface.schema import first_problem
from edgeface.secret_file import secret_path

NAMES = ("pseudonym", "name", "none")

SETTINGS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path", "key"],
    "properties": {
        "path": {
            "type": "string",
            "minLength": 1,
            "description": "folder of the log, made when missing; relative to door.toml",
        },
        "key": {
            "type": "string",
            "minLength": 1,
            "description": "private key of 'edgeface audit key', mode 0600; or credential:NAME, "
            "which the service's LoadCredential= names",
        },
        "names": {
            "type": "string",
            "enum": list(NAMES),
            "description": "how people appear: a pseudonym by the key (default), their name, or "
            "not at all",
        },
        "rotate_mib": {
            "type": "number",
            "minimum": 0.01,
            "maximum": 64,
            "description": "a new file when this one has so many MiB; default 4",
        },
        "rotate_days": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "a new file when this one is so many days old; default 1",
        },
        "keep_days": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "whole files are deleted when their last entry is so many days old, "
            "and a signed entry says so; default: never",
        },
        "checkpoint_entries": {
            "type": "integer",
            "minimum": 1,
            "maximum": 1000,
            "description": "sign when so many entries are not signed yet; default 64",
        },
        "checkpoint_s": {
            "type": "number",
            "minimum": 0,
            "description": "sign when the oldest unsigned entry is so many seconds old; default 30",
        },
    },
}


@dataclass(frozen=True)
class Limits:
    """When the log is signed, when a new file begins and when old ones go: as `SETTINGS` says.

    Attributes
    ----------
    keep_days
        None keeps every file.
    """

    rotate_mib: float = 4.0
    rotate_days: float = 1.0
    keep_days: float | None = None
    checkpoint_entries: int = 64
    checkpoint_s: float = 30.0


@dataclass(frozen=True)
class AuditSettings:
    """What table [audit] says, with paths resolved."""

    path: Path
    key: Path
    names: str = NAMES[0]
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def from_settings(cls, table: Mapping[str, Any], *, base: Path) -> AuditSettings:
        """Check the table; nothing is opened.

        Parameters
        ----------
        base
            Folder of door.toml.

        Raises
        ------
        DoorError
            Something is missing, unknown or out of range.
        """
        problem = first_problem(dict(table), SETTINGS)
        if problem:
            raise DoorError(f"table [audit]: {problem}; correct it in door.toml")
        try:
            key = secret_path(table["key"], base=base)
        except ValueError as error:
            raise DoorError(f"table [audit], key: {error}") from error
        known = Limits.__dataclass_fields__
        limits = Limits(**{name: value for name, value in table.items() if name in known})
        return cls(base / table["path"], key, table.get("names", NAMES[0]), limits)
