"""Where a broker is, as settings say it: for doors, their agents and their site."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeface.door import sender_settings
from edgeface.door.mqtt_link import Broker
from edgeface.door.sender_tls import tls_context
from edgeface.errors import DoorError

LEVEL = "^[^+#/\\x00-\\x1f]{1,64}$"
"""One level of a topic."""

BROKER: dict[str, Any] = {
    "host": {
        "type": "string",
        "pattern": "[A-Za-z0-9._:-]{1,253}",
        "description": "the broker's name or address",
    },
    "port": {
        "type": "integer",
        "minimum": 1,
        "maximum": 65535,
        "description": "the broker's port; 8883, without TLS 1883",
    },
    "ca_file": sender_settings.path("PEM file of who may sign the broker; the system's"),
    "allow_plain": {
        "type": "boolean",
        "description": "true connects without TLS: everybody on the way reads, the password "
        "too; false",
    },
    "username": {
        "type": "string",
        "minLength": 1,
        "maxLength": 256,
        "description": "who we are to the broker; nobody",
    },
    "password_file": sender_settings.path(
        "file with the password of username; a path or credential:NAME"
    ),
    "client_id": {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,64}$",
        "description": 'differs for each client of the broker; "edgeface-" and the door',
    },
    "prefix": {
        "type": "string",
        "pattern": LEVEL,
        "description": 'topics are PREFIX/DOOR/...; "edgeface"',
    },
    "keepalive_s": {
        "type": "integer",
        "minimum": 5,
        "maximum": 3600,
        "description": "seconds; after 1.5 times this the broker says that we are offline; 30",
    },
    "timeout_s": sender_settings.seconds(0.5, 60, "for connecting and for one message; 10"),
    "longest_pause_s": sender_settings.seconds(1, 3600, "between tries to connect; 30"),
}
"""Settings of a table that names a broker, by key; all but ``host`` may be left out."""


def read_broker(table: Mapping[str, Any], *, base: Path, client_id: str) -> Broker:
    """Return the broker of a table as `BROKER` allows it.

    Parameters
    ----------
    base
        Folder that relative paths begin at.
    client_id
        Who we are where the table does not say.

    Raises
    ------
    DoorError
        A host that is none, no TLS without ``allow_plain``, or a CA or password file that cannot
        be used.
    """
    sender_settings.require_host(table["host"], what="mqtt: host")
    plain = table.get("allow_plain", False)
    if plain and "ca_file" in table:
        raise DoorError("mqtt: allow_plain = true and ca_file exclude each other; remove one")
    if "password_file" in table and "username" not in table:
        raise DoorError("mqtt: password_file without username; add username")
    ca_file = base / table["ca_file"] if "ca_file" in table else None
    password = None
    if "password_file" in table:
        found = sender_settings.secret_setting(table, "password_file", base=base)
        password = found.rstrip(b"\r\n")
    return Broker(
        host=table["host"],
        port=table.get("port", 1883 if plain else 8883),
        tls=None if plain else tls_context(ca_file),
        client_id=table.get("client_id", client_id),
        username=table.get("username"),
        password=password,
        keepalive_s=table.get("keepalive_s", 30),
        timeout_s=table.get("timeout_s", 10.0),
        longest_pause_s=table.get("longest_pause_s", 30.0),
    )
