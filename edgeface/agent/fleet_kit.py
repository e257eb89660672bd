"""Taking a kit: into the slot that does not run, by the board's own edgeface-slot."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

from edgeface.agent.fleet_command import run
from edgeface.agent.fleet_settings import FleetSettings
from edgeface.errors import SiteError
from edgeface.kit_archive import read_kit_facts, unpack_kit

_INSTALL_S = 1800.0
_LOCKED = "another edgeface-slot is working"
_LOCKED_WAIT_S = 1.0


class KitStep:
    """How a kit is taken and given back. edgeface-slot checks who signed it, and tests it.

    ``copies`` of the file must fit on the disk: itself, and unpacked.
    """

    copies = 2
    renews = True

    def __init__(self, settings: FleetSettings, *, pause: Callable[[float], object]) -> None:
        self._settings, self._pause = settings, pause

    def prepare(self, file: Path) -> dict[str, Any]:
        """Return what the way back needs, before anything is changed."""
        return {"kit": read_kit_facts(file).name, "slot": self._current()}

    def apply(self, file: Path, notes: Mapping[str, Any]) -> None:
        """Install it and switch to it; where that was done already, do nothing.

        Raises
        ------
        SiteError
            edgeface-slot refused it, or it failed its self-test: what ran before is current.
        """
        problem = self._settle()
        if self._current() == notes["slot"]:
            self._install(file)
        elif problem:
            raise SiteError(problem)

    def undo(self, notes: Mapping[str, Any]) -> bool:
        """Go back to the slot from before. Return whether the door must be started anew.

        Raises
        ------
        SiteError
            The other slot does not work either.
        """
        self._settle()
        if self._current() == notes["slot"]:
            return False
        self._slot("rollback")
        return True

    def _install(self, file: Path) -> None:
        folder = self._settings.folder / "kit"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        try:
            self._slot("install", str(unpack_kit(file, folder)))
        except OSError as error:
            raise SiteError(f"the kit cannot be unpacked: {error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _settle(self) -> str | None:
        """Wait for an edgeface-slot that an earlier life of the agent left behind.

        Return why the slot that is current then does not work, or None: it does.
        """
        deadline = time.monotonic() + _INSTALL_S
        while True:
            try:
                self._slot("confirm")
            except SiteError as error:
                if _LOCKED not in str(error) or time.monotonic() > deadline:
                    return str(error)
                self._pause(_LOCKED_WAIT_S)
            else:
                return None

    def _current(self) -> str | None:
        told = self._slot("status", "--json")
        try:
            return json.loads(told)["current"]
        except (ValueError, KeyError, TypeError) as error:
            raise SiteError(f"{self._settings.slot_tool[-1]} gives no status: {error!r}") from error

    def _slot(self, verb: str, *words: str) -> str:
        command = [*self._settings.slot_tool, verb, "--root", self._settings.slot_root, *words]
        return run(command, limit_s=_INSTALL_S)
