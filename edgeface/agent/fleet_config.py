"""Taking a configuration: checked with the door stopped, put in place in one rename."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Callable

from edgeface.agent.fleet_command import run
from edgeface.agent.fleet_settings import FleetSettings
from edgeface.container import sync_to_disk
from edgeface.door.config import read_config
from edgeface.errors import DoorError, SiteError

_CHECK_S = 300.0
_STOP_S = 60.0


class ConfigStep:
    """How a door.toml is taken and given back.

    Beside it lie the one on trial, ``door.new.toml``, and the one from before,
    ``door.previous.toml``: paths in them begin at the same folder.
    """

    copies = 2
    renews = False

    def __init__(self, settings: FleetSettings, *, pause: Callable[[float], object]) -> None:
        self._settings = settings
        self._place = settings.door_config
        self._new = self._place.with_name("door.new.toml")
        self._previous = self._place.with_name("door.previous.toml")

    def prepare(self, file: Path) -> dict[str, Any]:
        """Write the one on trial and keep the present one; return what both are."""
        try:
            old, new = self._place.read_bytes(), composed(self._place, file.read_bytes())
            self._write(self._previous, old)
            self._write(self._new, new)
        except OSError as error:
            raise SiteError(f"{error.filename} cannot be used: {error.strerror}") from error
        self._read()
        return {"old": _sha256(old), "new": _sha256(new)}

    def apply(self, file: Path, notes: Mapping[str, Any]) -> None:
        """Stop the door, check the new configuration and put it in place.

        The caller starts the door again, also after an error. Done already, it does nothing.

        Raises
        ------
        SiteError
            The check does not pass: the door.toml from before is in place.
        """
        if self._found() == notes["new"]:
            return
        if self._found() != notes["old"]:
            raise SiteError(f"{self._place} was changed by somebody else meanwhile: it stays")
        # Camera, log and lines are the door's alone: it cannot be checked beside a running one.
        run(self._settings.stop, limit_s=_STOP_S)
        run(self._settings.check_of(self._new), limit_s=_CHECK_S)
        self._replace(self._new, self._place)

    def undo(self, notes: Mapping[str, Any]) -> bool:
        """Put the one from before back. Return whether the door must be started anew.

        Raises
        ------
        SiteError
            Somebody else changed it meanwhile; or what is kept is not what was there.
        """
        if self._found() == notes["old"]:
            return True  # it may have been stopped
        if self._found() != notes["new"]:
            raise SiteError(f"{self._place} was changed by somebody else meanwhile: it stays")
        previous = self._previous.read_bytes()
        if _sha256(previous) != notes["old"]:
            raise SiteError(f"{self._previous} is not the door.toml from before: nothing changed")
        self._write(self._place, previous)
        return True

    def _write(self, path: Path, data: bytes) -> None:
        """Write a file, whole or not at all, that those may read who may read the door.toml."""
        like, temporary = self._place.stat(), path.with_name(f".{path.name}.part")
        temporary.write_bytes(data)
        os.chown(temporary, like.st_uid, like.st_gid)
        os.chmod(temporary, stat.S_IMODE(like.st_mode))  # whatever the umask: the door reads it
        sync_to_disk(temporary)
        self._replace(temporary, path)

    def _replace(self, source: Path, path: Path) -> None:
        os.replace(source, path)
        sync_to_disk(path.parent)

    def _found(self) -> str:
        try:
            return _sha256(self._place.read_bytes())
        except OSError as error:
            raise SiteError(f"{self._place} cannot be read: {error.strerror}") from error

    def _read(self) -> None:
        try:
            name, expected = read_config(self._new).name, read_config(self._place).name
        except DoorError as error:
            raise SiteError(str(error)) from error
        if name != expected:
            raise SiteError(f"it is door {name}'s configuration, expected {expected}'s")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def composed(place: Path, sent: bytes) -> bytes:
    """Return a door.toml's new text.

    With a ``name`` in it, what was sent is the whole of it. Without, its keys replace those of
    the door's own, table by table, and everything else stays, comments too.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        change = tomlkit.parse(sent.decode("utf-8"))
        if "name" in change:
            return sent
        own = tomlkit.parse(place.read_text("utf-8"))
        _merge(own, change.unwrap())
    except (TOMLKitError, ValueError) as error:
        raise SiteError(f"the configuration is not TOML: {error}") from error
    return tomlkit.dumps(own).encode("utf-8")


def _merge(own: MutableMapping[str, Any], change: Mapping[str, Any]) -> None:
    for name, value in change.items():
        if isinstance(value, Mapping) and isinstance(own.get(name), MutableMapping):
            _merge(own[name], value)
        else:
            own[name] = value
