"""The serial line to a panel: raw bytes, never waiting, never raising once it is open."""

from __future__ import annotations

import fcntl
import os
import termios
import tty
from collections import deque
from collections.abc import Callable
from pathlib import Path

from edgeface.door.osdp_frame import Framer, sequence
from edgeface.errors import ActuatorError

BAUD_RATES = (9600, 19200, 38400, 57600, 115200, 230400)
_CHUNK_BYTES = 4096


class SerialLine:
    """A serial device, opened for OSDP: 8 data bits, no parity, one stop bit.

    libosdp calls `read`, `write` and `flush`, and an exception in those would end the process, so
    they note what went wrong in `broken` and say that there is nothing. It reads whole frames
    only, which `gather` puts together; a frame that the panel repeats, because our answer was
    lost, is answered here, by the same bytes: libosdp would give up the secure channel.

    Attributes
    ----------
    handle
        The file descriptor, to wait for bytes with.
    broken
        What went wrong with the device, or None.
    answered_at
        When something was last written, which only ever answers a valid message of the panel to
        us; seconds of the clock, None before.

    Raises
    ------
    ActuatorError
        There is no such device, it is no serial line, or somebody else has it.
    """

    id = 0  # libosdp asks for it

    def __init__(self, path: Path, *, baud: int, address: int, clock: Callable[[], float]) -> None:
        self.broken: str | None = None
        self.answered_at: float | None = None
        self._clock, self._framer = clock, Framer(address=address)
        self._frames: deque[bytes] = deque()
        self._frame = self._answer = self._rest = b""
        try:
            self.handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise ActuatorError(
                f"cannot open {path}: {error.strerror}; check device, and that the door's user is "
                "in the group that owns it (dialout)"
            ) from error
        try:
            _configure(self.handle, baud)
        except (OSError, termios.error) as error:
            os.close(self.handle)
            raise ActuatorError(
                f"{path} cannot be used as a serial line of {baud} baud: {error}; check device and "
                "that nobody else uses it"
            ) from error

    def gather(self) -> bool:
        """Take what came in, and say whether there is a frame for `read`."""
        try:
            data = os.read(self.handle, _CHUNK_BYTES)
            if not data:
                self.broken = "the device was unplugged"
        except BlockingIOError:
            data = b""
        except OSError as error:
            self.broken, data = _failure(error), b""
        self._frames += self._framer.feed(data, now=self._clock())
        while not self._rest and self._frames:
            frame = self._frames.popleft()
            if frame == self._frame and self._answer and sequence(frame):
                self._send(self._answer)
            else:
                self._frame = self._rest = frame
                self._answer = b""
        return bool(self._rest)

    def read(self, most: int) -> bytes:
        """Return the frame that `gather` found, at most so many bytes at a time."""
        data, self._rest = self._rest[:most], self._rest[most:]
        return data

    def write(self, data: bytes) -> int:
        """Send bytes and return how many were taken."""
        taken = self._send(data)
        self._answer += data[:taken]
        return taken

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Give the device back; it is not used after that."""
        os.close(self.handle)

    def _send(self, data: bytes) -> int:
        try:
            taken = os.write(self.handle, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self.broken = _failure(error)
            return 0
        self.answered_at = self._clock()
        return taken


def _failure(error: OSError) -> str:
    return f"the device failed: {error.strerror or error}"


def _configure(handle: int, baud: int) -> None:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two doors on one line answer each other
    tty.setraw(handle, termios.TCSANOW)
    attributes = termios.tcgetattr(handle)
    attributes[2] |= termios.CLOCAL | termios.CREAD
    attributes[2] &= ~(termios.CSTOPB | termios.PARENB)
    attributes[4] = attributes[5] = getattr(termios, f"B{baud}")
    # At least one byte, so that nothing at all means unplugged; waiting is off by O_NONBLOCK.
    attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 1, 0
    termios.tcsetattr(handle, termios.TCSANOW, attributes)
    termios.tcflush(handle, termios.TCIOFLUSH)
