"""Requests to the site's server: HTTPS, checked, limited in time and size, no redirects."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Callable

from edgeface.door.webhook_post import Target, connection_to, reason_of, time_limit
from edgeface.errors import DoorError, SiteError, SiteForbiddenError, SiteUnavailableError
from edgeface.schema import JsonError, parse_json
from edgeface.secret_file import read_secret

API = "/api/v1"
ANSWER_LIMIT_BYTES = 256 << 20
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TIMEOUT_S = 10.0
_WHOLE_S = 100.0  # for everybody at once over a slow line; less than the agent's WatchdogSec
_BLOCK_BYTES = 1 << 16
_TRY_AGAIN = (408, 425, 429)
# What a connection that was kept says when the other side has given it up meanwhile.
_GIVEN_UP = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


class SiteLink:
    """A kept connection to the site, for one thread; `cut` may come from any.

    Every request raises ``SiteUnavailableError`` where there is no answer (try again later),
    ``SiteForbiddenError`` where the site does not know this door's token, and ``SiteError`` with
    the site's own text where it refuses.

    Parameters
    ----------
    url
        The site's, as https://site.example:8443; http:// on this machine alone.
    ca_file
        PEM file of who signed its certificate; None: the system's.
    token
        Returns the door's token; asked for every request, since it may be renewed.

    Raises
    ------
    SiteError
        The URL or the CA file cannot be used.
    """

    def __init__(self, url: str, *, ca_file: Path | None, token: Callable[[], str]) -> None:
        try:
            self._target = Target.of(
                url, timeout_s=_TIMEOUT_S, ca_file=ca_file, allow_plain_http=_is_loopback(url)
            )
        except DoorError as error:
            raise SiteError(f"site: {error}") from error
        self._prefix = self._target.path.rstrip("/") + API
        self._token = token
        self._connection: http.client.HTTPConnection | None = None
        self._cuts = 0

    def get(self, path: str, *, wait_s: float = 0.0) -> bytes:
        """Return the answer to a GET below /api/v1, which may begin `wait_s` seconds later."""
        times = {"timeout_s": _WHOLE_S + wait_s, "silence_s": _TIMEOUT_S + wait_s}
        with self.opened("GET", path, **times) as response:
            return _read(response, ANSWER_LIMIT_BYTES)

    def post(self, path: str, body: bytes, *, content_type: str = "application/json") -> bytes:
        """Return the answer to a POST below /api/v1."""
        headers = {"Content-Type": content_type}
        with self.opened("POST", path, body=body, headers=headers) as response:
            return _read(response, ANSWER_LIMIT_BYTES)

    @contextmanager
    def opened(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = _TIMEOUT_S,
        silence_s: float | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request and lend the answer, of status 2xx, to be read within the time.

        It is given up sooner where nothing comes for `silence_s`.
        """
        try:
            sent = {**(headers or {}), "Authorization": f"Bearer {self._token()}"}
            with ExitStack() as limits:
                request = (method, self._prefix + path, body, sent)
                response = self._answer(request, (timeout_s, silence_s or timeout_s), limits)
                _require_success(response)
                yield response
                if response.will_close or not response.isclosed():
                    self.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise SiteUnavailableError(reason_of(error, self._target)) from error
        except BaseException:
            self.close()
            raise

    def cut(self) -> None:
        """End the request at hand, from another thread; it raises ``SiteUnavailableError``."""
        self._cuts += 1
        connection = self._connection
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:  # it ended by itself meanwhile
                return

    def close(self) -> None:
        """Close the connection; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answer(
        self, request: tuple, times: tuple[float, float], limits: ExitStack
    ) -> http.client.HTTPResponse:
        kept, cuts = self._connection is not None, self._cuts
        try:
            return self._ask(request, times, limits)
        except _GIVEN_UP:
            self.close()
            if not kept or self._cuts != cuts:
                raise
            return self._ask(request, times, limits)

    def _ask(
        self, request: tuple, times: tuple[float, float], limits: ExitStack
    ) -> http.client.HTTPResponse:
        (method, path, body, headers), (timeout_s, silence_s) = request, times
        if self._connection is None:
            connection = connection_to(self._target)
            connection.connect()
            self._connection = connection
        self._connection.sock.settimeout(silence_s)
        limits.enter_context(time_limit(self._connection.sock, timeout_s))
        self._connection.request(method, path, body=body, headers=headers)
        return self._connection.getresponse()


def read_token(path: Path) -> str:
    """Return the token in a file that nobody else may read.

    Raises
    ------
    SiteError
        It cannot be read, others may read it, or it holds no token.
    """
    try:
        text = read_secret(path).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise SiteError(f"token_file: {error}") from error
    if not text or not text.isprintable() or " " in text:
        raise SiteError(f"token_file {path} holds no token: edgeface site --add-door prints one")
    return text


def _is_loopback(url: str) -> bool:
    host = url.partition("://")[2].rpartition("@")[2]
    return any(host == name or host.startswith((f"{name}:", f"{name}/")) for name in _LOOPBACK)


def _require_success(response: http.client.HTTPResponse) -> None:
    if 200 <= response.status < 300:
        return
    text = _refusal(_read(response, 1 << 20)) or response.reason
    told = f"the site answers {response.status}: {text}"
    if response.status in (401, 403):
        raise SiteForbiddenError(told)
    if response.status >= 500 or response.status in _TRY_AGAIN:
        raise SiteUnavailableError(told)
    raise SiteError(told)  # a redirect too: a site is where agent.toml says


def _refusal(body: bytes) -> str:
    try:
        text = parse_json(body)["text"]
    except (JsonError, TypeError, KeyError):
        return ""
    return text[:500] if isinstance(text, str) else ""


def _read(response: http.client.HTTPResponse, limit_bytes: int) -> bytes:
    data = bytearray()
    for block in iter(lambda: response.read(_BLOCK_BYTES), b""):
        data += block
        if len(data) > limit_bytes:
            raise SiteUnavailableError(f"the site's answer has more than {limit_bytes} bytes")
    if response.length:  # http.client says nothing of it where it is asked for parts
        raise SiteUnavailableError(f"the site's answer ended {response.length} bytes too early")
    return bytes(data)
