"""agent.toml: read, checked as a whole before anything is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeface.agent import ship
from edgeface.agent.fleet_settings import FLEET_SETTINGS
from edgeface.door.config import DoorConfig, read_config
from edgeface.errors import DoorError, SiteError
from edgeface.schema import first_problem
from edgeface.secret_file import secret_path
from edgeface.settings_file import read_tables

_PATH = {"type": "string", "minLength": 1}
_WINDOW = {
    "type": "object",
    "additionalProperties": False,
    "required": ["socket"],
    "properties": {"socket": {**_PATH, "description": "of [window] in door.toml"}},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["site", "token_file", "door_config"],
    "properties": {
        "site": {
            **_PATH,
            "description": "the site's server, as https://site.example:8443; http:// on this "
            "machine alone",
        },
        "ca_file": {**_PATH, "description": "PEM file of who signed its certificate; the system's"},
        "token_file": {
            **_PATH,
            "description": "what edgeface site --add-door printed, mode 0600; a path or "
            "credential:NAME",
        },
        "door_config": {
            **_PATH,
            "description": "the door.toml whose gallery, rules and log are the site's too",
        },
        "state": {**_PATH, "description": 'folder for what is on its way; "state"'},
        "local_enrolment": {
            "type": "boolean",
            "description": "whether what is changed at the door itself goes to the site; else the "
            "site's word is put back; true",
        },
        "mqtt": ship.SETTINGS,
        "window": _WINDOW,
        "fleet": FLEET_SETTINGS,
    },
}


@dataclass(frozen=True)
class AgentConfig:
    """An agent.toml that its schema allows, and the door.toml that it names.

    Attributes
    ----------
    path
        The file.
    tables
        What it says; what was left out is not in it.
    door
        The door's settings.
    """

    path: Path
    tables: Mapping[str, Any]
    door: DoorConfig

    @property
    def base(self) -> Path:
        """The folder that relative paths begin at."""
        return self.path.parent

    def file(self, name: str, default: str | None = None) -> Path | None:
        """Return the path of a setting, or of its default; None without either."""
        text = self.tables.get(name, default)
        return None if text is None else self.base / text

    @property
    def token_file(self) -> Path:
        """Where the door's token is."""
        return secret_path(self.tables["token_file"], base=self.base)


def read_agent_config(path: str | Path) -> AgentConfig:
    """Read and check an agent.toml, and its door.toml.

    Raises
    ------
    SiteError
        It is missing, no TOML, or says something that cannot be; the text names the key.
    DoorError
        The door.toml is wrong.
    """
    path = Path(path).absolute()
    tables, _ = read_tables(
        path,
        problem=lambda found: first_problem(found, SCHEMA),
        error=SiteError,
        missing="edgeface site --add-door prints one to begin with",
    )
    config = AgentConfig(path, tables, read_config(path.parent / tables["door_config"]))
    try:
        config.token_file  # noqa: B018 - a credential that was not given is a wrong setting
    except ValueError as error:
        raise SiteError(f"{path}: token_file: {error}") from error
    return config


def rules_file(door: DoorConfig) -> Path | None:
    """Return where a door.toml says that the site's rules go."""
    rules = door.tables.get("site_rules")
    return None if rules is None else door.base / rules


def door_of(config: AgentConfig) -> DoorConfig:
    """Return the door's settings as they are now; as they were where they cannot be read."""
    try:
        return read_config(config.door.path)
    except DoorError:
        return config.door
