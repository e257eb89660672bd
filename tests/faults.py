"""Real faults for tests: another user, a full disk, a read-only disk. No mocks."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Callable

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


class Child:
    """A forked process: what it acknowledged, its id, and once reaped its wait status."""

    def __init__(self, pid: int, stream: BinaryIO) -> None:
        self.pid = pid
        self.status = 0
        self.read = stream.read


@contextmanager
def forked(action: Callable[[Callable[[bytes], object]], object]) -> Iterator[Child]:
    """Run ``action(acknowledge)`` in a forked process; reap it at the end of the block.

    A fork, not a subprocess: starting an interpreter takes longer than what is to be interrupted.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            action(lambda data: os.write(writer, data))
            code = 0
        finally:
            os._exit(code)  # nothing of pytest's may run in here
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as stream:
        child = Child(pid, stream)
        try:
            yield child
        finally:
            child.status = os.waitpid(pid, 0)[1]


def in_child(
    action: Callable[[], object], *, prepare: Callable[[], object] = lambda: None
) -> tuple[str, str]:
    """Run ``prepare`` and ``action`` in a forked process; return its error as (type, text).

    Everything imported stays importable whatever ``prepare`` takes away. Success is ``("", "")``.
    """

    def report(acknowledge: Callable[[bytes], object]) -> None:
        outcome = ("", "")
        try:
            prepare()
            action()
        except BaseException as error:  # noqa: BLE001 - the parent judges it
            outcome = (type(error).__name__, str(error))
        acknowledge(json.dumps(outcome).encode())

    with forked(report) as child:
        return tuple(json.loads(child.read()))


def unprivileged(action: Callable[[], object], *, reach: Path) -> tuple[str, str]:
    """Run ``action`` as a user whom permission bits bind; root is not, and CI runs as root.

    The directories above ``reach`` are opened for that user first.
    """
    if os.getuid() != 0:
        return in_child(action)
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
        pytest.skip(f"cannot mount a RAM disk here: {done.stderr.splitlines()[0]}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def remount_read_only(place: Path) -> None:
    """Turn a disk that `small_disk` mounted into a read-only one."""
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
