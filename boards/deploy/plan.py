"""Does this kit fit that board, and what has to be copied? Decided before anything is."""

from __future__ import annotations

import hashlib
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boards.deploy.link import Part
from boards.errors import BoardsError
from boards.kit.check import read_facts
from boards.slot.slot import RESERVE_BYTES, SlotError, check_sums

_FOR_ONE_PYTHON = re.compile(r"-cp(\d)(\d+)-cp\1\2")


@dataclass(frozen=True)
class Plan:
    """What a deployment does."""

    parts: tuple[Part, ...]
    stale: tuple[str, ...]
    """Files of the board's upload folder that are not the kit's."""

    send_bytes: int
    sudo: bool


def make_plan(kit: Path, board: dict[str, Any]) -> Plan:
    """Compare a kit with what `look.py` found.

    Raises
    ------
    BoardsError
        The kit is damaged; it is for another machine, board or Python; there is no room; or the
        user has no right to install. Nothing was copied.
    """
    try:
        check_sums(kit)
    except SlotError as error:
        raise BoardsError(str(error)) from error
    check_machine(kit, board)
    files = {str(f.relative_to(kit)): f for f in sorted(kit.rglob("*")) if f.is_file()}
    parts, send_bytes = [], 0
    for name, file in files.items():
        size, digest = board["files"].get(name, (0, ""))
        whole = file.stat().st_size
        if (size, digest) == (whole, _sha256(file, whole)):
            continue
        present = size if 0 < size < whole and digest == _sha256(file, size) else 0
        parts.append(Part(name, present))
        send_bytes += whole - present
    check_room(kit, board, send_bytes)
    sudo = not (board["is_root"] or board["writes"])
    if sudo and not board["sudo"]:
        raise BoardsError(
            f"user {board['user']} may not write the slots, and sudo asks for a password or is "
            "not there: log in as root, or allow this user sudo without one; nothing was copied"
        )
    stale = tuple(sorted(set(board["files"]) - set(files)))
    return Plan(parts=tuple(parts), stale=stale, send_bytes=send_bytes, sudo=sudo)


def check_machine(kit: Path, board: dict[str, Any]) -> None:
    """Refuse a kit of another processor, board or Python; the board itself checks again."""
    facts, wanted = read_facts(kit), _board_toml(kit)
    for found, expected, what in (
        ([board["machine"]], [wanted.get("arch")], "processor"),
        (board["compatible"], wanted.get("compatible", []), "device tree"),
        ([board["python"]], facts["pythons"], "Python"),
    ):
        if expected and not set(found) & set(expected):
            raise BoardsError(
                f"kit {kit.name} is for {facts['board']}: {what} {', '.join(map(str, expected))}; "
                f"found there: {', '.join(found) or 'none'}. Use the board's own kit"
            )


def check_room(kit: Path, board: dict[str, Any], send_bytes: int) -> None:
    """Refuse where the copy, or the new slot beside it, would not fit."""
    slot = RESERVE_BYTES
    for wheel in (kit / "wheels").glob("*.whl"):
        only = _FOR_ONE_PYTHON.search(wheel.name)
        if not only or f"{only[1]}.{only[2]}" == board["python"]:
            with zipfile.ZipFile(wheel) as members:
                slot += sum(member.file_size for member in members.infolist())
    for place, free, need in (
        (board["upload"], board["upload_free"], send_bytes),
        ("/opt/edgeface", board["home_free"], slot + send_bytes * board["same_disk"]),
    ):
        if free < need:
            raise BoardsError(
                f"{place} has {free >> 20} MiB free, this kit needs {need >> 20} MiB: make room; "
                "nothing was copied"
            )


def _board_toml(kit: Path) -> dict[str, Any]:
    try:
        import tomllib
    except ImportError:  # before Python 3.11
        import tomli as tomllib
    try:
        return tomllib.loads((kit / "board.toml").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BoardsError(f"kit {kit}: board.toml cannot be read: {error}") from error


def _sha256(file: Path, size: int) -> str:
    """Return the hash of a file's first bytes."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while size > 0:
            block = stream.read(min(size, 1 << 20))
            digest.update(block)
            size -= len(block) or size
    return digest.hexdigest()
