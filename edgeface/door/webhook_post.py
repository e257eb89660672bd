"""One HTTP POST with one time limit for all of it, and no redirects."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edgeface.door.sender_queue import DeliveryError
from edgeface.door.sender_settings import require_host
from edgeface.door.sender_tls import tls_context
from edgeface.door.webhook_signature import (
    EVENT_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    signature_of,
)
from edgeface.errors import DoorError

_AGAIN = (408, 425, 429)  # and 5xx: the server asks to try later


@dataclass(frozen=True)
class Target:
    """Where a webhook goes to.

    Attributes
    ----------
    host, port, path
        Of the URL; the path with its query.
    tls
        How the server is checked; None is plain HTTP.
    timeout_s
        For one request, seconds.
    """

    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None
    timeout_s: float

    @classmethod
    def of(
        cls,
        url: str,
        *,
        timeout_s: float = 5.0,
        ca_file: Path | None = None,
        allow_plain_http: bool = False,
    ) -> Target:
        """Return the target of a URL; a DoorError says what is wrong with it."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise DoorError(f"url {url!r}: {error}; expected https://host/path") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise DoorError(f"url {url!r}: expected https://host/path, without user or password")
        require_host(parts.hostname, what="url: host")
        plain = parts.scheme == "http"
        if plain and not allow_plain_http:
            raise DoorError(
                f"url {url!r} is not encrypted: use https://, or say allow_plain_http = true "
                "where nobody else is on the network"
            )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        tls = None if plain else tls_context(ca_file)
        return cls(parts.hostname, port or (80 if plain else 443), path, tls, timeout_s)


def post(target: Target, body: bytes, *, headers: Mapping[str, str]) -> int:
    """Send one request and return the answer's status; what follows it is not read.

    Raises
    ------
    DeliveryError
        No answer: refused, not trusted, cut off, or not within the time; try again.
    """
    with closing(connection_to(target)) as connection:
        try:
            connection.connect()
            with time_limit(connection.sock, target.timeout_s):
                connection.request("POST", target.path, body=body, headers=dict(headers))
                return connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(reason_of(error, target), again=True) from error


def deliver(
    target: Target, body: bytes, *, event_id: str, secret: bytes, now: float | None = None
) -> None:
    """Send one event, signed, and return when the server has taken it.

    Parameters
    ----------
    event_id
        The same when one is sent again.
    secret
        Signs it.
    now
        Seconds since 1970 of this try: a late one is not a replay. None: now.

    Raises
    ------
    DeliveryError
        The server did not take it; whether trying again may help.
    """
    timestamp = str(int(time.time() if now is None else now))
    headers = {
        "Content-Type": "application/json",
        EVENT_HEADER: event_id,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: signature_of(body, timestamp=timestamp, secret=secret),
    }
    status = post(target, body, headers=headers)
    if 200 <= status < 300:
        return
    if status in _AGAIN or status >= 500:
        raise DeliveryError(f"the server answered {status}", again=True)
    hint = "; redirects are not followed" if 300 <= status < 400 else ""
    raise DeliveryError(f"the server refused an event with {status}{hint}", again=False)


def connection_to(target: Target) -> http.client.HTTPConnection:
    """Return a connection that is not open yet; its certificate is checked when it opens."""
    if target.tls is None:
        return http.client.HTTPConnection(target.host, target.port, timeout=target.timeout_s)
    return http.client.HTTPSConnection(
        target.host, target.port, timeout=target.timeout_s, context=target.tls
    )


@contextmanager
def time_limit(connection: socket.socket, limit_s: float) -> Iterator[None]:
    """Cut the connection after a time, also from a server that sends a byte now and then."""

    def cut() -> None:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # it ended by itself meanwhile
            return

    timer = threading.Timer(limit_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def reason_of(error: Exception, target: Target) -> str:
    """Say why there was no answer, for people."""
    place = f"{target.host}:{target.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{place}: its certificate is not trusted: {error.verify_message}; see ca_file"
    if isinstance(error, (TimeoutError, socket.timeout)):  # one and the same since Python 3.10
        return f"{place}: no answer within {target.timeout_s:g} s"
    return f"{place}: no answer: {type(error).__name__}: {error}"
