"""By adb, for boards with Android's or Buildroot's adbd: whole files, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from boards.deploy.link import Part
from boards.tool import run_tool


class AdbLink:
    """adb://SERIAL, as ``adb devices`` lists it: a USB serial number, or host:port."""

    def __init__(self, serial: str) -> None:
        self.where = f"adb://{serial}"
        self._serial = serial

    def words(self, command: str) -> list[str]:
        """Return adb's command line."""
        return ["adb", "-s", self._serial, "shell", command]

    def send(self, kit: Path, parts: Sequence[Part], *, upload: str) -> None:
        """Copy; a file that is there in part is copied again."""
        for part in parts:
            target = f"{upload}/{part.name}"
            run_tool(["adb", "-s", self._serial, "push", str(kit / part.name), target])
