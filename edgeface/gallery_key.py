"""Where a gallery's key comes from: a file, a command (TPM 2.0, OP-TEE), a passphrase."""

from __future__ import annotations

import os
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeface.errors import GalleryKeyError
from edgeface.gallery_cipher import KEY_BYTES
from edgeface.schema import first_problem
from edgeface.secret_file import read_secret, secret_path

KEY_VARIABLE = "EDGEFACE_GALLERY_KEY"
COMMAND_TIMEOUT_S = 30.0
PASSPHRASE_LEAST = 12
SETTINGS = {
    "type": "object",
    "additionalProperties": False,
    "description": "the gallery's key: one of file, command, passphrase_env",
    "properties": {
        "file": {
            "type": "string",
            "minLength": 1,
            "description": "file of 32 bytes, or of their base64; readable by its owner only; or "
            "credential:NAME, which the service's LoadCredential= names",
        },
        "command": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "minLength": 1},
            "description": "program and arguments that print the key: 32 bytes, or their base64",
        },
        "timeout_s": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 600,
            "description": "how long the command may take, in seconds (default 30)",
        },
        "passphrase_env": {
            "type": "string",
            "minLength": 1,
            "description": "name of the environment variable that holds a passphrase",
        },
    },
}


class GalleryKey:
    """A secret that opens galleries. It is read when this is made, and shown nowhere.

    Attributes
    ----------
    source : str
        "file", "command" or "passphrase".
    """

    def __init__(self, secret: bytes, *, source: str) -> None:
        self.source = source
        self._secret = secret

    @property
    def is_passphrase(self) -> bool:
        """Whether the secret must be stretched before it is a key."""
        return self.source == "passphrase"

    def secret(self) -> bytes:
        """Return the 32 bytes, or the passphrase in UTF-8."""
        return self._secret

    @classmethod
    def from_file(cls, path: str | Path) -> GalleryKey:
        """Read a key file: 32 bytes, or their base64.

        Raises
        ------
        GalleryKeyError
            Missing, no regular file, readable by others, or no key.
        """
        path = Path(path)
        try:
            data = read_secret(path)
        except ValueError as error:
            raise GalleryKeyError(f"key file: {error}") from error
        except OSError as error:
            raise GalleryKeyError(
                f"cannot read key file {path}: {error.strerror or error}; name the right file, or "
                f"make one with: edgeface gallery new-key {path}"
            ) from error
        return cls(_decode(data, f"key file {path}"), source="file")

    @classmethod
    def from_command(
        cls, command: Sequence[str], *, timeout_s: float = COMMAND_TIMEOUT_S
    ) -> GalleryKey:
        """Run a program that prints the key, such as ``["tpm2_unseal", "-c", "0x81010001"]``.

        Raises
        ------
        GalleryKeyError
            It does not start, fails, takes longer, or prints something else.
        """
        if isinstance(command, str) or not command:
            raise TypeError("command is a list of program and arguments, not one text")
        told = f"key command {command[0]}"
        try:
            done = subprocess.run(
                list(command),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            # Its partial output may be the key: not chained, not shown.
            raise GalleryKeyError(
                f"{told} printed no key within {timeout_s:g} s: run it by hand to see why"
            ) from None
        except OSError as error:
            raise GalleryKeyError(
                f"{told} does not start: {error.strerror or error}; check the path"
            ) from error
        if done.returncode:
            text = " ".join(done.stderr.decode("utf-8", "replace").split())[:200]
            raise GalleryKeyError(
                f"{told} failed with exit code {done.returncode} ({text or 'no message'}): run it "
                "by hand to see why"
            )
        return cls(_decode(done.stdout, told), source="command")

    @classmethod
    def from_passphrase(cls, passphrase: str) -> GalleryKey:
        """Take a passphrase of at least 12 characters; ``GalleryKeyError`` for less."""
        if not isinstance(passphrase, str):
            raise TypeError(f"a passphrase is text (str), not {type(passphrase).__name__}")
        if len(passphrase) < PASSPHRASE_LEAST:
            raise GalleryKeyError(
                f"the passphrase has {len(passphrase)} characters, expected at least "
                f"{PASSPHRASE_LEAST}: take a longer one, such as six words"
            )
        return cls(passphrase.encode("utf-8", "surrogateescape"), source="passphrase")

    @classmethod
    def from_passphrase_variable(cls, variable: str) -> GalleryKey:
        """As `from_passphrase`, from an environment variable, which must be set."""
        passphrase = os.environ.get(variable)
        if passphrase is None:
            raise GalleryKeyError(
                f"environment variable {variable} is not set, expected the gallery's passphrase: "
                "set it where this program is started"
            )
        return cls.from_passphrase(passphrase)

    @classmethod
    def from_environment(cls) -> GalleryKey | None:
        """Return the key in the file that EDGEFACE_GALLERY_KEY names; None when it is not set."""
        path = os.environ.get(KEY_VARIABLE)
        if path is None:
            return None
        if not path:
            raise GalleryKeyError(
                f"{KEY_VARIABLE} is set to an empty text: name a key file, or unset it"
            )
        return cls.from_file(path)

    @classmethod
    def from_settings(cls, table: Mapping[str, Any], *, base: Path) -> GalleryKey:
        """Return the key that a table of settings describes.

        Parameters
        ----------
        table : mapping
            One of ``file``, ``command`` (with ``timeout_s``) and ``passphrase_env``; see
            `SETTINGS`.
        base : Path
            Folder that a relative ``file`` is in.

        Raises
        ------
        GalleryKeyError
            Not exactly one of them, or the key cannot be had.
        """
        problem = first_problem(dict(table), SETTINGS)
        named = [name for name in ("file", "command", "passphrase_env") if name in table]
        if not problem and len(named) != 1:
            problem = f"found {' and '.join(named) or 'none'}, expected one of its three sources"
        if problem:
            raise GalleryKeyError(f"the gallery's key: {problem}; {SETTINGS['description']}")
        if "file" in table:
            return cls.from_file(_place(table["file"], Path(base)))
        if "command" in table:
            return cls.from_command(
                table["command"], timeout_s=table.get("timeout_s", COMMAND_TIMEOUT_S)
            )
        return cls.from_passphrase_variable(table["passphrase_env"])

    def __repr__(self) -> str:
        return f"GalleryKey(source={self.source!r})"


def write_key_file(path: str | Path) -> None:
    """Make a random key in a new file (mode 0600), as base64; never over another file.

    Raises ``GalleryKeyError`` where there is a file, or it cannot be written.
    """
    path = Path(path)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(b64encode(os.urandom(KEY_BYTES)) + b"\n")
            stream.flush()
            os.fsync(handle)
    except OSError as error:
        raise GalleryKeyError(
            f"cannot make key file {path}: {error.strerror or error}; a key is never overwritten: "
            "name another file"
        ) from error


def _place(text: str, base: Path) -> Path:
    try:
        return secret_path(text, base=base)
    except ValueError as error:
        raise GalleryKeyError(f"the gallery's key: {error}") from error


def _decode(data: bytes, told: str) -> bytes:
    if len(data) == KEY_BYTES:
        return data
    try:
        key = b64decode(data.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise GalleryKeyError(
            f"{told} gave {len(data)} bytes that are no key, expected {KEY_BYTES} bytes or their "
            "base64: make a key with: edgeface gallery new-key FILE"
        )
    return key
