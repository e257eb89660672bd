"""The site's key: 32 bytes in a file, which seal authenticators' secrets in the database."""

from __future__ import annotations

import os
from pathlib import Path

from edgeface.errors import SiteError
from edgeface.secret_file import read_secret

KEY_BYTES = 32
_NONCE_BYTES = 12


class Seal:
    """AES-256-GCM under the site's key; what is sealed is bound to its owner's name."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)

    def close(self, secret: str, *, of: str) -> bytes:
        """Return the sealed text."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode("ascii"), of.encode("utf-8"))

    def open(self, sealed: bytes, *, of: str) -> str:
        """Return what `close` was given; ``SiteError`` where the key or the owner is another."""
        from cryptography.exceptions import InvalidTag

        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, rest, of.encode("utf-8")).decode("ascii")
        except InvalidTag as error:
            raise SiteError(
                f"the authenticator's secret of {of} was sealed by another key: put the site's own "
                "key file back, or give each user a new authenticator (edgeface site --reset-user)"
            ) from error


def read_site_key(path: Path) -> bytes:
    """Return the key of a file; ``SiteError`` where it is missing, open to others or no key."""
    try:
        key = read_secret(path)
    except OSError as error:
        raise SiteError(f"cannot read the site's key {path}: {error.strerror}") from error
    except ValueError as error:
        raise SiteError(f"the site's key: {error}") from error
    if len(key) != KEY_BYTES:
        raise SiteError(f"{path} has {len(key)} bytes, expected a key of {KEY_BYTES}")
    return key
