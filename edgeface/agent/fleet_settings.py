"""Table [fleet] of agent.toml: whether and how this door takes roll-outs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeface.errors import SiteError
from edgeface.schema import first_problem

_COMMAND = {"type": "array", "maxItems": 40, "items": {"type": "string", "minLength": 1}}
_PATH = {"type": "string", "minLength": 1}
_SECONDS = {"type": "number", "minimum": 0, "maximum": 86400}

FOLDER = "/var/lib/edgeface-rollouts"
_SECRETS = "/etc/edgeface/secrets"
_OPTIONAL = ("gallery.key", "osdp.key", "mqtt.password", "webhook.secret")
DOOR_UNIT = (
    "DynamicUser=yes",
    "StateDirectory=edgeface",
    "StateDirectoryMode=0700",
    "UMask=0077",
    "EnvironmentFile=-/etc/edgeface/environment",
    "SupplementaryGroups=video render dialout",
    *(f"LoadCredential={name}:{_SECRETS}/{name}" for name in ("audit.pem", *_OPTIONAL)),
    *(f"SetCredential={name}:not configured" for name in _OPTIONAL),
)
"""What of edgeface.service makes the check's user, folder, devices and keys those of the door."""

CHECK = (
    *("systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--property=User=edgeface"),
    *(f"--property={setting}" for setting in DOOR_UNIT),
    *("/opt/edgeface/current/bin/edgeface", "door", "--check", "--config", "{file}"),
)
FLEET_SETTINGS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "folder": {
            **_PATH,
            "description": "for files on their way, the agent must be able to read in it; "
            "/var/lib/edgeface-rollouts",
        },
        "kinds": {
            "type": "array",
            "items": {"enum": ["kit", "config"]},
            "description": "what this door takes of roll-outs; both",
        },
        "slot_tool": {
            **_COMMAND,
            "description": "edgeface-slot; python3 -I /opt/edgeface/bin/edgeface-slot",
        },
        "slot_root": {**_PATH, "description": "root of the slots; /"},
        "stop": {**_COMMAND, "description": "ends the door; systemctl stop edgeface.service"},
        "restart": {
            **_COMMAND,
            "description": "starts it, or anew; systemctl restart edgeface.service",
        },
        "check": {
            **_COMMAND,
            "description": "checks a door.toml, whose path takes the place of {file}; edgeface "
            "door --check, by systemd-run as the door's own user",
        },
        "restart_agent": {
            **_COMMAND,
            "description": "then starts the agent; fails where it does not come up; systemctl "
            "restart edgeface-agent.service",
        },
        "restart_self": {
            **_COMMAND,
            "description": "after a kit, at last; systemctl --no-block restart "
            "edgeface-rollouts.service",
        },
        "start_s": {**_SECONDS, "description": "for so long a new door may be unhealthy; 120"},
        "settle_s": {**_SECONDS, "description": "so long it must then be healthy; 20"},
    },
}


@dataclass(frozen=True)
class FleetSettings:
    """What table [fleet] says.

    Attributes
    ----------
    folder
        For files on their way, and for how far a step is; made when missing.
    door_config
        The door.toml of this door.
    """

    folder: Path
    door_config: Path
    kinds: tuple[str, ...] = ("kit", "config")
    slot_tool: tuple[str, ...] = ("/usr/bin/python3", "-I", "/opt/edgeface/bin/edgeface-slot")
    slot_root: str = "/"
    stop: tuple[str, ...] = ("systemctl", "stop", "edgeface.service")
    restart: tuple[str, ...] = ("systemctl", "restart", "edgeface.service")
    check: tuple[str, ...] = CHECK
    restart_agent: tuple[str, ...] = ("systemctl", "restart", "edgeface-agent.service")
    restart_self: tuple[str, ...] = (
        *("systemctl", "--no-block", "restart"),
        "edgeface-rollouts.service",
    )
    start_s: float = 120.0
    settle_s: float = 20.0

    @classmethod
    def from_settings(
        cls, table: Mapping[str, Any], *, base: Path, door_config: Path
    ) -> FleetSettings:
        """Check the table; nothing is opened.

        Parameters
        ----------
        base
            Folder of agent.toml.

        Raises
        ------
        SiteError
            Something is unknown or out of range.
        """
        problem = first_problem(dict(table), FLEET_SETTINGS)
        if problem:
            raise SiteError(f"table [fleet]: {problem}; correct it in agent.toml")
        given = {name: tuple(v) if isinstance(v, list) else v for name, v in table.items()}
        folder = base / given.pop("folder", FOLDER)
        return cls(folder=folder, door_config=door_config, **given)

    @property
    def state(self) -> Path:
        """File that says how far a step is."""
        return self.folder / "state.json"

    def check_of(self, file: Path) -> list[str]:
        """Return the command that checks a door.toml."""
        return [str(file) if word == "{file}" else word for word in self.check]
