"""A camera on HTTP, as many are: multipart JPEG over a real socket, with faults on demand."""

from __future__ import annotations

import socket
import threading
from functools import lru_cache
from typing import Callable

import cv2

from tests.door.videos import moving_pictures

_HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"


class MjpegServer:
    """Sends what `picture(n)` returns, `fps` times a second, to whoever connects.

    `unplug` cuts all connections and refuses new ones until `plug`; `mute` keeps them open in
    silence.
    """

    def __init__(self, *, fps: float = 25.0, picture: Callable[[int], bytes] | None = None) -> None:
        self.fps = fps
        self.picture = picture or jpegs()
        self.mute = threading.Event()
        self.connections = 0
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.plug()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/stream.mjpg"

    def plug(self) -> None:
        """Listen, on the same port as before."""
        listener = socket.create_server(("127.0.0.1", self.port), backlog=8)
        self.port, self._listener = listener.getsockname()[1], listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def unplug(self) -> None:
        """Cut the cable."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the client was quicker
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            self._open.append(connection)
            self.connections += 1
            threading.Thread(target=self._send, args=(connection,), daemon=True).start()

    def _send(self, connection: socket.socket) -> None:
        pace, count = threading.Event(), 0
        try:
            if not self.mute.is_set():
                connection.sendall(_HEAD)
            while self._listener is not None:
                if not self.mute.is_set():
                    connection.sendall(_part(self.picture(count)))
                    count += 1
                pace.wait(1 / self.fps)
        except OSError:
            pass  # the client went away
        finally:
            connection.close()

    def __enter__(self) -> MjpegServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()


def _part(data: bytes) -> bytes:
    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data + b"\r\n"


@lru_cache
def jpegs(count: int = 50, *, seed: int = 0) -> Callable[[int], bytes]:
    """Return moving pictures as JPEG, over and over."""
    encoded = [cv2.imencode(".jpg", p)[1].tobytes() for p in moving_pictures(count, seed=seed)]
    return lambda number: encoded[number % len(encoded)]
