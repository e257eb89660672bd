"""A service's settings: a TOML file that is checked as a whole before anything is opened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from edgeface.errors import BoardError, EdgeFaceError
from edgeface.toml import read_toml


@dataclass(frozen=True)
class SettingsFile:
    """Settings that their schema allows.

    Attributes
    ----------
    path
        The file.
    tables
        What it says; a table left out is not in it.
    digest
        SHA-256 of what it says, in hex, whatever its comments and order.
    """

    path: Path
    tables: Mapping[str, Any]
    digest: str

    @property
    def name(self) -> str:
        """The name that it gives: the door's, the site's."""
        return self.tables["name"]

    @property
    def base(self) -> Path:
        """The folder that relative paths begin at."""
        return self.path.parent

    def table(self, name: str, *inner: str) -> Mapping[str, Any]:
        """Return a table, or one inside it; empty where it was left out."""
        table = self.tables.get(name, {})
        for part in inner:
            table = table.get(part, {})
        return table


def read_tables(
    path: Path,
    *,
    problem: Callable[[dict[str, Any]], str | None],
    error: type[EdgeFaceError],
    missing: str,
) -> tuple[dict[str, Any], str]:
    """Return what a settings file says, and its digest as in `SettingsFile`.

    Parameters
    ----------
    problem
        Says what is wrong with its content, or None.
    error
        Is raised where it is missing, no TOML, or has a problem.
    missing
        Says how to get such a file.
    """
    try:
        tables = read_toml(path)
    except BoardError as unread:
        raise error(str(unread)) from unread
    if tables is None:
        raise error(f"there is no {path}: {missing}")
    found = problem(tables)
    if found:
        raise error(f"{path}: {found}")
    text = json.dumps(tables, sort_keys=True, default=str)
    return tables, hashlib.sha256(text.encode("utf-8")).hexdigest()
