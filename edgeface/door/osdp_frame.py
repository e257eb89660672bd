"""OSDP frames out of a stream of bytes: only whole, undamaged ones to us reach libosdp.

libosdp, up to 3.2.9 at least, never answers a frame that comes in more than one piece, as on every
real serial line (decision 0031). So frames are put together here, and checked; what is cut off,
damaged, for another device on the line or no command of the standard ends here, too: the last
makes libosdp read from address 0, whoever sends it.
"""

from __future__ import annotations

from collections.abc import Iterator

MARK, START = 0xFF, 0x53
SHORTEST, LONGEST = 7, 256  # bytes, from the start byte to the checksum; libosdp's buffer
_LENGTH_AT, _CONTROL_AT = 2, 4
_NUMBER, _HAS_CRC, _HAS_BLOCK = 0x03, 0x04, 0x08
# IEC 60839-11-5: POLL to CAP, LSTAT to COMSET, BIOREAD to SCRYPT, ACURXSIZE, FILETRANSFER, MFG,
# XWR to GENAUTH, KEEPACTIVE.
COMMANDS = frozenset(
    [*range(0x60, 0x63), *range(0x64, 0x6F), *range(0x73, 0x78), 0x7B, 0x7C, 0x80]
    + [*range(0xA1, 0xA6), 0xA7]
)
_EVERYBODY = 0x7F
_POLYNOMIAL, _FIRST_CRC = 0x1021, 0x1D0F


class Framer:
    """Collects bytes and gives back frames.

    Parameters
    ----------
    address
        Ours on the line, 0 to 126.
    gap_s
        A frame whose next byte does not come within this time is given up, seconds. It is too
        late for an answer then, and another may be answering.
    """

    def __init__(self, *, address: int, gap_s: float = 0.1) -> None:
        self._address, self._gap_s = address, gap_s
        self._buffer = bytearray()
        self._heard_at = 0.0

    def feed(self, data: bytes, *, now: float) -> list[bytes]:
        """Take bytes that came in and return the frames to us that are whole by now.

        Parameters
        ----------
        data
            What came in, maybe nothing.
        now
            Seconds of a monotonic clock.
        """
        if self._buffer and now - self._heard_at > self._gap_s:
            self._buffer.clear()
        if data:
            self._heard_at = now
            self._buffer += data
        return [frame for frame in self._frames() if self._ours(frame)]

    def _frames(self) -> Iterator[bytes]:
        """Take whole and undamaged frames off the buffer; a mark byte before one stays with it."""
        at = 0
        while True:
            at = self._buffer.find(START, at)
            if at < 0:
                del self._buffer[:-1]  # which may be the mark of the next
                return
            marked = at > 0 and self._buffer[at - 1] == MARK
            size = self._size(at)
            if size is None or at + size > len(self._buffer):
                del self._buffer[: at - marked]
                return
            frame = bytes(self._buffer[at : at + size])
            if not whole(frame):
                at += 1  # no start byte, or a frame that was damaged: the next one may be in it
                continue
            del self._buffer[: at + size]
            at = 0
            yield bytes([MARK]) * marked + frame

    def _size(self, at: int) -> int | None:
        """Return how long the frame at a start byte says it is; None when that has not come."""
        if len(self._buffer) < at + _LENGTH_AT + 2:
            return None
        said = int.from_bytes(self._buffer[at + _LENGTH_AT : at + _LENGTH_AT + 2], "little")
        # A length that cannot be is found to be no frame at once, by the bytes that are there.
        return said if SHORTEST <= said <= LONGEST else SHORTEST

    def _ours(self, frame: bytes) -> bool:
        start = int(frame[0] == MARK)
        if frame[start + 1] not in (self._address, _EVERYBODY):  # with the top bit, others' replies
            return False
        return command(frame) in COMMANDS


def sequence(frame: bytes) -> int:
    """Return the number of a whole frame: 0 begins, then 1 to 3; the same again is a repeat."""
    return frame[(frame[0] == MARK) + _CONTROL_AT] & _NUMBER


def command(frame: bytes) -> int | None:
    """Return the command of a whole frame, which is never encrypted; None when it has none."""
    at = (frame[0] == MARK) + _CONTROL_AT + 1
    if frame[at - 1] & _HAS_BLOCK:
        at += frame[at]  # the security block says how long it is
    checked = 2 if frame[(frame[0] == MARK) + _CONTROL_AT] & _HAS_CRC else 1
    return frame[at] if at < len(frame) - checked else None


def whole(frame: bytes) -> bool:
    """Whether bytes from the start byte on are one frame: right length, and its checksum holds."""
    if len(frame) < SHORTEST or frame[0] != START:
        return False
    if int.from_bytes(frame[_LENGTH_AT : _LENGTH_AT + 2], "little") != len(frame):
        return False
    if frame[_CONTROL_AT] & _HAS_CRC:
        return crc(frame[:-2]) == int.from_bytes(frame[-2:], "little")
    return sum(frame) % 256 == 0


def crc(data: bytes) -> int:
    """Return OSDP's CRC-16: polynomial 0x1021, begun with 0x1D0F."""
    value = _FIRST_CRC
    for byte in data:
        value = _TABLE[value >> 8 ^ byte] ^ (value << 8 & 0xFF00)
    return value


def _table_entry(value: int) -> int:
    value <<= 8
    for _ in range(8):
        value = (value << 1 ^ _POLYNOMIAL if value & 0x8000 else value << 1) & 0xFFFF
    return value


_TABLE = tuple(_table_entry(value) for value in range(256))
