"""What one wheel is for: a CPython and a machine."""

from __future__ import annotations

import re
from dataclasses import dataclass

from boards.errors import BoardsError

ARCHES = ("aarch64", "x86_64")
PYTHONS = ("3.9", "3.11", "3.12", "3.13")
"""Debian 11 (vendor images), Debian 12, Ubuntu 24.04, Debian 13."""

OLDEST, NEWEST = 9, 13
GLIBC = (2, 17)
"""manylinux2014; cmake/zig.cmake has the same number."""


@dataclass(frozen=True)
class Target:
    """A CPython, such as "3.11", and a machine as the kernel names it."""

    python: str
    arch: str

    def __post_init__(self) -> None:
        found = re.fullmatch(r"3\.(\d+)", self.python)
        if not found or not OLDEST <= int(found[1]) <= NEWEST:
            raise BoardsError(
                f"Python {self.python!r}; expected 3.{OLDEST} to 3.{NEWEST}, such as 3.11"
            )

    @property
    def abi(self) -> str:
        """The interpreter's and the ABI's tag, such as cp311."""
        return f"cp{self.python.replace('.', '')}"

    @property
    def tags(self) -> list[str]:
        """The wheel's tags: the same platform by its new name and by its old one."""
        platforms = (f"manylinux_{GLIBC[0]}_{GLIBC[1]}_{self.arch}", f"manylinux2014_{self.arch}")
        return [f"{self.abi}-{self.abi}-{platform}" for platform in platforms]

    @property
    def suffix(self) -> str:
        """Ending of the extension module's file name."""
        return f".cpython-{self.abi[2:]}-{self.multiarch}.so"

    @property
    def multiarch(self) -> str:
        """The machine as Debian's folders name it."""
        return f"{self.arch}-linux-gnu"

    def __str__(self) -> str:
        return f"{self.abi} {self.arch}"
