"""An ext4 file system inside an ordinary file, through e2fsprogs: read, changed, checked, grown."""

from __future__ import annotations

import re
import stat
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from boards.errors import BoardsError
from boards.tool import run_tool

MAGIC_PLACE, MAGIC = 0x438, b"\x53\xef"
# debugfs prints its version on the error channel; anything else there is an error.
VERSION_LINE = re.compile(r"^debugfs \d[^\n]*$", re.MULTILINE)
# Bits of e2fsck's exit code that say "mended", and that all is well now.
MENDED = (0, 1, 2, 3)
LINKS_FOLLOWED = 16


@dataclass(frozen=True)
class Entry:
    """One name in a folder: permission bits, owner, and its kind (``stat.S_IFMT`` bits)."""

    path: str
    kind: int
    mode: int
    owner: int
    group: int
    size: int


@dataclass(frozen=True)
class Room:
    """What a file system has left, and how it counts."""

    block_bytes: int
    blocks: int
    free_blocks: int
    reserved_blocks: int
    inodes: int
    free_inodes: int


def is_ext(file: Path, start: int = 0) -> bool:
    """Does an ext2, 3 or 4 file system begin at this byte of a file?"""
    with open(file, "rb") as opened:
        opened.seek(start + MAGIC_PLACE)
        return opened.read(len(MAGIC)) == MAGIC


def quoted(path: str | Path) -> str:
    """A path as one word of debugfs's command language.

    Raises
    ------
    BoardsError
        It has a character that the language cannot say.
    """
    text = str(path)
    if any(character in text for character in '"\n\r\0'):
        raise BoardsError(f"{text!r}: a quote or line break in a path cannot go into an image")
    return f'"{text}"'


def _through(folder: str) -> str:
    """A folder's path that leads through a link too: debugfs does not follow a last one."""
    return f"{folder.rstrip('/')}/."


