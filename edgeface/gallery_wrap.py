"""The data key that seals a gallery's rows, itself sealed by the key that its owner keeps.

So the owner's key can be exchanged without writing every row anew.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from pathlib import Path

from edgeface.errors import GalleryKeyError
from edgeface.gallery_cipher import KEY_BYTES, Sealed, UnsealError, derive, describe, scrypt
from edgeface.gallery_key import GalleryKey
from edgeface.schema import JsonError, first_problem, parse_json

# 32 MB and half a second on a desktop: a board has both, and an attacker pays it per guess.
_SCRYPT = {"n": 1 << 15, "r": 8, "p": 3}
_SCHEMA = {
    "type": "object",
    "required": ["source", "wrapped"],
    "additionalProperties": False,
    "properties": {
        "source": {"type": "string", "enum": ["key", "passphrase"]},
        "salt": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        # Not what an attacker who changed the file would like to have computed.
        "n": {"type": "integer", "enum": [1 << power for power in range(14, 18)]},
        "r": {"type": "integer", "const": 8},
        "p": {"type": "integer", "minimum": 1, "maximum": 4},
        "wrapped": {"type": "string", "pattern": "^[A-Za-z0-9+/]{80}$"},
    },
}


def new_data_key() -> bytes:
    """Return 32 random bytes."""
    return os.urandom(KEY_BYTES)


def wrap(data_key: bytes, key: GalleryKey, *, gallery_id: str) -> str:
    """Return the data key, sealed for one gallery, as the text that the gallery keeps."""
    how: dict = {"source": "key"}
    if key.is_passphrase:
        how = {"source": "passphrase", "salt": os.urandom(16).hex(), **_SCRYPT}
    sealed = Sealed(_wrapping_key(key, how)).seal(data_key, _about(gallery_id))
    return json.dumps({**how, "wrapped": b64encode(sealed).decode()})


def unwrap(text: str, key: GalleryKey | None, *, gallery_id: str, path: Path) -> bytes:
    """Return the data key.

    Raises
    ------
    GalleryKeyError
        No key, one of another kind, or the wrong one.
    """
    if key is None:
        raise GalleryKeyError(
            f"gallery {path} is encrypted and no key is given: name its key file "
            "(EDGEFACE_GALLERY_KEY, --key, or key=GalleryKey.from_file(…))"
        )
    how = _read(text, path)
    if (how["source"] == "passphrase") != key.is_passphrase:
        wanted = "a passphrase" if how["source"] == "passphrase" else "a key file or command"
        raise GalleryKeyError(
            f"gallery {path} is opened by {wanted}, found a {key.source}: give the one that it "
            "was encrypted with; nothing was changed"
        )
    try:
        return Sealed(_wrapping_key(key, how)).unseal(b64decode(how["wrapped"]), _about(gallery_id))
    except UnsealError as error:
        raise GalleryKeyError(
            f"gallery {path} is not opened by this {key.source}: give the key that it was last "
            "encrypted with (edgeface gallery rekey changes it); nothing was changed"
        ) from error


def _read(text: str, path: Path) -> dict:
    try:
        how = parse_json(text.encode("utf-8"))
        problem = first_problem(how, _SCHEMA)
        if not problem and how["source"] == "passphrase" and not {"salt", *_SCRYPT} <= set(how):
            problem = "a passphrase without its salt and costs"
    except JsonError as error:
        problem = str(error)
    if problem:
        raise GalleryKeyError(
            f"gallery {path}: its wrapped key is damaged ({problem}): restore a backup; nothing "
            "was changed"
        )
    return how


def _wrapping_key(key: GalleryKey, how: dict) -> bytes:
    secret = key.secret()
    if key.is_passphrase:
        costs = {name: how[name] for name in _SCRYPT}
        secret = scrypt(secret, salt=bytes.fromhex(how["salt"]), **costs)
    return derive(secret, b"wrap")


def _about(gallery_id: str) -> bytes:
    return describe(b"data key", gallery_id.encode())
