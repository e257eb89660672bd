"""Reading /proc, /sys, /dev and /etc, of this machine or of another's tree."""

from __future__ import annotations

from pathlib import Path

from edgeface.backends.npu import board_root

__all__ = ["board_root", "cpu_list", "read_int", "read_text"]


_MAX_CPU = 65535  # more than any kernel numbers; a typing error must not fill the memory


def read_text(path: Path) -> str | None:
    """Return a small file's text without white space around it, or None where it cannot be read.

    Files of /sys may be missing, for root only, or refuse (a sensor without power): all None.
    """
    try:
        return path.read_bytes().decode("utf-8", "replace").strip("\0 \t\r\n")
    except OSError:
        return None


def read_int(path: Path) -> int | None:
    """Return the whole number that a file holds, or None."""
    text = read_text(path)
    try:
        return int(text) if text else None
    except ValueError:
        return None


def cpu_list(text: str) -> tuple[int, ...]:
    """Return the CPUs of a list as Linux writes it: "0-3", "0 1 2 3" or "0-1,4"; else ()."""
    found: list[int] = []
    try:
        for part in text.replace(",", " ").split():
            first, _, last = part.partition("-")
            if int(last or first) > _MAX_CPU:
                return ()
            found.extend(range(int(first), int(last or first) + 1))
    except ValueError:
        return ()
    return tuple(found)
