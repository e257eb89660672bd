"""The kit that goes into an image: checked as a board would check it, and fitted to the image."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from boards.errors import BoardsError
from boards.image.base import System
from boards.slot.slot import SlotError, check_signature, check_sums, read_keys

FORMAT = 1


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


def open_kit(folder: Path, *, board: str, arch: str, public_key: Path | None = None) -> Kit:
    """Check every file of a kit against its list, and its signature if a key is given.

    Parameters
    ----------
    board
        The board that the image is for.
    arch
        Machine of that board: "aarch64" or "x86_64".
    public_key
        PEM file, or folder of them, one of which must have signed the kit.

    Raises
    ------
    BoardsError
        It is no kit, is damaged, is for another board, or is not signed by that key.
    """
    try:
        sums = check_sums(folder)
        if public_key is not None:
            check_signature(folder, sums, keys=read_keys(public_key), site=folder / "none")
        facts = json.loads((folder / "kit.json").read_bytes())
        found = (facts["format"], facts["board"], facts["version"], tuple(facts["pythons"]))
    except SlotError as error:
        raise BoardsError(str(error)) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BoardsError(
            f"{folder}: kit.json is not a kit's ({error!r}); make it again"
        ) from error
    if found[0] != FORMAT:
        raise BoardsError(f"{folder}: kit format {found[0]}; expected {FORMAT}: use its own tools")
    if found[1] != board:
        raise BoardsError(
            f"{folder} is a kit for {found[1]}; expected {board}: --board, or its kit"
        )
    return Kit(folder, *found[1:], arch)


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
