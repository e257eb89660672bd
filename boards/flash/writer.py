"""What every way of flashing offers, and how a long command runs."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from pathlib import Path

from boards.errors import BoardsError
from boards.tool import find_tool


class Writer(ABC):
    """One tool with one image and one device, checked when made."""

    image: Path
    where: str

    @abstractmethod
    def commands(self) -> list[list[str]]:
        """The commands that change the device, in order."""

    def write(self) -> None:
        """Run them.

        Raises
        ------
        BoardsError
            One failed.
        """
        for words in self.commands():
            run_shown(words)

    @abstractmethod
    def verify(self) -> str:
        """Read back and compare; what was compared, in words.

        Raises
        ------
        BoardsError
            What is there differs from the image.
        """

    def afterwards(self) -> list[list[str]]:
        """The commands that follow a good verification, such as a restart."""
        return []


def run_shown(words: list[str]) -> None:
    """Run a command whose progress the user sees.

    Raises
    ------
    BoardsError
        It ended with another code than 0.
    """
    done = subprocess.run([find_tool(words[0]), *words[1:]], stdin=subprocess.DEVNULL)
    if done.returncode:
        raise BoardsError(
            f"{' '.join(words)} ended with code {done.returncode}; the device holds an incomplete "
            "image: write it again"
        )
