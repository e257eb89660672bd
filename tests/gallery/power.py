"""What a power cut leaves of a folder: what was synced, and of the rest whatever chance keeps.

A process is traced (strace); every write, truncation, rename and sync in one folder is replayed
into a model of a disk, which gives back, at any moment, folders as the power could leave them. That
is harsher than ext4, which keeps the order of its metadata.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CALLS = (
    "openat,write,pwrite64,ftruncate,fallocate,fsync,fdatasync,rename,renameat,renameat2,unlink,"
    "unlinkat,link,linkat,copy_file_range,sendfile"
)
SECTOR = 512
_LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FD = re.compile(r"^(\d+)<")


@dataclass
class Inode:
    """A file: what is safe, and the changes since: (offset, bytes) or (length, None)."""

    safe: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        """All changes are safe."""
        self.safe, self.pending = self.left(None), []

    def left(self, chance: random.Random | None, share: float = 1.0) -> bytes:
        """The content with all changes (no chance), or each with a chance, perhaps half of it."""
        data = bytearray(self.safe)
        for offset, new in self.pending:
            if chance and chance.random() >= share:
                continue
            if new is None:
                del data[offset:]
                data.extend(bytes(offset - len(data)))
                continue
            if chance and len(new) > SECTOR and chance.random() < 0.3:  # torn
                new = new[: SECTOR * chance.randrange(1, len(new) // SECTOR + 1)]
            data.extend(bytes(max(0, offset - len(data))))
            data[offset : offset + len(new)] = new
        return bytes(data)


class Disk:
    """One folder on a disk. It begins as the folder is, all of it safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.safe = {f.name: Inode(f.read_bytes()) for f in folder.iterdir()}
        self.names = dict(self.safe)
        self.pending: list[dict[str, Inode]] = []  # the folder after each change since its sync
        self.told = b""
        self._open: dict[int, Inode | None] = {}  # None: the folder itself

    def apply(self, line: str) -> bool:
        """Replay a line of strace's; False when it changed nothing here."""
        found = _LINE.match(line)
        if not found:
            return False
        call, arguments, result = found[1], found[2], int(found[3])
        texts = [bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(arguments)]
        if call == "openat":
            return self._opened(texts[0], arguments, result)
        if call.startswith(("rename", "unlink", "link")):
            return self._renamed(call, [Path(os.fsdecode(text)) for text in texts])
        number = int(_FD.match(arguments)[1])
        if call == "write" and number == 1:
            self.told += texts[0]
            return True
        if number not in self._open:
            return False
        inode = self._open[number]
        if call in ("fsync", "fdatasync"):
            self._synced(inode)
        elif call == "pwrite64":
            inode.pending.append((int(arguments.rpartition(",")[2]), texts[0][:result]))
        elif call == "ftruncate":
            inode.pending.append((int(arguments.rpartition(",")[2], 0), None))
        else:
            raise AssertionError(f"{call} is not in the model")
        return True

    def lose_power(self, into: Path, chance: random.Random, share: float) -> None:
        """Write a folder as a cut now could leave it, each change having survived with a chance."""
        names = self.safe
        if self.pending and share:
            kept = len(self.pending) if share == 1 else chance.randrange(len(self.pending) + 1)
            names = self.pending[kept - 1] if kept else self.safe
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir()
        for name, inode in names.items():
            if not name.endswith("-shm"):  # shared memory: nobody expects it to be there
                (into / name).write_bytes(inode.left(chance, share))

    def _opened(self, path: bytes, arguments: str, number: int) -> bool:
        place = Path(os.fsdecode(path))
        self._open.pop(number, None)
        if place == self.folder:
            self._open[number] = None
        elif place.parent == self.folder:
            if place.name not in self.names:
                self._changed({**self.names, place.name: Inode()})
            self._open[number] = self.names[place.name]
            if "O_TRUNC" in arguments:
                self.names[place.name].pending.append((0, None))
        return place.parent == self.folder

    def _renamed(self, call: str, places: list[Path]) -> bool:
        if places[0].parent != self.folder:
            return False
        names = dict(self.names)
        inode = names[places[0].name]
        if not call.startswith("link"):
            del names[places[0].name]
        if not call.startswith("unlink"):
            names[places[1].name] = inode
        self._changed(names)
        return True

    def _changed(self, names: dict[str, Inode]) -> None:
        self.names = names
        self.pending.append(names)

    def _synced(self, inode: Inode | None) -> None:
        if inode is None:
            self.safe, self.pending = self.names, []
        else:
            inode.sync()


def traced(command: list[str], folder: Path, log: Path) -> Iterator[Disk]:
    """Run a command that works in a folder; yield the disk after each change, as it was then."""
    disk = Disk(folder)
    strace = ["strace", "-f", "-y", "-xx", "-s", "4000000", "-e", f"trace={CALLS}", "-o", str(log)]
    subprocess.run([*strace, *command], check=True, stdout=subprocess.DEVNULL)
    with log.open() as lines:
        for line in lines:
            if disk.apply(line):
                yield disk
