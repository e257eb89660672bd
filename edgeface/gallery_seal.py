"""Rows as they lie on the disk: each sealed together with its gallery, person, model and kind.

So no row can pass for another person's, another gallery's or another model's.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from edgeface.gallery_cipher import Checksummed, Cipher, Sealed, describe
from edgeface.gallery_key import GalleryKey
from edgeface.gallery_person import PersonRecord, decode, encode
from edgeface.gallery_wrap import new_data_key, unwrap, wrap

_RECEIPT_KEY = b"receipt key"
_SITE = b"site"


def new_uid() -> bytes:
    """Return what names a person in sealed rows: random, so that nobody gets it a second time."""
    return os.urandom(16)


def fresh(key: GalleryKey | None) -> tuple[RowSeal, dict[str, str]]:
    """Return a new gallery's seal, and the settings from which `RowSeal.of_settings` makes it."""
    settings = {"gallery_id": os.urandom(16).hex()}
    if key is None:
        cipher: Cipher = Checksummed()
    else:
        data_key = new_data_key()
        cipher = Sealed(data_key)
        settings["key"] = wrap(data_key, key, gallery_id=settings["gallery_id"])
    seal = RowSeal(cipher, settings["gallery_id"])
    settings["receipt_key"] = seal.seal_receipt_key(os.urandom(32))
    return seal, settings


class RowSeal:
    """Seals and opens the rows of one gallery."""

    def __init__(self, cipher: Cipher, gallery_id: str) -> None:
        self._cipher = cipher
        self._gallery = gallery_id.encode()

    @classmethod
    def of_settings(
        cls, settings: Mapping[str, str], key: GalleryKey | None, *, path: Path
    ) -> RowSeal:
        """Return a gallery's, by its table of settings; ``GalleryKeyError`` if ``key`` is wrong."""
        gallery_id = settings.get("gallery_id", "")
        if "key" not in settings:
            return cls(Checksummed(), gallery_id)
        return cls(
            Sealed(unwrap(settings["key"], key, gallery_id=gallery_id, path=path)), gallery_id
        )

    def name_tag(self, name: str) -> bytes:
        """Return what a person is looked up by: 16 bytes."""
        return self._cipher.tag(name.encode("utf-8"), self._about(b"name"))

    def seal_record(self, uid: bytes, record: PersonRecord) -> bytes:
        """Return a person's row."""
        return self._cipher.seal(encode(record), self._about(b"person", uid))

    def open_record(self, uid: bytes, data: bytes) -> PersonRecord:
        """Return a person's data; ``UnsealError`` when the row is not whole or not in its place."""
        return decode(self._cipher.unseal(data, self._about(b"person", uid)))

    def seal_template(self, uid: bytes, model_id: str, row: bytes) -> tuple[bytes, bytes]:
        """Return a template's row, and the digest by which equal ones are known."""
        about = self._about(b"template", uid, model_id.encode())
        return self._cipher.seal(row, about), self._cipher.tag(row, about)

    def open_template(self, uid: bytes, model_id: str, data: bytes) -> bytes:
        """Return a template's bytes; ``UnsealError`` when the row is not whole or moved."""
        return self._cipher.unseal(data, self._about(b"template", uid, model_id.encode()))

    def is_digest(self, digest: bytes, uid: bytes, model_id: str, row: bytes) -> bool:
        """Tell whether a template's digest is that of its bytes."""
        about = self._about(b"template", uid, model_id.encode())
        return hmac.compare_digest(digest, self._cipher.tag(row, about))

    def seal_receipt_key(self, secret: bytes) -> str:
        """Return the key of erased people's digests as the settings keep it."""
        return self._cipher.seal(secret, self._about(_RECEIPT_KEY)).hex()

    def open_receipt_key(self, text: str) -> bytes:
        """Return the key of erased people's digests."""
        return self._cipher.unseal(bytes.fromhex(text), self._about(_RECEIPT_KEY))

    def seal_site(self, data: bytes) -> str:
        """Return where the gallery stands with its site, as the settings keep it."""
        return self._cipher.seal(data, self._about(_SITE)).hex()

    def open_site(self, text: str) -> bytes:
        """Return what `seal_site` was given."""
        return self._cipher.unseal(bytes.fromhex(text), self._about(_SITE))

    def _about(self, kind: bytes, *more: bytes) -> bytes:
        return describe(b"edgeface gallery 2", self._gallery, kind, *more)
