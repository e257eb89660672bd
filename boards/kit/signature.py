"""Sign a kit's list of checksums, as bundles are signed (docs/decisions/0011)."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from boards.errors import BoardsError
from boards.slot import CONTEXT

_LIMIT_BYTES = 16384


def sign(sums: bytes, *, key: Path, passphrase: bytes | None = None) -> bytes:
    """Return the contents of SHA256SUMS.sig.

    Parameters
    ----------
    sums
        SHA256SUMS as stored.
    key
        Private Ed25519 key in PEM form, of ``python -m export keygen``.

    Raises
    ------
    BoardsError
        The key cannot be read, is no such key, or the passphrase does not open it.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            PublicFormat,
            load_pem_private_key,
        )
    except ImportError as error:
        raise BoardsError(
            f"signing needs the package cryptography ({error}): pip install 'edgeface[signing]'"
        ) from error
    with key.open("rb") as stream:
        data = stream.read(_LIMIT_BYTES)
    try:
        private = load_pem_private_key(data, password=passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BoardsError(
            f"{key} is not a private key that can be read ({error}); expected what "
            "'python -m export keygen' wrote, and --passphrase-file if it is encrypted"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise BoardsError(f"{key} is a {type(private).__name__}; expected an Ed25519 key")
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    name = sha256(public).hexdigest()[:16]
    value = b64encode(private.sign(CONTEXT + sums)).decode("ascii")
    return f"ed25519 {name} {value}\n".encode("ascii")
