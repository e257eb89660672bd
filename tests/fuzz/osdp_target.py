"""What comes in over a panel's line: OSDP frames, through our framer and into libosdp."""

from __future__ import annotations

from functools import cache

from edgeface.door.event import Card
from edgeface.door.osdp_frame import LONGEST, MARK, START, Framer, crc, whole
from edgeface.door.osdp_process import MemoryLine
from edgeface.door.osdp_session import PanelSession
from edgeface.errors import ActuatorError

KEY = bytes.fromhex("00112233445566778899aabbccddeeff")
_REPLY_RAW = 0x50  # a card
_COMMANDS = bytes([0x60, 0x61, 0x62, 0x64, 0x69, 0x6A, 0x75, 0x76, 0x77, 0x80, 0xA3])


def frame_of(control: int, payload: bytes, *, address: int = 0) -> bytes:
    """A whole frame of a control byte and what follows it."""
    size = 5 + len(payload) + (2 if control & 4 else 1)
    start = bytes([START, address]) + size.to_bytes(2, "little") + bytes([control]) + payload
    if control & 4:
        return start + crc(start).to_bytes(2, "little")
    return start + bytes([-sum(start) % 256])


_BEGINNING = frame_of(4, bytes([0x61, 0]))


def osdp_seeds() -> tuple[bytes, ...]:
    """Frames one after the other; and for libosdp, lengths with control bytes and commands."""
    polls = b"".join(bytes([MARK]) + frame_of(4 + n, bytes([0x60])) for n in (0, 1, 2, 3, 1))
    challenge = frame_of(4 | 8, bytes([3, 0x11, 1, 0x76]) + bytes(range(8)))
    commands = b"".join(bytes([len(_COMMANDS), 4 + n, code, 0]) for n, code in enumerate(_COMMANDS))
    lamp = bytes([16, 5, 0x69, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 2, 0])
    return polls, challenge, frame_of(0, b"\x61\x00"), commands, lamp, b"\xff\x53" * 40


def check_osdp(data: bytes) -> None:
    """Frames do not depend on how the bytes arrive, and nothing makes the door send a card."""
    frames = Framer(address=0).feed(data, now=0.0)
    single = Framer(address=0)
    pieces = [frame for byte in data for frame in single.feed(bytes([byte]), now=0.0)]
    assert pieces == frames
    assert all(whole(frame[frame[0] == MARK :]) and len(frame) <= LONGEST + 1 for frame in frames)
    _feed(frames)
    _feed(Framer(address=0).feed(b"".join(_made_valid(data)), now=0.0))


def _made_valid(data: bytes) -> list[bytes]:
    """Bytes as frames whose length and checksum hold: length, control byte, payload, and so on."""
    frames = []
    while len(data) > 2 and len(frames) < 40:
        size = 1 + data[0] % 120
        frames.append(frame_of(data[1] & 0x0F, data[2 : 2 + size]))
        data = data[2 + size :]
    return frames


@cache
def _opened() -> tuple[PanelSession, MemoryLine, list[bool]]:
    """One session for all inputs, since libosdp keeps 3 kB of each one for ever."""
    line, sent = MemoryLine(), []
    session = PanelSession(
        line, address=0, key=KEY, take_key=None, on_signal=lambda _: None, on_sent=sent.append
    )
    return session, line, sent


def _feed(frames: list[bytes]) -> None:
    session, line, sent = _opened()
    session.forget()
    session.send_card(Card(17, 4242), bits=26)
    answers = []
    for frame in [_BEGINNING, *frames]:
        line.frame, line.answer = frame, b""
        try:
            session.refresh()
        except ActuatorError:
            continue
        answers += [line.answer] * bool(line.answer)
    assert not session.secure and True not in sent
    sent.clear()
    assert not any(_REPLY_RAW == answer[_command_at(answer)] for answer in answers)


def _command_at(answer: bytes) -> int:
    start = int(answer[0] == MARK)
    block = answer[start + 5] if answer[start + 4] & 8 else 0
    return start + 5 + block
