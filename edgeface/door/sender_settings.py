"""Parts of the schemas of `[[actuators]]` that several kinds share, and their secrets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeface.errors import DoorError
from edgeface.secret_file import read_secret, secret_path

SEND_NAMES = {
    "type": "boolean",
    "description": "whether messages say who it was; false: people's names stay on the door",
}
QUEUE = {
    "type": "integer",
    "minimum": 1,
    "maximum": 100000,
    "description": "messages kept while the receiver is away, the newest; 1000",
}
DOOR = {
    "type": "string",
    "pattern": "^[A-Za-z0-9_-]{1,64}$",
    "description": "the door's name in messages: letters, digits, - and _; the actuator's name",
}


def path(text: str) -> dict[str, Any]:
    """Return the schema of a setting that names a file."""
    return {"type": "string", "minLength": 1, "maxLength": 4096, "description": text}


def seconds(low: float, high: float, text: str) -> dict[str, Any]:
    """Return the schema of a duration."""
    text = f"seconds; {text}"
    return {"type": "number", "minimum": low, "maximum": high, "description": text}


def table(kind: str, properties: dict[str, Any], *, required: tuple[str, ...]) -> dict[str, Any]:
    """Return the schema of one kind of ``[[actuators]]``."""
    common = {
        "kind": {"const": kind, "description": "which actuator this is"},
        "name": {
            "type": "string",
            "pattern": "^[A-Za-z0-9_-]{1,64}$",
            "description": f'its name in logs: letters, digits, - and _; "{kind}"',
        },
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", *required],
        "properties": {**common, **properties},
    }


def require_host(host: str, *, what: str) -> None:
    """Raise ``DoorError`` for what is no host's name, which looking it up would break a thread."""
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise DoorError(f"{what} {host!r}: {error}; expected a name or an address") from error


def secret_setting(settings: Mapping[str, Any], key: str, *, base: Path) -> bytes:
    """Return the secret that a setting names: a path or ``credential:NAME``.

    Raises
    ------
    DoorError
        It is missing, or others than the owner may read it.
    """
    text = settings[key]
    try:
        return read_secret(secret_path(text, base=base))
    except ValueError as error:
        raise DoorError(f"{key}: {error}") from error
    except OSError as error:
        raise DoorError(
            f"{key}: cannot read {text}: {error.strerror}; make it, owned by the door's user, "
            "chmod 600"
        ) from error
