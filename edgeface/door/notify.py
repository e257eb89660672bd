"""What systemd is told: ready, alive, stopping. Without systemd, nothing happens.

The protocol is sd_notify(3): datagrams to the socket that NOTIFY_SOCKET names. The door calls
`Notifier.alive` only after a whole healthy turn of its loop, so that a hung door is restarted.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Callable

_STATUS_LIMIT = 200


class Notifier:
    """Tells the service manager how the door is. Use it as a context manager, or `close` it.

    Parameters
    ----------
    address
        Socket of the service manager: a path, or ``@name`` for an abstract one. None: no manager.
    watchdog_s
        The manager ends this process when it hears nothing for so long, seconds; None: it waits.
    clock
        Monotonic seconds.

    Attributes
    ----------
    watchdog_s
        As given.
    """

    def __init__(
        self,
        address: str | None,
        *,
        watchdog_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.watchdog_s = watchdog_s
        self._clock = clock
        self._alive_at: float | None = None
        self._status = ""
        self._address = f"\0{address[1:]}" if address and address[0] == "@" else address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_UNIX, kind) if address else None

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str] = os.environ,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> Notifier:
        """Return what NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID ask of this process."""
        microseconds = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watched = ours and microseconds.isdecimal() and int(microseconds) > 0
        return cls(
            environment.get("NOTIFY_SOCKET") or None,
            watchdog_s=int(microseconds) / 1e6 if watched else None,
            clock=clock,
        )

    def ready(self, status: str = "") -> None:
        """Say that the door works: what waits for it may start."""
        self._send("READY=1", *self._changed(status))

    def alive(self, status: str = "") -> None:
        """Say that a whole turn of the loop went well; call it every turn.

        Sent four times per watchdog period, and when the status changed. Nothing is sent without
        a watchdog and a new status.
        """
        at = self._clock()
        beat = ()
        if self.watchdog_s is not None and (
            self._alive_at is None or at - self._alive_at >= self.watchdog_s / 4
        ):
            self._alive_at = at
            beat = ("WATCHDOG=1",)
        self._send(*beat, *self._changed(status))

    def stopping(self, status: str = "") -> None:
        """Say that the door is ending because it was asked to."""
        self._send("STOPPING=1", *self._changed(status))

    def close(self) -> None:
        """Close the socket; closing twice is harmless."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Notifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _changed(self, status: str) -> tuple[str, ...]:
        line = " ".join(status.split())[:_STATUS_LIMIT]
        if not line or line == self._status:
            return ()
        self._status = line
        return (f"STATUS={line}",)

    def _send(self, *lines: str) -> None:
        if self._socket is None or not lines:
            return
        try:
            self._socket.sendto("\n".join(lines).encode("utf-8"), self._address)
        except OSError:
            # A manager that is gone or busy must not stop the door: if it stays deaf, its own
            # watchdog acts. What it missed is said again.
            self._alive_at, self._status = None, ""
