"""A window into the running door for programs on this board: how it is, and what it sees.

A local socket (docs/site-events.md has its protocol). Pictures are encoded only while somebody
watches, the newest alone, with nothing drawn in them; that somebody watches is in the log before
the first picture is handed out.
"""

from __future__ import annotations

import json
import os
import queue
import select
import socket
import stat
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np

from edgeface.errors import DoorError
from edgeface.schema import JsonError, first_problem, parse_json

SETTINGS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["socket"],
    "properties": {
        "socket": {
            "type": "string",
            "minLength": 1,
            "maxLength": 100,
            "description": "where programs of this user or group may ask how the door is, and see "
            "what it sees; relative to door.toml",
        },
    },
}
LENGTHS = struct.Struct(">II")
"""Before each picture: bytes of its JSON, bytes of its JPEG."""

_REQUEST = {
    "type": "object",
    "additionalProperties": False,
    "required": ["want"],
    "properties": {
        "want": {"enum": ["status", "pictures"]},
        "per_s": {"type": "number", "minimum": 0.1, "maximum": 15},
        "by": {"type": "string", "minLength": 1, "maxLength": 100},
    },
}
_MODE = 0o660
_CLIENTS = 8
_LINE_BYTES = 4096
_PATIENCE_S = 2.0  # with who connects and asks nothing, or does not read
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 80]


@dataclass(frozen=True, eq=False)
class Picture:
    """What the door saw: (height, width, 3) uint8 BGR, and what it made of it, for JSON."""

    image: np.ndarray
    look: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Watching:
    """Somebody begins or ends to watch. The door logs it, and then lets them (`allow`)."""

    begins: bool
    by: str
    _allowed: threading.Event = field(default_factory=threading.Event, repr=False)

    def allow(self) -> None:
        """Let them see: it is in the log."""
        self._allowed.set()

    def wait(self, timeout_s: float) -> bool:
        """Return whether they may see, as soon as that is known."""
        return self._allowed.wait(timeout_s)


class Window:
    """The socket and its threads. `close` it, or use it as a context manager.

    Parameters
    ----------
    path
        Of the socket; one that nobody listens at is replaced.
    status
        Called in a thread of the window for what the door says of itself.

    Raises
    ------
    DoorError
        It cannot be made there, or another door listens.
    """

    def __init__(self, path: Path, *, status: Callable[[], Mapping[str, Any]] = lambda: {}) -> None:
        self.status = status
        self._path = path
        self._changed = threading.Condition()
        self._newest: Picture | None = None
        self._number = self._watchers = 0
        self._news: queue.SimpleQueue[Watching] = queue.SimpleQueue()
        self._clients: set[socket.socket] = set()
        self._closing = False
        self._listener = _listen(path)
        self._thread = threading.Thread(target=self._accept, name="door window", daemon=True)
        self._thread.start()

    @property
    def watched(self) -> bool:
        """Whether pictures are wanted."""
        return self._watchers > 0

    def show(self, picture: Picture) -> None:
        """Let those who watch see this; what none has taken yet is replaced. Returns at once."""
        with self._changed:
            self._newest, self._number = picture, self._number + 1
            self._changed.notify_all()

    def news(self) -> tuple[Watching, ...]:
        """Return who began or ended to watch since the last call."""
        found = []
        while not self._news.empty():
            found.append(self._news.get_nowait())
        return tuple(found)

    def close(self) -> None:
        """End, and send everybody away; closing twice is harmless."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
            clients = tuple(self._clients)
            self._changed.notify_all()
        for connection in (self._listener, *clients):
            _shut(connection)
        self._thread.join()
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closing, or no handle left: the next try shows
                time.sleep(0.05)
                continue
            with self._changed:
                if self._closing or len(self._clients) >= _CLIENTS:
                    client.close()
                    continue
                self._clients.add(client)
            threading.Thread(
                target=self._serve, args=(client,), name="door window client", daemon=True
            ).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            client.settimeout(_PATIENCE_S)
            self._answer(client)
        except (OSError, JsonError):
            pass  # they went, or are no program of ours
        finally:
            with self._changed:
                self._clients.discard(client)
            client.close()

    def _answer(self, client: socket.socket) -> None:
        request = parse_json(_line(client))
        problem = first_problem(request, _REQUEST)
        if problem:
            client.sendall(json.dumps({"error": problem}).encode("ascii") + b"\n")
        elif request["want"] == "status":
            client.sendall(json.dumps(dict(self.status())).encode("ascii") + b"\n")
        else:
            self._send_pictures(client, request)

    def _send_pictures(self, client: socket.socket, request: Mapping[str, Any]) -> None:
        begins = Watching(True, request.get("by", "somebody at this board"))
        self._news.put(begins)
        try:
            # Else the door hangs, or its log cannot be written.
            if begins.wait(_PATIENCE_S):
                self._show_to(client, pause_s=1.0 / request.get("per_s", 5.0))
        finally:
            self._news.put(Watching(False, begins.by))

    def _show_to(self, client: socket.socket, *, pause_s: float) -> None:
        with self._changed:
            self._watchers += 1
        try:
            self._stream(client, pause_s=pause_s)
        finally:
            with self._changed:
                self._watchers -= 1
                if not self._watchers:
                    self._newest = None

    def _stream(self, client: socket.socket, *, pause_s: float) -> None:
        number = 0
        while True:
            began = time.monotonic()
            number, picture = self._newer(number)
            if self._closing or not _is_there(client):
                return
            if picture is not None:
                client.sendall(_encoded(picture))
            with self._changed:
                left_s = pause_s - (time.monotonic() - began)
                self._changed.wait_for(lambda: self._closing, max(left_s, 0.0))

    def _newer(self, number: int) -> tuple[int, Picture | None]:
        """Wait a while for another picture than the one of a number."""
        with self._changed:
            newer = self._changed.wait_for(
                lambda: self._closing or (self._newest is not None and self._number > number), 0.5
            )
            return self._number, self._newest if newer else None


def window_of(table: Mapping[str, Any], *, base: Path) -> Window:
    """Open the window that table [window] of door.toml says; as `Window`."""
    return Window(base / table["socket"])


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists():
            _take_away(path)
        listener.bind(str(path))
        os.chmod(path, _MODE)
        listener.listen(_CLIENTS)
    except OSError as error:
        listener.close()
        raise DoorError(
            f"[window] socket {path}: {error.strerror or error}; give a path in a folder that the "
            "door may write"
        ) from error
    except DoorError:
        listener.close()
        raise
    return listener


def _take_away(path: Path) -> None:
    """Remove a socket that a door left behind when it was killed."""
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise DoorError(f"[window] socket {path} is a file: remove it, or give another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise DoorError(f"[window] socket {path}: another door listens there; give each its own")


def _line(client: socket.socket) -> bytes:
    found = b""
    while b"\n" not in found and len(found) < _LINE_BYTES:
        more = client.recv(_LINE_BYTES)
        if not more:
            break
        found += more
    return found.partition(b"\n")[0]


def _encoded(picture: Picture) -> bytes:
    _, jpeg = cv2.imencode(".jpg", picture.image, _QUALITY)
    look = json.dumps(dict(picture.look)).encode("ascii")
    return LENGTHS.pack(len(look), len(jpeg)) + look + jpeg.tobytes()


def _is_there(client: socket.socket) -> bool:
    look = select.poll()
    look.register(client, select.POLLIN)
    return not look.poll(0) or client.recv(1, socket.MSG_PEEK) != b""


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it went by itself
