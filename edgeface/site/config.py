"""site.toml: read, checked as a whole before anything is opened."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeface.door.audit_settings import SETTINGS as AUDIT_SETTINGS
from edgeface.door.config import BUNDLE_SETTINGS
from edgeface.errors import SiteError
from edgeface.schema import first_problem
from edgeface.secret_file import read_secret, secret_path
from edgeface.settings_file import SettingsFile, read_tables
from edgeface.site.collector import SETTINGS as MQTT_SETTINGS
from edgeface.site.site_webhook import SETTINGS as WEBHOOK_SETTINGS


def _text(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": 4096, "description": text, **more}


def _count(low: int, high: int, text: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high, "description": text}


def _table(properties: dict[str, Any], *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


_DATABASE = _table(
    {
        "conninfo": _text("as libpq reads it: postgresql://user@host/name, or postgresql:///name"),
        "password_file": _text("file with the database user's password, or credential:NAME"),
        "connections": _count(4, 200, "at most; 20"),
    },
    required=("conninfo",),
)
_SERVER = _table(
    {
        "bind": _text('address to listen on; "127.0.0.1", this machine only'),
        "port": _count(1, 65535, "8443"),
        "names": {
            "type": "array",
            "minItems": 1,
            "maxItems": 32,
            "items": {"type": "string", "pattern": r"[A-Za-z0-9.:-]{1,253}"},
            "description": "host names and addresses by which doors and browsers come; "
            '["localhost", "127.0.0.1"]',
        },
        "certificate": _text("PEM file of the server's certificate, with those that signed it"),
        "key": _text("PEM file of its key, mode 0600, or credential:NAME"),
    }
)
SCHEMA: dict[str, Any] = _table(
    {
        "name": _text("the site's name", pattern=r"[A-Za-z0-9_-]{1,64}"),
        "key": _text("file of 32 secret bytes, mode 0600, or credential:NAME"),
        "database": _DATABASE,
        "server": _SERVER,
        "bundle": BUNDLE_SETTINGS,
        "audit": AUDIT_SETTINGS,
        "mqtt": MQTT_SETTINGS,
        "webhook": WEBHOOK_SETTINGS,
        "rollouts": _table({"folder": _text("folder of what is rolled out; rollouts")}),
    },
    required=("name", "key", "database", "audit"),
)


class SiteConfig(SettingsFile):
    """A site.toml that its schema allows."""

    def secret(self, text: str) -> bytes:
        """Return what the secret file of a setting holds; ``SiteError`` where it cannot be used."""
        path = self.file(text)
        try:
            return read_secret(path)
        except (OSError, ValueError) as error:
            raise SiteError(f"{self.path}: secret {path}: {error}") from error

    def file(self, text: str) -> Path:
        """Return where a setting's file is; ``SiteError`` for a credential that there is not."""
        try:
            return secret_path(text, base=self.base)
        except ValueError as error:
            raise SiteError(f"{self.path}: {error}") from error

    @property
    def conninfo(self) -> str:
        """How to reach the database, with its password."""
        database = self.tables["database"]
        if "password_file" not in database:
            return database["conninfo"]
        from psycopg.conninfo import make_conninfo

        password = self.secret(database["password_file"]).decode("utf-8", "replace").strip()
        return make_conninfo(database["conninfo"], password=password)


def read_config(path: str | Path) -> SiteConfig:
    """Read and check a site.toml.

    Raises
    ------
    SiteError
        It is missing, no TOML, or says something that cannot be; the text names the key.
    """
    path = Path(path).absolute()
    missing = "make a site with 'edgeface site --new FOLDER'"
    return SiteConfig(path, *read_tables(path, problem=_problem, error=SiteError, missing=missing))


def _problem(tables: Mapping[str, Any]) -> str | None:
    return first_problem(tables, SCHEMA) or _server_problem(tables.get("server", {}))


def is_loopback(address: str) -> bool:
    """Whether an address reaches this machine only."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _server_problem(server: Mapping[str, Any]) -> str | None:
    if ("certificate" in server) != ("key" in server):
        return "server: certificate and key go together: name both or none"
    bind = server.get("bind", "127.0.0.1")
    if "certificate" not in server and not is_loopback(bind):
        return (
            f"server.bind: found {bind!r} without certificate and key; without TLS a site listens "
            'on loopback only ("127.0.0.1")'
        )
    return None
