"""The kit that goes into an image: checked as a board would check it, and fitted to the image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from boards.errors import BoardsError
from boards.facts import board_facts
from boards.image.base import System
from boards.kit.check import check_kit


@dataclass(frozen=True)
class Kit:
    """A kit's folder, and what its kit.json says."""

    folder: Path
    board: str
    version: str
    pythons: tuple[str, ...]
    arch: str

    @property
    def wheels(self) -> list[Path]:
        """Its wheels, except pip's own, which runs on boards only."""
        found = sorted((self.folder / "wheels").glob("*.whl"))
        return [wheel for wheel in found if not wheel.name.startswith("pip-")]


def open_kit(folder: Path, *, board: str, public_key: Path | None = None) -> Kit:
    """Check a kit as `python -m boards kit --check` does; see `check_kit` for what is raised."""
    facts = check_kit(folder, board=board, public_key=public_key)
    arch = board_facts(board)["arch"]
    return Kit(folder, board, facts["version"], tuple(facts["pythons"]), arch)


def check_fit(kit: Kit, system: System) -> None:
    """Refuse an image that the kit cannot run on.

    Raises
    ------
    BoardsError
        Another machine, or a Python that the kit has no wheels for.
    """
    if system.machine != kit.arch:
        raise BoardsError(
            f"the image is for {system.machine} ({system.title}), and {kit.board} is "
            f"{kit.arch}; use an image made for the board"
        )
    if system.python not in kit.pythons:
        raise BoardsError(
            f"{system.title} has Python {system.python}, and the kit has wheels for "
            f"{', '.join(kit.pythons)}; make it with: python -m boards kit --python {system.python}"
        )
