"""Is a folder a whole kit, for this board, of this signer? What boards check, and more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from boards.errors import BoardsError
from boards.facts import board_facts, board_file
from boards.kit.make import SYSTEM_FILES
from boards.kit.wheels import own_wheel
from boards.slot.slot import SlotError, check_signature, check_sums, read_keys
from boards.wheels.target import Target

BUNDLE = "bundle.efb"
NEEDED = ("kit.json", "board.toml", BUNDLE, "THIRD_PARTY.md", *SYSTEM_FILES)


def check_kit(
    kit: Path, *, board: str | None = None, public_key: Path | None = None
) -> dict[str, Any]:
    """Check every file of a kit and return its kit.json.

    Parameters
    ----------
    board
        The board that it must be for; None takes any.
    public_key
        PEM file, or folder of them, one of which must have signed it; None: not asked.

    Raises
    ------
    BoardsError
        A file is damaged, missing or foreign; it is another board's; not signed by that key.
    """
    try:
        sums = check_sums(kit)
        if public_key is not None:
            check_signature(kit, sums, keys=read_keys(public_key), site=kit / "none")
    except SlotError as error:
        raise BoardsError(str(error)) from error
    missing = [name for name in NEEDED if not (kit / name).is_file()]
    if missing:
        raise BoardsError(f"kit {kit} is incomplete: it lacks {', '.join(missing)}; make it again")
    facts = read_facts(kit)
    if board is not None and facts["board"] != board:
        raise BoardsError(f"kit {kit} is for {facts['board']}; expected {board}: use its own kit")
    if (kit / "board.toml").read_bytes() != board_file(facts["board"]).read_bytes():
        raise BoardsError(
            f"kit {kit}: its board.toml is not this checkout's of {facts['board']}; make it again"
        )
    arch = board_facts(facts["board"])["arch"]
    for python in facts["pythons"]:
        own_wheel(kit / "wheels", Target(python, arch))
    return facts


def read_facts(kit: Path) -> dict[str, Any]:
    """Return a kit's kit.json.

    Raises
    ------
    BoardsError
        It is not what format 1 says.
    """
    try:
        facts = json.loads((kit / "kit.json").read_bytes())
        told = [facts["board"], facts["version"], facts["bundle"], *facts["pythons"]]
        whole = facts["format"] == 1 and bool(facts["pythons"])
    except (ValueError, KeyError, TypeError) as error:
        raise BoardsError(
            f"kit {kit}: kit.json is not a kit's ({error!r}); make it again"
        ) from error
    # The bundle's name becomes a path: another one could name any file of this machine.
    if not whole or not all(isinstance(one, str) for one in told) or facts["bundle"] != BUNDLE:
        raise BoardsError(
            f"kit {kit}: kit.json says format {facts['format']}, bundle {facts['bundle']!r}, "
            f"Pythons {facts['pythons']}; expected format 1, {BUNDLE}, and versions"
        )
    return facts