class Ext4:
    """The file system in ``file``. Every method runs e2fsprogs; nothing is mounted."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def entry(self, path: str) -> Entry | None:
        """What stands at an absolute path; a link itself, not what it leads to. None: nothing."""
        folder, _, name = path.rstrip("/").rpartition("/")
        listed = self.listing(folder) if self.is_folder(folder) else []
        return next((e for e in listed if e.path.rpartition("/")[2] == name), None)

    def is_folder(self, path: str) -> bool:
        """Is there a folder, or a link to one?"""
        done = run_tool(["debugfs", "-R", f"stat {quoted(_through(path))}", self.file])
        return "Type: directory" in done.stdout

    def listing(self, folder: str) -> list[Entry]:
        """The entries of a folder, without ``.`` and ``..``, by name.

        Raises
        ------
        BoardsError
            There is no such folder.
        """
        lines = self._ask(f"ls -p {quoted(_through(folder))}").splitlines()
        entries = []
        for line in lines:
            fields = line.strip().split("/")
            if len(fields) < 8 or fields[1] == "0" or fields[5] in (".", ".."):
                continue
            mode = int(fields[2], 8)
            path = f"{folder.rstrip('/')}/{fields[5]}"
            kind, owner, group = stat.S_IFMT(mode), int(fields[3]), int(fields[4])
            size = int(fields[6] or 0)
            entries.append(Entry(path, kind, stat.S_IMODE(mode), owner, group, size))
        return sorted(entries, key=lambda e: e.path)

    def walk(self, folder: str) -> list[Entry]:
        """Everything below a folder, each folder before what is in it; links are not followed."""
        found = []
        for entry in self.listing(folder):
            found.append(entry)
            if entry.kind == stat.S_IFDIR:
                found += self.walk(entry.path)
        return found

    def resolve(self, path: str) -> str:
        """The path that a chain of symbolic links ends at; the path itself if it is no link.

        Raises
        ------
        BoardsError
            The links go round in a circle.
        """
        for _ in range(LINKS_FOLLOWED):
            entry = self.entry(path)
            if entry is None or entry.kind != stat.S_IFLNK:
                return path
            link = self.link(path)
            path = link if link.startswith("/") else f"{path.rpartition('/')[0]}/{link}"
        raise BoardsError(f"{path}: symbolic links that lead to each other")

    def link(self, path: str) -> str:
        """What a symbolic link says."""
        said = self._ask(f"stat {quoted(path)}")
        fast = re.search(r'^Fast link dest: "(.*)"$', said, re.MULTILINE)
        return fast.group(1) if fast else self._long_link(path)

    def _long_link(self, path: str) -> str:
        with tempfile.TemporaryDirectory(prefix="edgeface-image-") as folder:
            return self.dump([path], Path(folder))[0].read_text()

    def read(self, path: str) -> bytes:
        """The bytes of a file; links are followed.

        Raises
        ------
        BoardsError
            There is no such file.
        """
        with tempfile.TemporaryDirectory(prefix="edgeface-image-") as folder:
            return self.dump([self.resolve(path)], Path(folder))[0].read_bytes()

    def dump(self, paths: Sequence[str], folder: Path) -> list[Path]:
        """Copy files out of it into a folder of this machine; their new places, in order.

        Raises
        ------
        BoardsError
            One is not there, or cannot be read.
        """
        targets = [folder / str(n) for n in range(len(paths))]
        self._script(f"dump {quoted(p)} {quoted(t)}" for p, t in zip(paths, targets))
        return targets

    def change(self, commands: Iterable[str]) -> None:
        """Run commands of debugfs that write.

        Raises
        ------
        BoardsError
            One of them failed; the file system is then to be thrown away.
        """
        self._script(commands, "-w")

    def _script(self, commands: Iterable[str], *options: str) -> str:
        text = "".join(f"{command}\n" for command in commands)
        done = run_tool(["debugfs", *options, "-f", "/dev/stdin", self.file], given=text)
        return self._checked(done.stderr, done.stdout)

    def _ask(self, command: str) -> str:
        done = run_tool(["debugfs", "-R", command, self.file])
        return self._checked(done.stderr, done.stdout)

    def _checked(self, errors: str, output: str) -> str:
        """debugfs ends with 0 whatever happened: its error channel says what did."""
        left = VERSION_LINE.sub("", errors).strip()
        if left:
            raise BoardsError(f"debugfs on {self.file.name}: {left.splitlines()[0]}")
        return output

    def mend(self) -> None:
        """Replay the journal and mend what needs no decision.

        Raises
        ------
        BoardsError
            It is damaged beyond that.
        """
        self._fsck(
            "-fp", MENDED, "the base image's root file system is damaged; e2fsck -f mends it"
        )

    def check(self) -> None:
        """Raise BoardsError unless e2fsck finds nothing at all to say against it."""
        self._fsck("-fn", (0,), "the changed file system is not sound; nothing was written")

    def _fsck(self, option: str, ok: Sequence[int], problem: str) -> None:
        done = run_tool(["e2fsck", option, self.file], ok=tuple(range(256)))
        if done.returncode not in ok:
            said = " | ".join((done.stdout + done.stderr).strip().splitlines()[-3:])
            raise BoardsError(f"{problem} ({said})")

    def room(self) -> Room:
        """Free blocks and inodes."""
        said = run_tool(["dumpe2fs", "-h", self.file]).stdout
        facts = dict(re.findall(r"^([\w ]+):\s+(\S+)", said, re.MULTILINE))
        names = ("Block size", "Block count", "Free blocks", "Reserved block count")
        return Room(*(int(facts[n]) for n in (*names, "Inode count", "Free inodes")))

    def grow(self, size: int) -> None:
        """Make file and file system ``size`` bytes long; it must have been checked just before."""
        with open(self.file, "r+b") as opened:
            opened.truncate(size)
        block = self.room().block_bytes
        unit, count = ("K", size // 1024) if block == 1024 else ("", size // block)
        run_tool(["resize2fs", self.file, f"{count}{unit}"])
