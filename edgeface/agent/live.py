"""The door's live picture, to the site: only while an operator has asked for it, for a stated time.

The door writes into its own log when this begins and ends (`edgeface.door.window`).
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Callable

from edgeface.agent.link import SiteLink
from edgeface.agent.part import Part
from edgeface.door.window import LENGTHS
from edgeface.errors import SiteError, SiteForbiddenError
from edgeface.gallery_person import to_datetime
from edgeface.site.wire import LOOK_HEADER

PER_S = 5.0
_TIMEOUT_S = 5.0  # of the window, which sends a picture as soon as the door sees one
_AGAIN_S = 1.0
_LIMIT_BYTES = 1 << 24


class LiveView(Part):
    """Reads pictures from the door's window and hands them on, until the time is over.

    Parameters
    ----------
    window
        The door's socket.
    post
        Called in a thread with a JPEG and what the door saw in it, as JSON holds it: `poster`.
        Raises `SiteForbiddenError` when nobody wants to see it any more, and another `SiteError`
        when it did not get through.
    per_s
        Pictures a second.
    """

    name = "live"

    def __init__(
        self,
        window: Path,
        *,
        post: Callable[[bytes, Mapping[str, Any]], None],
        per_s: float = PER_S,
    ) -> None:
        self._window, self._post, self._per_s = window, post, per_s
        self._changed = threading.Condition()
        self._until = 0.0
        self._closing = False
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._run, name="edgeface live", daemon=True)

    def start(self) -> None:
        """Begin; nothing is sent before the site asks for it."""
        self._thread.start()

    def take(self, answer: Mapping[str, Any]) -> None:
        """Hear until when somebody wants to see (``live_until``), and the site's time (``now``).

        It ends by itself then, by this board's monotonic clock, whatever the wall clocks say.
        """
        until, now = answer["live_until"], answer["now"]
        left_s = 0.0
        if until is not None and now is not None:
            left_s = (to_datetime(until) - to_datetime(now)).total_seconds()
        with self._changed:
            self._until = time.monotonic() + max(left_s, 0.0)
            self._changed.notify_all()

    def problem(self) -> str | None:
        """Return why pictures that are wanted do not get through, or None."""
        return self._problem if self._wanted() else None

    def close(self) -> None:
        """End, when the picture at hand is through; a second waits. Closing twice is harmless."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _wanted(self) -> bool:
        return not self._closing and time.monotonic() < self._until

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._wanted())
                if self._closing:
                    return
            try:
                self._hand_on()
            except SiteForbiddenError as error:
                self._problem = str(error)
                with self._changed:
                    self._until = 0.0  # until the site says otherwise
            except (OSError, EOFError, ValueError, SiteError) as error:
                self._problem = f"{type(error).__name__}: {error}"
                with self._changed:
                    self._changed.wait_for(lambda: not self._wanted(), _AGAIN_S)

    def _hand_on(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.settimeout(_TIMEOUT_S)
            door.connect(str(self._window))
            request = {"want": "pictures", "per_s": self._per_s, "by": "site"}
            door.sendall(json.dumps(request).encode("ascii") + b"\n")
            for look, jpeg in _pictures(door):
                if not self._wanted():
                    return
                self._post(jpeg, look)
                self._problem = None


def poster(link: SiteLink) -> Callable[[bytes, Mapping[str, Any]], None]:
    """Return what posts a picture to the site, by a link of its own."""

    def post(jpeg: bytes, look: Mapping[str, Any]) -> None:
        headers = {"Content-Type": "image/jpeg", LOOK_HEADER: json.dumps(look)}
        with link.opened("POST", "/door/live", body=jpeg, headers=headers) as answer:
            answer.read()

    return post


def _pictures(door: socket.socket) -> Iterator[tuple[dict[str, Any], bytes]]:
    while True:
        look, jpeg = LENGTHS.unpack(_read(door, LENGTHS.size))
        if max(look, jpeg) > _LIMIT_BYTES:
            raise ValueError(f"a picture of {max(look, jpeg)} bytes from the door's window")
        yield json.loads(_read(door, look)), _read(door, jpeg)


def _read(door: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        more = door.recv(size - len(found))
        if not more:
            raise EOFError("the door's window was closed")
        found += more
    return bytes(found)
