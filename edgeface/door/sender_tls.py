"""TLS towards servers and brokers: their certificate and name are checked, always."""

from __future__ import annotations

import ssl
from pathlib import Path

from edgeface.errors import DoorError


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a client's context that checks the server's name and who signed it; a DoorError."""
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise DoorError(
            f"ca_file {ca_file}: {error}; expected a PEM file with the certificates of who may "
            "sign the server"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
