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

FLEET_SETTINGS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
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
            "description": "what checks a door.toml, whose path is added; edgeface door --check "
            "--config",
        },
        "agent_check": {
            **_COMMAND,
            "description": "what a new kit's agent must pass; edgeface agent --check; empty: "
            "nothing",
        },
        "agent_restart": {
            **_COMMAND,
            "description": "starts the agent anew after a kit; systemctl --no-block restart "
            "edgeface-agent.service; empty: nobody does",
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
    check: tuple[str, ...] = ("/usr/local/bin/edgeface", "door", "--check", "--config")
    agent_check: tuple[str, ...] = ("/usr/local/bin/edgeface", "agent", "--check")
    agent_restart: tuple[str, ...] = (
        *("systemctl", "--no-block", "restart"),
        "edgeface-agent.service",
    )
    start_s: float = 120.0
    settle_s: float = 20.0

    @classmethod
    def from_settings(
        cls, table: Mapping[str, Any] | None, *, folder: Path, door_config: Path
    ) -> FleetSettings:
        """Check the table; nothing is opened. None, no table: this door takes no roll-out.

        Parameters
        ----------
        folder, door_config
            As the attributes.

        Raises
        ------
        SiteError
            Something is unknown or out of range.
        """
        if table is None:
            return cls(folder=folder, door_config=door_config, kinds=())
        problem = first_problem(dict(table), FLEET_SETTINGS)
        if problem:
            raise SiteError(f"table [fleet]: {problem}; correct it in agent.toml")
        lists = {name: tuple(value) for name, value in table.items() if isinstance(value, list)}
        return cls(folder=folder, door_config=door_config, **{**table, **lists})
