"""Real faults for tests: another user, a full disk, a read-only disk. No mocks."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Callable

import pytest

NOBODY = 65534
SCRATCH = (Path(tempfile.gettempdir()), Path("/dev/shm"))


@contextmanager
def ram_folder():
    """A folder where a sync costs nothing, where there is such; else an ordinary one.

    What a sync is for, a power cut, no test can bring about; the rest is the same in RAM.
    """
    place = SCRATCH[1] if os.access(SCRATCH[1], os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="edgeface-test-", dir=place) as name:
        yield Path(name)


def in_child(action: Callable[[], object], *, prepare: Callable[[], object]) -> tuple[str, str]:
    """Run ``action`` in a forked process after ``prepare``; return its error as (type, text).

    A fork, not a subprocess, so that everything imported stays importable whatever ``prepare``
    takes away. Success is ``("", "")``.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        outcome = ("", "")
        try:
            prepare()
            action()
        except BaseException as error:  # noqa: BLE001 - the parent judges it
            outcome = (type(error).__name__, str(error))
        os.write(writer, json.dumps(outcome).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        outcome = json.loads(stream.read())
    os.waitpid(child, 0)
    return tuple(outcome)


def unprivileged(action: Callable[[], object], *, reach: Path) -> tuple[str, str]:
    """Run ``action`` as a user whom permission bits bind; root is not, and CI runs as root.

    The directories above ``reach`` are opened for that user first.
    """
    if os.getuid() != 0:
        return in_child(action, prepare=lambda: None)
    for parent in reach.parents:
        if any(place in parent.parents for place in SCRATCH):
            parent.chmod(parent.stat().st_mode | 0o055)

    def become_nobody() -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    return in_child(action, prepare=become_nobody)


@contextmanager
def small_disk(place: Path, *, kib: int):
    """Mount a RAM disk of ``kib`` KiB at ``place``, or skip where that is not allowed."""
    place.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a RAM disk here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def remount_read_only(place: Path) -> None:
    """Turn a disk that `small_disk` mounted into a read-only one."""
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
