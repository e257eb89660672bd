"""Partitions of a disk image, read and grown by util-linux's sfdisk, which needs no root."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from boards.errors import BoardsError
from boards.tool import run_tool

SECTOR_BYTES = 512
ALIGN_BYTES = 1 << 20
GPT_TAIL_BYTES = 33 * SECTOR_BYTES  # the backup table: 32 sectors of entries and its header
PROTECTIVE = "EE"  # type of the one MBR entry that stands for a whole GPT
MBR_LIMIT_BYTES = (1 << 32) * SECTOR_BYTES


@dataclass(frozen=True)
class Partition:
    """One partition; places and sizes in bytes. ``number`` 0: the file is one file system."""

    number: int
    start: int
    size: int
    type: str = ""
    name: str = ""

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(frozen=True)
class Table:
    """A disk image's partitions; label ``gpt``, ``dos`` (MBR), or empty: a bare file system."""

    label: str
    size: int
    partitions: tuple[Partition, ...]

    def room_after(self, partition: Partition) -> int | None:
        """Bytes between a partition and the next; None if only the file's end is behind it."""
        later = [p.start for p in self.partitions if p.start >= partition.end]
        return min(later) - partition.end if later else None


def bare_table(image: Path) -> Table:
    """The "table" of a file that is one file system, as vendors' SDKs make root file systems."""
    size = image.stat().st_size
    return Table("", size, (Partition(0, 0, size),))


def read_table(image: Path) -> Table:
    """The partition table of a disk image. sfdisk checks GPT's checksums.

    Raises
    ------
    BoardsError
        No GPT or MBR, a damaged one, sectors that are not 512 bytes, or a partition beyond the end.
    """
    done = run_tool(["sfdisk", "--json", image], ok=(0, 1))
    if done.returncode or not done.stdout.strip():
        said = done.stderr.strip().splitlines()
        raise BoardsError(
            f"{image}: no partition table that sfdisk can read ({said[-1] if said else 'empty'}); "
            "expected a raw disk image with GPT or MBR, or a bare ext4 file system"
        )
    found = json.loads(done.stdout)["partitiontable"]
    if found.get("sectorsize", SECTOR_BYTES) != SECTOR_BYTES or found["unit"] != "sectors":
        raise BoardsError(f"{image}: sectors of {found.get('sectorsize')} bytes; expected 512")
    table = Table(found["label"], image.stat().st_size, _partitions(image, found))
    if table.label == "dos" and any(p.type == PROTECTIVE for p in table.partitions):
        raise BoardsError(
            f"{image}: only the MBR that guards a GPT can be read: the GPT is damaged, or the file "
            "was cut short; download or copy it again"
        )
    beyond = [p.number for p in table.partitions if p.end > table.size]
    if beyond:
        raise BoardsError(
            f"{image}: partition {beyond[0]} ends behind the file's end: "
            "it was cut short; download or copy it again"
        )
    return table


def _partitions(image: Path, found: dict) -> tuple[Partition, ...]:
    return tuple(
        Partition(
            # "node" is the file's name, "p" if that ends in a digit, and the number.
            number=int(entry["node"][len(str(image)) :].lstrip("p")),
            start=entry["start"] * SECTOR_BYTES,
            size=entry["size"] * SECTOR_BYTES,
            type=entry["type"].upper(),
            name=entry.get("name", ""),
        )
        for entry in found.get("partitions", ())
    )


def size_with(table: Table, partition: Partition, grow: int) -> int:
    """Bytes that the disk image must have for a partition larger by ``grow``.

    Raises
    ------
    BoardsError
        Another partition follows too closely, or MBR cannot count that far.
    """
    if not table.label:
        return table.size + grow
    room = table.room_after(partition)
    if room is not None:
        if room < grow:
            raise BoardsError(
                f"partition {partition.number} must grow by {grow >> 20} MiB, and the next one "
                f"starts {room >> 20} MiB behind it; use a base image whose root partition is last"
            )
        return table.size
    tail = GPT_TAIL_BYTES if table.label == "gpt" else 0
    size = max(table.size, _aligned(partition.end + grow + tail))
    if table.label == "dos" and size > MBR_LIMIT_BYTES:
        raise BoardsError(f"{size} bytes are more than an MBR can count; use a GPT image")
    return size


def _aligned(size: int) -> int:
    return -(-size // ALIGN_BYTES) * ALIGN_BYTES


def grow_partition(image: Path, partition: Partition, size: int) -> Table:
    """Make a partition ``size`` bytes long, and put GPT's backup table at the file's new end.

    Its start, type, UUID and name stay.
    """
    if read_table(image).label == "gpt":
        run_tool(["sfdisk", "--quiet", "--relocate", "gpt-bak-std", image])
    run_tool(
        ["sfdisk", "--quiet", "--no-reread", "-N", str(partition.number), image],
        given=f", {size // SECTOR_BYTES}\n",
    )
    table = read_table(image)
    grown = next(p for p in table.partitions if p.number == partition.number)
    if (grown.start, grown.size) != (partition.start, size):
        raise BoardsError(
            f"sfdisk made partition {partition.number} {grown.size} bytes at {grown.start}; "
            f"expected {size} at {partition.start}"
        )
    return table
