"""Fetching a roll-out's file: goes on where it was cut off, and checks size and SHA-256."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from edgeface.agent.link import SiteLink
from edgeface.errors import SiteError, SiteUnavailableError
from edgeface.site.wire_task import file_path

RESERVE_BYTES = 32 << 20
_BLOCK = 1 << 18
_REQUEST_S = 300.0  # then it is cut, and goes on in another one


def fetch_file(task: Mapping[str, Any], *, folder: Path, link: SiteLink, copies: int) -> Path:
    """Return a task's file in a folder, whole and checked.

    Parameters
    ----------
    copies
        For so many files of its size there must be room, this one with them.

    Raises
    ------
    SiteUnavailableError
        The site does not answer, or the answer ended too early: what came is kept.
    SiteError
        There is no room, or what the site sent is not what the task says.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    whole, part = folder / task["sha256"], folder / f"{task['sha256']}.part"
    if whole.exists():
        return whole
    for other in folder.glob("*.part"):
        if other != part:
            other.unlink()
    there = part.stat().st_size if part.exists() else 0
    refuse_full(folder, need=copies * task["bytes"] - there)
    with open(part, "ab", opener=_private) as stream:
        try:
            _append(stream, task, link=link)
        finally:
            stream.flush()
            os.fsync(stream.fileno())
    _check(part, task)
    os.rename(part, whole)
    return whole


def _private(path: str, flags: int) -> int:
    """For `open`: a door.toml may hold a camera's password."""
    return os.open(path, flags, 0o600)


def refuse_full(folder: Path, *, need: int) -> None:
    """Raise SiteError where a folder's disk has no room for so many bytes, and some to spare."""
    free = shutil.disk_usage(folder).free
    if free < need + RESERVE_BYTES:
        raise SiteError(
            f"{folder} has {free >> 20} MiB, expected {(need + RESERVE_BYTES) >> 20} MiB: "
            "make room first; nothing was changed"
        )


def _append(stream: IO[bytes], task: Mapping[str, Any], *, link: SiteLink) -> None:
    there = stream.seek(0, os.SEEK_END)
    if there >= task["bytes"]:
        return
    headers = {"Range": f"bytes={there}-"} if there else {}
    path = file_path(task["rollout"])
    with link.opened("GET", path, headers=headers, timeout_s=_REQUEST_S) as answer:
        if answer.status != 206:  # the whole of it, whatever was asked
            there = stream.truncate(0)
        for block in iter(lambda: answer.read(_BLOCK), b""):
            there += stream.write(block)
            if there > task["bytes"]:
                break
    if there < task["bytes"]:
        raise SiteUnavailableError(f"{there} of {task['bytes']} bytes came")


def _check(part: Path, task: Mapping[str, Any]) -> None:
    digest = hashlib.sha256()
    with part.open("rb") as stream:
        for block in iter(lambda: stream.read(_BLOCK), b""):
            digest.update(block)
    size = part.stat().st_size
    if size != task["bytes"] or digest.hexdigest() != task["sha256"]:
        part.unlink()
        raise SiteError(
            f"the file has {size} bytes and SHA-256 {digest.hexdigest()[:16]}, expected "
            f"{task['bytes']} and {task['sha256'][:16]}: it was damaged on the way; nothing changed"
        )
