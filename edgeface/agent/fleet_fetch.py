"""Fetching a roll-out's file: goes on where it was cut off, and checks size and SHA-256."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Callable

from edgeface.errors import SiteError, SiteUnavailableError
from edgeface.site.wire_task import file_path

Fetch = Callable[[str, int], AbstractContextManager[http.client.HTTPResponse]]
"""Asks the site for a path, with ``Range: bytes=N-`` where N is not 0; closes the answer."""

RESERVE_BYTES = 32 << 20
_BLOCK = 1 << 18


def fetch_file(task: Mapping[str, Any], *, folder: Path, fetch: Fetch, copies: int) -> Path:
    """Return a task's file in a folder, whole and checked.

    Parameters
    ----------
    copies
        For so many files of its size there must be room, this one with them.

    Raises
    ------
    SiteUnavailableError
        The site does not answer, or the answer ended too early.
    SiteError
        There is no room, or what the site sent is not what the task says.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    whole, part = folder / task["sha256"], folder / f"{task['sha256']}.part"
    if whole.exists():
        return whole
    for other in folder.glob("*.part"):
        if other != part:
            other.unlink()
    there = part.stat().st_size if part.exists() else 0
    refuse_full(folder, need=copies * task["bytes"] - there)
    try:
        with part.open("ab") as stream:
            _append(stream, task, fetch=fetch)
            os.fsync(stream.fileno())
    except (OSError, http.client.HTTPException) as error:
        raise SiteUnavailableError(
            f"fetching was cut off: {error or type(error).__name__}"
        ) from error
    _check(part, task)
    os.rename(part, whole)
    return whole


def refuse_full(folder: Path, *, need: int) -> None:
    """Raise SiteError where a folder's disk has no room for so many bytes, and some to spare."""
    free = shutil.disk_usage(folder).free
    if free < need + RESERVE_BYTES:
        raise SiteError(
            f"{folder} has {free >> 20} MiB, expected {(need + RESERVE_BYTES) >> 20} MiB: "
            "make room first; nothing was changed"
        )


def _append(stream: Any, task: Mapping[str, Any], *, fetch: Fetch) -> None:
    stream.seek(0, os.SEEK_END)
    there = stream.tell()
    if there >= task["bytes"]:
        return
    with fetch(file_path(task["rollout"]), there) as answer:
        if answer.status == 200:  # the whole of it, whatever was asked
            stream.truncate(0)
            there = 0
        elif answer.status != 206:
            raise SiteUnavailableError(f"the site answered {answer.status} for the file")
        for block in iter(lambda: answer.read(_BLOCK), b""):
            there += len(block)
            if there > task["bytes"]:
                break
            stream.write(block)
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
