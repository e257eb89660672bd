"""A new site's folder: settings to edit, keys that nobody else may have, certificates."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from edgeface.door.audit_key import make_audit_key
from edgeface.errors import SiteError
from edgeface.site.site_certificate import (
    AUTHORITY,
    AUTHORITY_KEY,
    SERVER,
    SERVER_KEY,
    make_authority,
    make_server_certificate,
    write_new,
)
from edgeface.site.users_secret import KEY_BYTES

_FILES = (
    *("site.toml", "site.key", "acts.pem", "acts.pub.pem"),
    *(AUTHORITY, AUTHORITY_KEY, SERVER, SERVER_KEY),
)


def make_site(
    folder: Path, *, conninfo: str, names: Sequence[str], bind: str, name: str = "site"
) -> Iterator[Path]:
    """Write a site's folder, and yield each file when it is there.

    Parameters
    ----------
    conninfo
        Of the database.
    names
        By which host names and addresses doors and browsers come.
    bind
        The address that the server listens on.

    Raises
    ------
    SiteError
        The folder holds one of the files already; nothing is written then.
    OSError
        It cannot be written.
    """
    there = [file for file in _FILES if os.path.lexists(folder / file)]
    if there:
        raise SiteError(f"{folder} has {', '.join(there)} already: name another folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = {"name": name, "conninfo": conninfo, "bind": bind, "names": list(names)}
    template = (resources.files("edgeface.site") / "template.toml").read_text("utf-8")
    for key, value in settings.items():
        template = template.replace(f"@{key}@", _toml(value))
    write_new(folder / "site.toml", template.encode("utf-8"), mode=0o600)
    yield folder / "site.toml"
    write_new(folder / "site.key", secrets.token_bytes(KEY_BYTES), mode=0o600)
    yield folder / "site.key"
    make_audit_key(folder / "acts.pem")
    yield folder / "acts.pem"
    make_authority(folder, site=name)
    yield folder / AUTHORITY
    make_server_certificate(folder, names=names)
    yield folder / SERVER


def _toml(value: str | list[str]) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
