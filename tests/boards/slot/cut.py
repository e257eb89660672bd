"""Cutting the power: a command of edgeface-slot is killed, with all it started, before one step.

A step is a system call that changes the disk or asks for it to be changed. strace counts them, and
kills before the one that is named.
"""

from __future__ import annotations

import collections
import os
import re
import signal
import subprocess
from pathlib import Path

STEPS = (
    "rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,symlink,symlinkat,link,linkat,"
    "write,pwrite64,sendfile,copy_file_range,fsync,fdatasync,ftruncate,chmod,fchmod,fchmodat"
)


def run_traced(command: list[str], *, env: dict[str, str], options: list[str]) -> int:
    """Run a command under strace in a session of its own, and kill what is left of that."""
    process = subprocess.Popen(
        ["strace", "-qqq", "-e", "signal=none", *options, *command],
        env=env,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    code = process.wait()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return code


def count_steps(command: list[str], *, env: dict[str, str], log: Path) -> list[tuple[str, int]]:
    """Run a command whole; return its steps as (system call, which one of that call)."""
    assert run_traced(command, env=env, options=["-o", str(log), "-e", f"trace={STEPS}"]) == 0
    counts: collections.Counter[str] = collections.Counter()
    steps = []
    for name in re.findall(r"^(\w+)\(", log.read_text(), re.MULTILINE):
        counts[name] += 1
        steps.append((name, counts[name]))
    return steps


def cut(command: list[str], step: tuple[str, int], *, env: dict[str, str]) -> None:
    """Run a command and kill it, and everything it started, before one step."""
    name, number = step
    inject = f"inject={name}:signal=KILL:when={number}"
    options = ["-o", os.devnull, "-e", f"trace={name}", "-e", inject]
    assert run_traced(command, env=env, options=options) == -signal.SIGKILL
