"""Files that hold a secret: where they are, and that nobody else reads them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

CREDENTIAL = "credential:"
"""Begins a setting that names a credential of the service (systemd's LoadCredential)."""

_LIMIT_BYTES = 65536


def secret_path(text: str, *, base: Path) -> Path:
    """Return where a setting says that a secret is.

    Parameters
    ----------
    text
        A path, relative to `base`; or ``credential:NAME``, a file that systemd hands to the
        service in $CREDENTIALS_DIRECTORY.
    base
        Folder of door.toml.

    Raises
    ------
    ValueError
        A credential's name is no plain file name, or this process was given no credentials.
    """
    if not text.startswith(CREDENTIAL):
        return base / text
    name = text[len(CREDENTIAL) :]
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ValueError(
            f"{text}: this process was given no credentials; start it by edgeface.service, whose "
            "LoadCredential= names them, or give a path"
        )
    if not name or name != os.path.basename(name) or name in (".", ".."):
        raise ValueError(f"{text}: expected {CREDENTIAL} and a plain name, without slashes")
    return Path(folder, name)


def read_secret(path: Path) -> bytes:
    """Return a secret file's bytes, at most 64 KiB.

    Raises
    ------
    ValueError
        It is no regular file, too long, or others than its owner may read or change it.
    OSError
        It cannot be read.
    """
    # Not blocking: a pipe in its place must not hang the door.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as stream:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path} is no regular file: name the file that holds the secret")
        open_to_others = found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        if open_to_others and not _is_credential(path):
            raise ValueError(
                f"{path} has mode {stat.S_IMODE(found.st_mode):04o}, so that others may use it: "
                f"chmod 600 {path}; make a new one if somebody did"
            )
        data = stream.read(_LIMIT_BYTES + 1)
    if len(data) > _LIMIT_BYTES:
        raise ValueError(f"{path} has more than {_LIMIT_BYTES} bytes: it is no secret of ours")
    return data


def _is_credential(path: Path) -> bool:
    # systemd gives them to the service's user by an access list, which shows as group bits; the
    # folder itself is closed to all others.
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and path.parent == Path(folder)
