"""How the client of a site's API speaks HTTP: one connection, JSON, errors as exceptions."""

from __future__ import annotations

import http.client
import json
import os
import selectors
import ssl
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from edgeface.errors import (
    SiteConflictError,
    SiteError,
    SiteForbiddenError,
    SiteUnavailableError,
    UnknownEntryError,
)

_API = "/api/v1"
_ERRORS = {
    401: SiteForbiddenError,
    403: SiteForbiddenError,
    404: UnknownEntryError,
    409: SiteConflictError,
    412: SiteConflictError,
    429: SiteUnavailableError,
}
_LINE_BYTES = 1 << 20


class Link:
    """A connection to a site's API, opened when it is needed and anew after it broke."""

    def __init__(
        self, url: str, *, token: str, ca_file: str | os.PathLike[str] | None, timeout_s: float
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.username:
            raise ValueError(f"url is {url!r}; expected https://host:port, without a password")
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._place: dict[str, Any] = {
            "host": parts.hostname,
            "port": parts.port or 443,
            "timeout": timeout_s,
            "context": context,
        }
        self._token = token
        self._connection = self._new_connection()

    def get(self, path: str, wanted: Mapping[str, Any] | None = None) -> Any:
        """Return what is at a path; what is None of `wanted` is left out."""
        return self.ask("GET", path + _query(wanted or {}))

    def send(
        self, method: str, path: str, body: Any, *, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Send JSON and return the answer."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self.ask(method, path, json.dumps(body).encode("utf-8"), headers=sent)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request and return the answer's JSON, or None where it has none."""
        if _given_up(self._connection):
            self._connection.close()
        try:
            content = self._answer(self._connection, method, path, body, headers or {}).read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next request opens it anew
            raise SiteUnavailableError(f"the site does not answer: {error}") from error
        return json.loads(content) if content else None

    def follow(self, path: str, wanted: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the JSON of server-sent events, over a connection of its own."""
        connection = self._new_connection()
        try:
            answer = self._answer(connection, "GET", path + _query(wanted), None, {})
            while line := answer.readline(_LINE_BYTES):
                if line.startswith(b"data:"):
                    yield json.loads(line[len(b"data:") :])
        except (OSError, http.client.HTTPException) as error:
            raise SiteUnavailableError(f"the stream ended: {error}") from error
        finally:
            connection.close()
        raise SiteUnavailableError("the site ended the stream")

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        self._connection.close()

    def _answer(
        self,
        connection: http.client.HTTPSConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        sent = {"Authorization": f"Bearer {self._token}", **headers}
        connection.request(method, _API + path, body=body, headers=sent)
        answer = connection.getresponse()
        if answer.status >= 300:
            raise _error(answer.status, answer.read())
        return answer

    def _new_connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(**self._place)


def form_of(fields: Mapping[str, str], photos: Sequence[bytes]) -> tuple[bytes, str]:
    """Return a multipart form's body and its content type."""
    boundary = uuid.uuid4().hex
    parts = [(f'name="{name}"', value.encode("utf-8")) for name, value in fields.items()]
    parts += [(f'name="photos"; filename="{number}"', data) for number, data in enumerate(photos)]
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n"
        for head, data in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _given_up(connection: http.client.HTTPSConnection) -> bool:
    """Whether the site ended an idle connection: there is something to read, and nobody asked.

    Looking beforehand sends nothing twice, as trying again would.
    """
    if connection.sock is None:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(timeout=0))


def part(text: str) -> str:
    """Return a text as one part of a path."""
    return quote(text, safe="")


def _error(status: int, content: bytes) -> SiteError:
    kind = _ERRORS.get(status, SiteUnavailableError if status >= 500 else SiteError)
    try:
        text = json.loads(content)["text"]
    except (ValueError, KeyError, TypeError):
        text = "no answer of a site: is the address right?"
    return kind(f"{status}: {text}")


def _query(wanted: Mapping[str, Any]) -> str:
    given = {key: str(value) for key, value in wanted.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
