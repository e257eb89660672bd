"""The file by which the running door gets the site's rules: `edgeface.door.rules_site` reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeface.container import replacing
from edgeface.door.rules_site import read_site_rules
from edgeface.errors import DoorError, SiteError

_MODE = 0o640  # also for the door's group; the umask may take that away


class RulesFile:
    """Where a door.toml says that the site's rules go.

    Parameters
    ----------
    path
        The file; None where door.toml has no ``site_rules``: then rules go nowhere.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def version(self) -> int | None:
        """Return the number of the rules in the file; None for none, or what is no rules."""
        try:
            found = None if self._path is None else read_site_rules(self._path)
        except DoorError:
            return None
        return None if found is None else found.version

    def missing(self) -> bool:
        """Tell whether the site must be asked for its rules again."""
        return self._path is not None and self.version() is None

    def write(self, rules: Mapping[str, Any]) -> str | None:
        """Write ``rules`` of an answer; return what is wrong with that, or None.

        Raises
        ------
        SiteError
            The disk refused it.
        """
        if self._path is None:
            if any(rules["tables"].values()):
                return 'the site\'s rules go nowhere: give door.toml site_rules = "site-rules.json"'
            return None
        text = json.dumps({"version": rules["version"], "tables": rules["tables"]}, indent=1)
        try:
            with replacing(self._path, mode=_MODE) as temporary:
                temporary.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise SiteError(
                f"{self._path} cannot be written: {error.strerror or error}: check the disk's "
                "space and permissions"
            ) from error
        return None
