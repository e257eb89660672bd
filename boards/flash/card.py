"""Cards and disks in this machine, by dd or bmaptool."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path

from boards.errors import BoardsError
from boards.flash.disk import open_target
from boards.flash.readback import compare, disk_reader
from boards.flash.writer import Writer


class CardWriter(Writer):
    """Writes the whole image, zeros too: nothing of the card's earlier contents stays.

    Raises
    ------
    BoardsError
        `open_target`: the device must not be overwritten.
    """

    def __init__(self, image: Path, device: str, *, tool: str, fixed: bool) -> None:
        self.image, self.tool = image, tool
        self.target = open_target(Path(device), image=image, fixed=fixed)
        self.where = f"{self.target.path} ({self.target.title}, {self.target.size >> 20} MiB)"

    def commands(self) -> list[list[str]]:
        image, device = str(self.image), str(self.target.path)
        if self.tool == "bmaptool":
            # --nobmap: a block map would skip holes, and leave what was there before.
            return [["bmaptool", "copy", "--nobmap", image, device]]
        options = ["bs=4M", "conv=fsync,notrunc", "status=progress"]
        return [["dd", f"if={image}", f"of={device}", *options]]

    def write(self) -> None:
        self._claim()
        super().write()

    def _claim(self) -> None:
        """The kernel gives a disk that anybody uses to nobody else: the last check of all."""
        flags = os.O_RDWR | (os.O_EXCL if self.target.block else 0)
        try:
            os.close(os.open(self.target.path, flags))
        except OSError as error:
            raise BoardsError(
                f"{self.target.path} cannot be opened alone ({error.strerror}); nothing was "
                "written: umount it, or run as root"
            ) from error

    def verify(self) -> str:
        with contextmanager(disk_reader)(self.target.path) as read:
            compare(self.image, read, where=str(self.target.path))
        return f"all {self.image.stat().st_size} bytes read back from {self.target.path}"
