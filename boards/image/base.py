"""The base image: a raw disk image, its root partition, and the system on it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from boards.errors import BoardsError
from boards.image.ext4 import Ext4, is_ext
from boards.image.table import Partition, Table, bare_table, read_table

# First bytes of what downloads come packed in, or vendors' own containers -> what to do.
CONTAINERS = {
    b"\xfd7zXZ\0": "compressed by xz; unpack it: xz --decompress --keep {0}",
    b"\x1f\x8b": "compressed by gzip; unpack it: gzip --decompress --keep {0}",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard; unpack it: zstd --decompress {0}",
    b"BZh": "compressed by bzip2; unpack it: bzip2 --decompress --keep {0}",
    b"PK\x03\x04": "a zip archive; unpack it: unzip {0}",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive; unpack it: 7z x {0}",
    b"\x3a\xff\x26\xed": "an Android sparse image; expand it: simg2img {0} raw.img",
    b"QFI\xfb": "a QEMU disk; convert it: qemu-img convert -O raw {0} raw.img",
    b"RKFW": "Rockchip's update.img; unpack it with the vendor's rkImageMaker and afptool, and "
    "give its rootfs.img",
    b"RKAF": "Rockchip's archive of partitions; unpack it with the vendor's afptool, and give its "
    "rootfs.img",
    b"IMAGEWTY": "Allwinner's PhoenixSuit image; use the vendor's image for SD cards",
}
# Discoverable Partitions Specification: type GUIDs of root on arm64 and x86-64.
ROOT_TYPES = ("B921B045-1DF0-41C3-AF44-4C6F280D3FAE", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709")
MACHINES = {183: "aarch64", 62: "x86_64", 40: "armv7l", 243: "riscv64", 3: "i686"}
ELF_MACHINE = slice(18, 20)
# In Debian's python3 and not in its python3-minimal, and edgeface imports them.
STDLIB = ("sqlite3", "ctypes", "email")
GLIBC = re.compile(rb"GNU C Library \([^\n]*\) (?:stable|development) release version (\d+)\.(\d+)")


@dataclass(frozen=True)
class System:
    """What is installed on the root: machine ("aarch64"), Python ("3.11"), glibc (2, 36)."""

    title: str
    machine: str
    python: str
    glibc: tuple[int, int]


def open_base(image: Path) -> Table:
    """The partitions of a base image.

    Raises
    ------
    BoardsError
        It is no file, compressed, a vendor's container, or has no table that can be read.
    """
    if not image.is_file():
        raise BoardsError(f"{image}: no such file; --base takes a raw disk image")
    with open(image, "rb") as opened:
        first = opened.read(8)
    for magic, what in CONTAINERS.items():
        if first.startswith(magic):
            raise BoardsError(f"{image} is {what.format(image)}")
    return bare_table(image) if is_ext(image) else read_table(image)


def at(image: Path, partition: Partition) -> Ext4:
    """The file system of a partition, to read only: resize2fs would cut the image."""
    return Ext4(Path(f"{image}?offset={partition.start}"))


def find_root(image: Path, table: Table, *, number: int | None = None) -> Partition:
    """The partition with the root file system: the one ext4 that has /etc/os-release.

    Parameters
    ----------
    number
        The user's choice, where there are several.

    Raises
    ------
    BoardsError
        None, or several, or the chosen one is no ext4 root.
    """
    fitting = [p for p in table.partitions if _is_root(image, p)]
    if number is not None:
        fitting = [p for p in fitting if p.number == number]
    named = [p for p in fitting if p.type in ROOT_TYPES or "root" in p.name.lower()]
    chosen = fitting if len(fitting) == 1 else named
    if len(chosen) == 1:
        return chosen[0]
    if fitting:
        numbers = ", ".join(str(p.number) for p in fitting)
        raise BoardsError(f"{image}: partitions {numbers} are all root file systems; --partition N")
    seen = "; ".join(f"{p.number} {p.name or p.type or 'unnamed'}" for p in table.partitions)
    asked = f"partition {number}" if number is not None else f"partitions: {seen or 'none'}"
    raise BoardsError(
        f"{image}: no ext4 root file system with /etc/os-release ({asked}); other file systems "
        "(btrfs, f2fs) cannot be written here: install the kit on the running board"
    )


def _is_root(image: Path, partition: Partition) -> bool:
    return (
        is_ext(image, partition.start) and at(image, partition).entry("/etc/os-release") is not None
    )


def read_system(root: Ext4) -> System:
    """Read which system a root file system holds.

    Raises
    ------
    BoardsError
        No full Python 3, or no glibc: what a kit's wheels need.
    """
    title = re.search(
        r'^PRETTY_NAME="?([^"\n]*)', root.read("/etc/os-release").decode(errors="replace"), re.M
    )
    name = title.group(1) if title else "unknown system"
    program = root.resolve("/usr/bin/python3")
    version = re.search(r"/python(3\.\d+)$", program)
    if not version or root.entry(program) is None:
        raise BoardsError(
            f"{name}: no /usr/bin/python3 in the image; install python3 in it, or use an image "
            "that has it"
        )
    python = version.group(1)
    present = {e.path.rpartition("/")[2] for e in root.listing(f"/usr/lib/python{python}")}
    lacking = [module for module in STDLIB if module not in present]
    if lacking:
        raise BoardsError(
            f"{name}: Python {python} lacks {', '.join(lacking)} (python3-minimal?); the image "
            "needs the whole python3 package"
        )
    machine = int.from_bytes(root.read(program)[ELF_MACHINE], "little")
    return System(name, MACHINES.get(machine, f"ELF machine {machine}"), python, _glibc(root, name))


def _glibc(root: Ext4, name: str) -> tuple[int, int]:
    folders = ("/lib/aarch64-linux-gnu", "/lib/x86_64-linux-gnu", "/lib64", "/lib")
    for folder in folders:
        path = f"{folder}/libc.so.6"
        if root.entry(path) is not None:
            found = GLIBC.search(root.read(path))
            if found:
                return int(found.group(1)), int(found.group(2))
    raise BoardsError(f"{name}: no glibc found; a kit's wheels need Debian's or Ubuntu's C library")
