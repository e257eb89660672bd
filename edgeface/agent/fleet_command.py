"""Running a program of this machine's owner, as agent.toml names it; no shell."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence

from edgeface.errors import SiteError

_TEXT_LIMIT = 300


class KilledError(Exception):
    """Somebody killed the program: it may have done all of it, or a part. Look, and try again."""


def run(command: Sequence[str], *, limit_s: float) -> str:
    """Run a command to its end and return what it printed.

    Raises
    ------
    KilledError
        It was ended by a signal, as all are when this machine stops.
    SiteError
        It could not be run, took longer than the limit (it is killed then, with all it started),
        or did not end with 0; the text has the last line that it printed.
    """
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise SiteError(f"{command[0]} cannot be run: {error.strerror}") from error
    with process:
        try:
            printed, told = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise SiteError(f"{command[0]} did not end within {limit_s:g} s") from None
    if process.returncode < 0:
        raise KilledError(f"{command[0]} was ended by signal {-process.returncode}")
    if process.returncode:
        last = _last_line(printed, told)[:_TEXT_LIMIT]
        raise SiteError(f"{last} ({command[0]} ended with {process.returncode})")
    return printed


def _last_line(printed: str, told: str) -> str:
    """The last line that is our own tools' word, not that of a library in them."""
    lines = told.splitlines()
    own = [line for line in lines if line.startswith("edgeface")]
    return (own or printed.strip().splitlines() or lines or ["no text"])[-1]
