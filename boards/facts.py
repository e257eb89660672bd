"""What is written about each board: ``boards/<name>/board.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from boards.errors import BoardsError

FOLDER = Path(__file__).resolve().parent
FILE_NAME = "board.toml"


def board_names() -> list[str]:
    """Return the names of all boards."""
    return sorted(file.parent.name for file in FOLDER.glob(f"*/{FILE_NAME}"))


def board_file(name: str) -> Path:
    """Return where a board's facts are.

    Raises
    ------
    BoardsError
        There is no such board; the text lists them.
    """
    if name not in board_names():
        raise BoardsError(
            f"no board {name!r}: there are {', '.join(board_names())}; docs/boards.md says how to "
            "add one"
        )
    return FOLDER / name / FILE_NAME


def board_facts(name: str) -> dict[str, Any]:
    """Return a board's facts, as board.schema.json describes them.

    Raises
    ------
    BoardsError
        There is no such board; the text lists them.
    """
    path = board_file(name)
    try:
        import tomllib
    except ImportError:  # before Python 3.11
        import tomli as tomllib
    return tomllib.loads(path.read_text("utf-8"))
