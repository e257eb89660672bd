"""What lies on the disk is sealed: AES-256-GCM, or in a gallery without a key a checksum only.

The only importer of `cryptography` on the gallery's side, and only where there is a key.
"""

from __future__ import annotations

import hmac
import os
from abc import ABC, abstractmethod
from hashlib import blake2b

from edgeface.errors import GalleryKeyError

KEY_BYTES = 32
TAG_BYTES = 16
_NONCE_BYTES = 12
_INSTALL = "pip install 'edgeface[door]'"


class UnsealError(ValueError):
    """These bytes were not sealed by this cipher, or about something else, or were changed."""


class Cipher(ABC):
    """Seals bytes together with what they are about, so that neither can be exchanged."""

    @abstractmethod
    def seal(self, data: bytes, about: bytes) -> bytes:
        """Return ``data`` as it may lie on the disk."""

    @abstractmethod
    def unseal(self, data: bytes, about: bytes) -> bytes:
        """Return what was sealed; ``UnsealError`` unless it and ``about`` are exactly as then."""

    @abstractmethod
    def tag(self, data: bytes, about: bytes) -> bytes:
        """Return 16 bytes that are the same for the same ``data`` and ``about``."""


class Checksummed(Cipher):
    """Readable by everybody; damage and exchanged rows are noticed, forgery is not."""

    def seal(self, data: bytes, about: bytes) -> bytes:
        """As `Cipher.seal`: the data, then its checksum."""
        return data + self.tag(data, about)

    def unseal(self, data: bytes, about: bytes) -> bytes:
        """As `Cipher.unseal`."""
        content, checksum = data[:-TAG_BYTES], data[-TAG_BYTES:]
        if not hmac.compare_digest(checksum, self.tag(content, about)):
            raise UnsealError("its checksum is another")
        return content

    def tag(self, data: bytes, about: bytes) -> bytes:
        """As `Cipher.tag`; anybody can compute it."""
        return blake2b(data, digest_size=TAG_BYTES, key=_short(about)).digest()


class Sealed(Cipher):
    """AES-256-GCM under a data key, with a random nonce each time."""

    def __init__(self, data_key: bytes) -> None:
        """Derive the keys; ``data_key`` has 32 bytes."""
        self._aead = _aesgcm(derive(data_key, b"rows"))
        self._tag_key = derive(data_key, b"tags")

    def seal(self, data: bytes, about: bytes) -> bytes:
        """As `Cipher.seal`: 96 bits of nonce, ciphertext, 128 bits of tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, data, about)

    def unseal(self, data: bytes, about: bytes) -> bytes:
        """As `Cipher.unseal`."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._aead.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], about)
        except (InvalidTag, ValueError) as error:  # ValueError: shorter than a nonce
            raise UnsealError("it was not sealed with this key, or not for this place") from error

    def tag(self, data: bytes, about: bytes) -> bytes:
        """As `Cipher.tag`: HMAC-SHA-256; says nothing to whoever lacks the key."""
        return hmac.digest(self._tag_key, about + data, "sha256")[:TAG_BYTES]


def describe(*parts: bytes) -> bytes:
    """Return parts as one text from which they can be told apart: each after its length."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def derive(key: bytes, purpose: bytes) -> bytes:
    """Return another key of 32 bytes for one purpose."""
    return hmac.digest(key, b"edgeface gallery 2 " + purpose, "sha256")


def scrypt(passphrase: bytes, *, salt: bytes, n: int, r: int, p: int) -> bytes:
    """Return 32 bytes from a passphrase; needs ``128 * n * r`` bytes of memory."""
    _require_cryptography()
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=KEY_BYTES, n=n, r=r, p=p).derive(passphrase)


def _aesgcm(key: bytes):
    _require_cryptography()
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _require_cryptography() -> None:
    try:
        import cryptography  # noqa: F401 - asked for here, so that one place has the remedy
    except ImportError as error:
        raise GalleryKeyError(
            f"a key is given for the gallery, and the package that uses it is missing ({error}): "
            f"{_INSTALL}"
        ) from error


def _short(about: bytes) -> bytes:
    # BLAKE2b takes keys of at most 64 bytes.
    return blake2b(about, digest_size=32).digest()
