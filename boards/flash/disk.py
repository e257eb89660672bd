"""May this be overwritten? What the kernel says about a disk, and what speaks against it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boards.errors import BoardsError
from boards.tool import run_tool

COLUMNS = "NAME,PATH,TYPE,SIZE,RO,RM,HOTPLUG,TRAN,MODEL,SERIAL,MOUNTPOINT,FSTYPE,PKNAME"
WHOLE = ("disk", "loop")
# Pieces of something larger: nothing is mounted, and yet another disk breaks without them.
MEMBERS = ("LVM2_member", "linux_raid_member", "zfs_member", "bcache", "drbd")
PLUGGED = ("usb", "mmc")
# A disk with one of these is the system's, whatever lsblk's mount points say (overlays, btrfs).
SYSTEM_PATHS = ("/", "/boot", "/usr", "/var", "/home")


@dataclass(frozen=True)
class Target:
    """A disk that may be overwritten, or a file in place of one; size in bytes."""

    path: Path
    size: int
    title: str
    block: bool


def open_target(device: Path, *, image: Path, fixed: bool = False) -> Target:
    """Check that a disk may be overwritten with an image.

    Parameters
    ----------
    device
        The whole disk (``/dev/sdX``, a link to it), or a file of a disk's size.
    fixed
        The user says that a disk which is not removable is meant.

    Raises
    ------
    BoardsError
        It is the system's, in use, a partition, read only, too small, fixed, or no disk.
    """
    path = device.resolve()
    if not path.exists():
        raise BoardsError(f"{device}: no such device; lsblk lists those that there are")
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        target = Target(path, path.stat().st_size, "a file", False)
    elif stat.S_ISBLK(mode):
        target = disk_target(path, facts=read_facts(path), image=image, fixed=fixed)
    else:
        raise BoardsError(f"{device} is neither a disk nor a file")
    if path == image.resolve():
        raise BoardsError(f"{device} is the image itself")
    if image.stat().st_size > target.size:
        raise BoardsError(
            f"{image} has {image.stat().st_size} bytes and {device} {target.size}; "
            "use a larger card, or a smaller base image"
        )
    return target


def read_facts(path: Path) -> dict[str, Any]:
    """What lsblk says about a block device, ``children`` are what lies on it."""
    done = run_tool(["lsblk", "--json", "--bytes", "--output", COLUMNS, path])
    return json.loads(done.stdout)["blockdevices"][0]


def disk_target(path: Path, *, facts: dict[str, Any], image: Path, fixed: bool) -> Target:
    """Judge lsblk's facts about a block device; `open_target` says what is raised."""
    name = facts["path"]
    if facts["type"] not in WHOLE:
        whole = f"; its disk is /dev/{facts['pkname']}" if facts.get("pkname") else ""
        raise BoardsError(f"{name} is a {facts['type']}, expected a whole disk{whole}")
    if facts["size"] == 0:
        raise BoardsError(f"{name} has no medium; put a card into the reader")
    _refuse_in_use(facts, image)
    if facts["ro"]:
        raise BoardsError(f"{name} is read only; look for a switch at the card's side")
    plugged = facts["rm"] or facts["hotplug"] or facts["tran"] in PLUGGED
    title = " ".join(str(facts[k]).strip() for k in ("model", "serial", "tran") if facts.get(k))
    if not plugged and facts["type"] == "disk" and not fixed:
        raise BoardsError(
            f"{name} ({title or 'no model'}, {facts['size'] >> 30} GiB) is a fixed disk, no card; "
            "if you mean it, add --fixed-disk"
        )
    return Target(path, facts["size"], title or facts["type"], True)


def _refuse_in_use(facts: dict[str, Any], image: Path) -> None:
    name = facts["path"]
    held = sorted({p for p in (*SYSTEM_PATHS, str(image)) if disk_of(Path(p)) == facts["name"]})
    if held:
        raise BoardsError(f"{name} holds {', '.join(held)}: the system's disk is never written")
    for part in _tree(facts):
        if part.get("mountpoint") == "[SWAP]":
            raise BoardsError(f"{part['path']} is swap in use: {name} is not written")
        if part.get("mountpoint"):
            raise BoardsError(
                f"{part['path']} is mounted at {part['mountpoint']}; umount it first, if "
                f"{name} is the card you mean"
            )
        if part.get("fstype") in MEMBERS:
            raise BoardsError(
                f"{part['path']} is a {part['fstype']}, a part of a larger volume: {name} is not "
                "written; wipefs takes the mark away, if it is an old one"
            )
        if part["type"] not in (*WHOLE, "part"):
            raise BoardsError(f"{part['path']} ({part['type']}) is open on {name}; close it first")


def _tree(facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield facts
    for child in facts.get("children", ()):
        yield from _tree(child)


def disk_of(path: Path) -> str | None:
    """Name of the disk on which a path lies ("sda"); None where the kernel does not say."""
    number = os.stat(path).st_dev if path.exists() else 0
    place = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not place.exists():
        return None
    parts = place.resolve().parts
    return parts[parts.index("block") + 1] if "block" in parts else None
