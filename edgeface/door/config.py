"""door.toml: read, checked as a whole before anything is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeface.door import (
    audit,
    camera,
    challenge,
    clock,
    feed,
    gate,
    mqtt,
    osdp,
    relay,
    rules,
    track,
    webhook,
    wiegand,
    window,
)
from edgeface.errors import DoorError
from edgeface.gallery_key import SETTINGS as KEY_SETTINGS
from edgeface.manifest import RUNTIMES, VARIANTS
from edgeface.schema import first_problem
from edgeface.settings_file import SettingsFile, read_tables

ACTUATORS = {
    "relay": (relay.Relay, relay.SETTINGS),
    "wiegand": (wiegand.Wiegand, wiegand.SETTINGS),
    "osdp": (osdp.Osdp, osdp.SETTINGS),
    "mqtt": (mqtt.Mqtt, mqtt.SETTINGS),
    "webhook": (webhook.Webhook, webhook.SETTINGS),
}
_PATH = {"type": "string", "minLength": 1}
BUNDLE_SETTINGS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "file": {**_PATH, "description": "an .efb file; the one that came with edgeface"},
        "public_key": {**_PATH, "description": "PEM file of who must have signed it; nobody"},
        "runtime": {"enum": list(RUNTIMES), "description": "what runs the embedder; the best"},
        "variant": {"enum": list(VARIANTS), "description": "of the embedder; the bundle's choice"},
        "threads": {"type": "integer", "minimum": 1, "description": "CPU threads; 1"},
    },
}
_GALLERY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["path"],
    "properties": {
        "path": {**_PATH, "description": "the gallery's file; relative to door.toml"},
        "key": KEY_SETTINGS,
    },
}
_LIVENESS: dict[str, Any] = {
    **rules.SETTINGS["liveness"],
    "properties": {
        **rules.SETTINGS["liveness"]["properties"],
        "challenge": challenge.SETTINGS,
        "feed": feed.SETTINGS,
    },
}
_GATE = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"track": track.SETTINGS, "quality": gate.SETTINGS},
}
_KINDS = {
    "type": "object",
    "required": ["kind", "name"],
    "properties": {"kind": {"enum": list(ACTUATORS)}, "name": {"type": "string", "minLength": 1}},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "camera", "gallery", "audit"],
    "properties": {
        **rules.SETTINGS,
        "name": {
            "type": "string",
            "pattern": "^[A-Za-z0-9_-]{1,64}$",
            "description": "the door's name in logs and topics",
        },
        "site_rules": {
            **_PATH,
            "description": "file into which edgeface agent writes the site's schedules, groups and "
            "decision, which then hold over those of this file; relative to door.toml; none",
        },
        "bundle": BUNDLE_SETTINGS,
        "camera": camera.SETTINGS,
        "clock": clock.SETTINGS,
        "gate": _GATE,
        "liveness": _LIVENESS,
        "gallery": _GALLERY,
        "audit": audit.SETTINGS,
        "window": window.SETTINGS,
        "actuators": {"type": "array", "items": _KINDS},
    },
}


class DoorConfig(SettingsFile):
    """A door.toml that its schemas allow."""


def read_config(path: str | Path) -> DoorConfig:
    """Read and check a door.toml.

    Raises
    ------
    DoorError
        It is missing, no TOML, or says something that cannot be; the text names the key.
    """
    path = Path(path).absolute()
    missing = "docs/door.md has one to begin with"
    return DoorConfig(path, *read_tables(path, problem=_problem, error=DoorError, missing=missing))


def _problem(tables: Mapping[str, Any]) -> str | None:
    return first_problem(tables, SCHEMA) or _actuator_problem(tables.get("actuators", []))


def _actuator_problem(actuators: list[Mapping[str, Any]]) -> str | None:
    names = [actuator["name"] for actuator in actuators]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return f"actuators: two are called {twice[0]!r}; each needs a name of its own"
    for number, actuator in enumerate(actuators):
        problem = first_problem(actuator, ACTUATORS[actuator["kind"]][1])
        if problem:
            return f"actuators[{number}] ({actuator['name']}): {problem}"
    return None
