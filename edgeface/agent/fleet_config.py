"""Taking a configuration: checked with the door stopped, put in place in one rename."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Callable

from edgeface.agent.fleet_command import run
from edgeface.agent.fleet_file import replace_whole, sha256_of, write_whole
from edgeface.agent.fleet_settings import FleetSettings
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
    renews_agent = False

    def __init__(self, settings: FleetSettings, *, pause: Callable[[float], object]) -> None:
        self._settings = settings
        self._place = settings.door_config
        self._new = self._place.with_name("door.new.toml")
        self._previous = self._place.with_name("door.previous.toml")

    def prepare(self, file: Path) -> dict[str, Any]:
        """Write the one on trial and keep the present one; return what both are."""
        try:
            old, new = self._place.read_bytes(), composed(self._place, file.read_bytes())
            write_whole(self._previous, old, like=self._place)
            write_whole(self._new, new, like=self._place)
        except OSError as error:
            raise SiteError(f"{error.filename} cannot be used: {error.strerror}") from error
        self._read()
        return {"old": sha256_of(old), "new": sha256_of(new)}

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
        run([*self._settings.check, str(self._new)], limit_s=_CHECK_S)
        replace_whole(self._new, self._place)

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
        if sha256_of(previous) != notes["old"]:
            raise SiteError(f"{self._previous} is not the door.toml from before: nothing changed")
        write_whole(self._place, previous, like=self._place)
        return True

    def _found(self) -> str:
        try:
            return sha256_of(self._place.read_bytes())
        except OSError as error:
            raise SiteError(f"{self._place} cannot be read: {error.strerror}") from error

    def _read(self) -> None:
        try:
            name, expected = read_config(self._new).name, read_config(self._place).name
        except DoorError as error:
            raise SiteError(str(error)) from error
        if name != expected:
            raise SiteError(f"it is door {name}'s configuration, expected {expected}'s")


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
