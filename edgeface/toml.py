"""Reading TOML files of the machine's owner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeface.errors import BoardError


def read_toml(path: Path) -> dict[str, Any] | None:
    """Return a TOML file's content, or None where there is no such file.

    Raises
    ------
    BoardError
        It cannot be read, or is not TOML.
    """
    try:
        import tomllib
    except ImportError:  # before Python 3.11
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BoardError(f"cannot read {path}: {error.strerror}; check its permissions") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are
        raise BoardError(f"{path} is not TOML: {error}; correct it or remove it") from error
