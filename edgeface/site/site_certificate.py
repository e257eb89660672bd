"""A site's own certificate authority and server certificate, for sites without public ones.

Browsers and doors are given the authority's file once; servers' certificates are renewed under it.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.errors import SiteError
from edgeface.secret_file import read_secret

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY, AUTHORITY_KEY = "ca.pem", "ca.key"
SERVER, SERVER_KEY = "server.pem", "server.key"
_AUTHORITY_DAYS, _SERVER_DAYS = 3650, 397  # browsers refuse servers' longer than 398 days


def make_authority(folder: Path, *, site: str) -> None:
    """Write ``ca.pem``, and ``ca.key`` for its owner only; an ``OSError`` where one is there."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"edgeface site {site}")
    builder = _builder(name, name, key, days=_AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = _signed(builder.add_extension(own, critical=False), key)
    write_new(folder / AUTHORITY_KEY, _pem_of_key(key), mode=0o600)
    write_new(folder / AUTHORITY, certificate, mode=0o644)


def make_server_certificate(
    folder: Path, *, names: Sequence[str], days: int = _SERVER_DAYS
) -> None:
    """Write ``server.pem`` and ``server.key``, signed by the folder's authority, for these names.

    What is there is replaced: start the site again to use it. Raises ``SiteError`` where the
    folder has no authority that can sign.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    authority, authority_key = _read_authority(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(names[0]), authority.subject, key, days=days)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    for extension, critical in (
        (x509.SubjectAlternativeName([_alternative(name) for name in names]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (issuer, False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    for file, data, mode in (
        (SERVER_KEY, _pem_of_key(key), 0o600),
        (SERVER, _signed(builder, authority_key), 0o644),
    ):
        fresh = folder / f"{file}.new"
        fresh.unlink(missing_ok=True)
        write_new(fresh, data, mode=mode)
        fresh.replace(folder / file)


def certificate_problem(file: Path, *, least_days: int = 30) -> str | None:
    """Return what is wrong with a certificate's time, or soon will be, or None."""
    from cryptography import x509

    try:
        ends = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        return f"the server's certificate {file} cannot be read: {error}"
    left = (ends - datetime.now(timezone.utc)).days
    if left >= least_days:
        return None
    advice = "edgeface site --renew-certificate, then start the site again"
    return f"the server's certificate ends in {left} days, {ends:%Y-%m-%d}: {advice}"


def write_new(file: Path, data: bytes, *, mode: int) -> None:
    """Write a file that was not there, with its mode from the beginning."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)


def _read_authority(folder: Path) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate = x509.load_pem_x509_certificate((folder / AUTHORITY).read_bytes())
        return certificate, load_pem_private_key(read_secret(folder / AUTHORITY_KEY), None)
    except (OSError, ValueError) as error:
        raise SiteError(
            f"no authority in {folder} that could sign ({error}): it needs {AUTHORITY} and "
            f"{AUTHORITY_KEY}, as 'edgeface site --new' makes them"
        ) from error


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, *, days: int
) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # doors' clocks differ
        .not_valid_after(now + timedelta(days=days))
    )


def _signed(builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def _pem_of_key(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _name(text: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _alternative(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
