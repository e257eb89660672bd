"""A TCP proxy that can hold back what it carries, as a network does that stalls."""

from __future__ import annotations

import socket
import threading
import time


class Proxy:
    """Carries connections to a port of this machine."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._until = 0.0
        self._broken = False
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self, seconds: float) -> None:
        """Carry nothing for so long, then all of it at once."""
        self._until = time.monotonic() + seconds

    def cut(self) -> None:
        """Break every connection, and let no other through until `mend`."""
        self._broken = True
        for end in self._sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:  # it ended by itself
                pass

    def mend(self) -> None:
        """Undo `cut`."""
        self._broken = False

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            if self._broken:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while True:
                data = source.recv(1 << 16)
                time.sleep(max(0.0, self._until - time.monotonic()))
                if not data:
                    break
                sink.sendall(data)
        except OSError:
            pass  # one side went away
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._sockets:
            end.close()
