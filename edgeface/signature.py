"""Who signed a bundle: the member ``signature``, and the public keys that a board trusts.

The standard library reads the member; ``cryptography`` is loaded only where a public key is
configured. docs/bundle-format.md says which bytes are signed, and why those.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.errors import BundleSignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CONTEXT = b"edgeface bundle manifest, signature 1\n"
"""Begins every signed message, so that no other signature by the same key can pass for ours."""

SIGNATURES_LIMIT = 8
SIGNATURE_LIMIT_BYTES = 2048
_KEY_LIMIT_BYTES = 4096
_LINE = re.compile(rb"ed25519 ([0-9a-f]{16}) ([A-Za-z0-9+/]{86}==)\n")


def signed_message(manifest: bytes) -> bytes:
    """Return what a signature is over: the context, then ``manifest.json`` as it is stored."""
    return CONTEXT + manifest


def format_signatures(signatures: Mapping[str, bytes]) -> bytes:
    """Return the member ``signature``: a line per key id, in their order.

    Parameters
    ----------
    signatures : mapping of str to bytes
        Key id (16 hex digits) to signature (64 bytes); 1 to 8 of them.
    """
    lines = (f"ed25519 {key} {b64encode(signatures[key]).decode()}\n" for key in sorted(signatures))
    return "".join(lines).encode("ascii")


def parse_signatures(data: bytes, *, source: str) -> dict[str, bytes]:
    """Return the signatures of a member ``signature`` by key id; nothing is verified yet.

    Raises
    ------
    BundleSignatureError
        Not exactly what `format_signatures` writes.
    """
    found = {key.decode(): b64decode(text) for key, text in _LINE.findall(data)}
    if not 1 <= len(found) <= SIGNATURES_LIMIT or format_signatures(found) != data:
        raise BundleSignatureError(
            f"bundle {source}: its member 'signature' is malformed: expected 1 to "
            f"{SIGNATURES_LIMIT} lines 'ed25519 KEY-ID BASE64', sorted; sign the bundle again"
        )
    return found


def key_id(public_key: Ed25519PublicKey) -> str:
    """Return 16 hex digits that name a key: of SHA-256 over its SubjectPublicKeyInfo in DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(der).hexdigest()[:16]


def load_public_keys(place: str | Path) -> dict[str, Ed25519PublicKey]:
    """Read the public keys that may sign, by key id.

    Parameters
    ----------
    place : str or Path
        A PEM file with one Ed25519 public key, or a folder: then every ``*.pem`` in it.

    Raises
    ------
    BundleSignatureError
        `cryptography` is not installed, or any of them is missing, unreadable or no such key. A
        key that is configured and cannot be used never means "no check".
    """
    if not str(place):
        raise BundleSignatureError(
            "the public key is configured as an empty text: name a PEM file or a folder of them, "
            "or take the setting away (option, argument or EDGEFACE_PUBLIC_KEY)"
        )
    place = Path(place)
    try:
        files = sorted(place.glob("*.pem")) if place.is_dir() else [place]
        keys = [_load_public_key(file) for file in files]
    except OSError as error:
        raise BundleSignatureError(
            f"cannot read public key {error.filename or place}: {error.strerror or error}; no "
            "bundle is accepted until it can be read"
        ) from error
    if not keys:
        raise BundleSignatureError(
            f"public keys {place}: the folder holds no .pem file: put the trusted keys there"
        )
    return {key_id(key): key for key in keys}


def check_signatures(
    manifest: bytes,
    signatures: Mapping[str, bytes],
    *,
    keys: Mapping[str, Ed25519PublicKey],
    source: str,
) -> tuple[str, ...]:
    """Return the ids of the trusted keys that signed.

    Every signature that names a trusted key must hold, and there must be one; signatures of
    other keys are passed over, so that a bundle can carry an old key's beside a new one's.

    Parameters
    ----------
    manifest : bytes
        ``manifest.json`` as it is stored; nothing of it is believed before this returns.
    signatures
        From `parse_signatures`; empty for a bundle without that member.
    keys
        From `load_public_keys`.

    Raises
    ------
    BundleSignatureError
        Not signed, not by a trusted key, or a signature does not hold.
    """
    from cryptography.exceptions import InvalidSignature

    trusted = ", ".join(sorted(keys))
    if not signatures:
        raise BundleSignatureError(
            f"bundle {source} is not signed, expected a signature by key {trusted}: use a signed "
            "bundle, or sign it with: python -m export sign"
        )
    known = sorted(set(signatures) & set(keys))
    if not known:
        raise BundleSignatureError(
            f"bundle {source} is signed by {', '.join(sorted(signatures))}, expected key {trusted}:"
            " use a bundle of that signer, or add the new signer's public key"
        )
    for name in known:
        try:
            keys[name].verify(signatures[name], signed_message(manifest))
        except InvalidSignature as error:
            raise BundleSignatureError(
                f"bundle {source}: the signature by key {name} does not hold for its manifest: it "
                "was changed after signing, or signed by somebody else; get it again from its maker"
            ) from error
    return tuple(known)


def _load_public_key(file: Path) -> Ed25519PublicKey:
    with file.open("rb") as stream:
        data = stream.read(_KEY_LIMIT_BYTES)
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise BundleSignatureError(
            f"public key {file} is configured, and the package that checks signatures is missing "
            f"({error}): pip install 'edgeface[signing]'"
        ) from error
    try:
        key = load_pem_public_key(data)
        if data.count(b"-----BEGIN") != 1:
            raise ValueError("more than one key")
    except (ValueError, UnsupportedAlgorithm) as error:
        hint = "this is a private key: keep it secret, " if b"PRIVATE KEY" in data else ""
        raise BundleSignatureError(
            f"{file} is not one public key in PEM form ({hint}expected one 'BEGIN PUBLIC KEY'): "
            "use the public file that 'python -m export keygen' wrote"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise BundleSignatureError(
            f"{file} is a key of another kind ({type(key).__name__}), expected Ed25519: make one "
            "with 'python -m export keygen'"
        )
    return key
