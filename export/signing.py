"""Ed25519 keys and signatures of bundles: docs/bundle-format.md says what is signed, and why."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from edgeface.bundle import Bundle, write_signed
from edgeface.signature import SIGNATURES_LIMIT, key_id, signed_message
from export.errors import SigningError


@dataclass(frozen=True)
class KeyPair:
    """Where a new key lies: ``private`` (PKCS 8, for the signer only), ``public``; and its id."""

    private: Path
    public: Path
    key_id: str


def generate_key(out: Path, *, passphrase: bytes | None = None) -> KeyPair:
    """Make an Ed25519 key.

    Parameters
    ----------
    out : Path
        PEM file for the private key, readable by its owner only (mode 0600). The public key goes
        beside it: ``KEY.pem`` and ``KEY.pub.pem``. Neither may exist.
    passphrase : bytes or None
        Encrypts the private key; None leaves it as it is.

    Raises
    ------
    SigningError
        A file exists, cannot be written, or the passphrase is empty.
    """
    if passphrase is not None and not passphrase:
        raise SigningError("the passphrase is empty: give one, or leave the option out")
    public = out.with_name(f"{out.stem}.pub.pem")
    for file in (out, public):
        if os.path.lexists(file):
            raise SigningError(f"{file} exists: keys are never overwritten; choose another name")
    key = Ed25519PrivateKey.generate()
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    shown = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _create(public, shown, mode=0o644)
    try:
        _create(out, secret, mode=0o600)
    except SigningError:
        public.unlink()  # half a pair is none
        raise
    return KeyPair(out, public, key_id(key.public_key()))


def sign_bundle(
    path: Path,
    *,
    key: Path,
    passphrase: bytes | None = None,
    out: Path | None = None,
    only: bool = False,
) -> Bundle:
    """Sign a bundle; signing twice with one key gives the same bytes.

    Parameters
    ----------
    path : Path
        A sound bundle, for any board.
    key : Path
        PEM file of an Ed25519 private key.
    passphrase : bytes or None
        Of an encrypted key.
    out : Path or None
        Where to; None replaces ``path``, atomically.
    only : bool
        Drop the signatures of other keys, which stay otherwise (and stay valid).

    Returns
    -------
    Bundle
        The signed one, read back.

    Raises
    ------
    SigningError
        The key cannot be used, or the bundle has 8 signatures of other keys.
    edgeface.errors.BundleError
        The bundle is not sound, or cannot be written.
    """
    bundle = Bundle.open(path, board=None)
    private = load_private_key(key, passphrase=passphrase)
    others = {} if only else bundle.signatures
    signature = private.sign(signed_message(bundle.manifest_bytes))
    signatures = {**others, key_id(private.public_key()): signature}
    if len(signatures) > SIGNATURES_LIMIT:
        raise SigningError(
            f"bundle {path} has {len(others)} signatures, at most {SIGNATURES_LIMIT} are "
            "allowed: drop the others with --only"
        )
    return write_signed(path if out is None else out, bundle, signatures)


def verify_signature(path: Path, public_key: str | Path) -> tuple[str, ...]:
    """Check a bundle whole, its signature first.

    Parameters
    ----------
    path : Path
        The bundle, for any board.
    public_key : str or Path
        PEM file, or a folder of them.

    Returns
    -------
    tuple of str
        Ids of the keys of ``public_key`` that signed it; never empty.

    Raises
    ------
    edgeface.errors.BundleError
        Not signed by them, or not a sound bundle.
    """
    return Bundle.open(path, board=None, public_key=public_key).signed_by


def load_private_key(file: Path, *, passphrase: bytes | None = None) -> Ed25519PrivateKey:
    """Read an Ed25519 private key from a PEM file.

    Raises
    ------
    SigningError
        Unreadable, no such key, a wrong or missing passphrase, or a key without one that others
        than its owner may read.
    """
    try:
        data, mode = file.read_bytes(), file.stat().st_mode
    except OSError as error:
        raise SigningError(f"cannot read key {file}: {error.strerror or error}") from error
    if passphrase is None and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SigningError(
            f"key {file} has no passphrase and mode {stat.S_IMODE(mode):04o}, so that others may "
            f"use it: chmod 600 {file}; make a new one if somebody did"
        )
    try:
        key = load_pem_private_key(data, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(
            f"key {file} cannot be used ({error}): expected a private key in PEM form, and "
            "--passphrase-file exactly when it is encrypted"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(
            f"key {file} is of another kind ({type(key).__name__}), expected Ed25519: make one "
            "with 'python -m export keygen'"
        )
    return key


def read_passphrase(file: Path | None) -> bytes | None:
    """Return the first line of a file without its line end; None for None.

    Raises ``SigningError`` when it is empty or cannot be read.
    """
    if file is None:
        return None
    try:
        line = file.read_bytes().split(b"\n")[0].rstrip(b"\r")
    except OSError as error:
        raise SigningError(f"cannot read passphrase {file}: {error.strerror or error}") from error
    if not line:
        raise SigningError(f"passphrase {file}: its first line is empty, expected the passphrase")
    return line


def _create(file: Path, data: bytes, *, mode: int) -> None:
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
    except OSError as error:
        raise SigningError(f"cannot write key {file}: {error.strerror or error}") from error
