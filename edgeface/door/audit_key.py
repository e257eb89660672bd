"""The audit log's key: it signs checkpoints, and turns names into pseudonyms."""

from __future__ import annotations

import hashlib
import hmac
import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.errors import AuditError
from edgeface.secret_file import read_secret
from edgeface.signature import key_id

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

_PSEUDONYM_CONTEXT = b"edgeface audit pseudonym 1\n"
_PSEUDONYM_DIGITS = 16
_PEM_LIMIT_BYTES = 4096


class AuditKey:
    """A private Ed25519 key. Its repr holds the key's id and nothing secret.

    Attributes
    ----------
    id
        16 hex digits that name its public key.
    public
        The public key, which `edgeface audit verify` needs.
    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        self._private = private
        self.public: Ed25519PublicKey = private.public_key()
        self.id = key_id(self.public)
        raw = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        self._names = hmac.digest(raw, _PSEUDONYM_CONTEXT, "sha256")

    @classmethod
    def generate(cls) -> AuditKey:
        """Return a new key that is in memory only: for a simulated door, and for tests."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AuditKey:
        """Read the PEM file that `make_audit_key` wrote.

        Raises
        ------
        AuditError
            Missing, unreadable, readable by others, or no such key; `cryptography` is missing.
        """
        try:
            from cryptography.exceptions import UnsupportedAlgorithm
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
            from cryptography.hazmat.primitives.serialization import load_pem_private_key
        except ImportError as error:
            raise AuditError(
                f"the audit log is signed, and the package for that is missing ({error}): "
                "pip install 'edgeface[door]'"
            ) from error
        advice = "expected an Ed25519 key without passphrase, as 'edgeface audit key' writes it"
        try:
            private = load_pem_private_key(read_secret(Path(path)), None)
        except OSError as error:
            raise AuditError(
                f"cannot read the audit log's key {path}: {error.strerror}; make one with "
                "'edgeface audit key'"
            ) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise AuditError(f"the audit log's key {path}: {error}; {advice}") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise AuditError(f"the audit log's key {path} is a {type(private).__name__}; {advice}")
        return cls(private)

    @property
    def public_pem(self) -> bytes:
        """The public key as PEM, for whoever is to verify."""
        return public_key_pem(self.public)

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature, 64 bytes."""
        return self._private.sign(message)

    def pseudonym(self, name: str) -> str:
        """Return what stands for a name in the log: the same for the same name and key.

        Whoever has the key can tell which of the names he knows it stands for; nobody can turn it
        back into a name that he does not know.
        """
        spelled = unicodedata.normalize("NFC", name).encode("utf-8")
        return "p-" + hmac.new(self._names, spelled, hashlib.sha256).hexdigest()[:_PSEUDONYM_DIGITS]

    def __repr__(self) -> str:
        return f"AuditKey({self.id})"


def make_audit_key(path: str | os.PathLike[str]) -> AuditKey:
    """Make a key: ``KEY.pem`` for its owner only (mode 0600), and ``KEY.pub.pem`` for verifiers.

    Raises
    ------
    AuditError
        One of them exists, or cannot be written.
    """
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    out = Path(path)
    public = public_path(out)
    for file in (out, public):
        if os.path.lexists(file):
            raise AuditError(f"{file} exists: keys are never overwritten; choose another name")
    made = AuditKey.generate()
    secret = made._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _create(public, made.public_pem, mode=0o644)
    try:
        _create(out, secret, mode=0o600)
    except AuditError:
        public.unlink()  # half a pair is none
        raise
    return made


def read_public_key(pem: bytes) -> Ed25519PublicKey:
    """Return the key that `AuditKey.public_pem` wrote.

    Raises
    ------
    AuditError
        It is no Ed25519 public key in PEM form.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem[:_PEM_LIMIT_BYTES])
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AuditError(
            f"not a public key ({error}): expected PEM, as in the .pub.pem that 'edgeface audit "
            "key' writes"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise AuditError(f"a key of another kind ({type(key).__name__}), expected Ed25519")
    return key


def public_key_pem(key: Ed25519PublicKey) -> bytes:
    """Return a public key as PEM in ASCII, in its one form."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_path(path: Path) -> Path:
    """Return where `make_audit_key` puts the public key of ``path``."""
    return path.with_name(f"{path.stem}.pub.pem")


def _create(file: Path, data: bytes, *, mode: int) -> None:
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(handle)
    except OSError as error:
        raise AuditError(f"cannot write key {file}: {error.strerror}; check the folder") from error
