"""Frames out of bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgeface.door.osdp_frame import COMMANDS, Framer, command, crc, sequence, whole
from tests.fuzz.osdp_target import frame_of

# What libosdp's control panel sends first: a mark, and "who are you?" to device 0.
IDENTIFY = bytes.fromhex("ff53000900046100c066")
payloads = st.builds(
    lambda code, data: bytes([code]) + data,
    st.sampled_from(sorted(COMMANDS)),
    st.binary(max_size=60),
)


def feed(data: bytes, *, address: int = 0) -> list[bytes]:
    return Framer(address=address).feed(data, now=0.0)


def test_frame_of_another_implementation_is_one() -> None:
    assert feed(IDENTIFY) == [IDENTIFY] and sequence(IDENTIFY) == 0
    assert frame_of(4, b"\x61\x00") == IDENTIFY[1:]


def test_crc_is_the_one_of_its_name() -> None:
    assert crc(b"123456789") == 0xE5CC  # CRC-16/SPI-FUJITSU, also called AUG-CCITT


@given(st.lists(st.tuples(st.sampled_from(range(8)), payloads), max_size=6), st.data())
def test_frames_are_found_however_they_are_cut(frames, data) -> None:
    sent = [frame_of(control, payload) for control, payload in frames]
    stream, framer, found = b"".join(sent), Framer(address=0), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += framer.feed(stream[:cut], now=0.0)
        stream = stream[cut:]
    assert found == sent


@given(st.binary(max_size=80), payloads)
def test_frame_after_garbage_is_found(garbage: bytes, payload: bytes) -> None:
    frame = frame_of(5, payload)
    framer = Framer(address=0, gap_s=0.1)
    framer.feed(garbage, now=0.0)
    assert framer.feed(frame, now=0.2) == [frame]


@given(payloads, st.sampled_from([0, 4]), st.data())
def test_changed_byte_is_noticed(payload: bytes, control: int, data) -> None:
    frame = frame_of(control, payload)
    at = data.draw(st.integers(0, len(frame) - 1))
    flip = data.draw(st.integers(1, 255))
    if at == 4:  # the bit that says which checksum it is has no other protection than the other's
        flip = flip & ~4 or 1
    assert not whole(frame[:at] + bytes([frame[at] ^ flip]) + frame[at + 1 :])


def test_frames_of_others_and_replies_are_left_out_and_those_to_everybody_are_not() -> None:
    frames = [frame_of(4, b"\x60", address=address) for address in (0, 1, 0x80, 0x7F, 0xFF)]
    assert feed(b"".join(frames), address=0) == [frames[0], frames[3]]


def test_frame_whose_rest_comes_too_late_is_given_up() -> None:
    framer = Framer(address=0, gap_s=0.1)
    assert framer.feed(IDENTIFY[:6], now=0.0) == []
    assert framer.feed(IDENTIFY[6:], now=0.2) == []
    assert framer.feed(IDENTIFY, now=0.25) == [IDENTIFY]


def test_start_byte_in_noise_swallows_nothing_but_until_the_gap() -> None:
    framer = Framer(address=0, gap_s=0.1)
    assert framer.feed(b"\x53\x00\xf0\x00" + IDENTIFY, now=0.0) == []
    assert framer.feed(IDENTIFY, now=0.3) == [IDENTIFY]


def test_command_that_is_none_of_the_standard_is_left_out() -> None:
    """libosdp 3.2.9 reads from address 0 for these, without any key: docs/decisions/0031."""
    for code in range(256):
        plain = frame_of(4, bytes([code]))
        secured = frame_of(4 | 8, bytes([2, 0x15, code]))
        assert command(plain) == command(secured) == code
        assert bool(feed(plain)) == bool(feed(secured)) == (code in COMMANDS)
    assert 0x60 in COMMANDS and not {0x63, 0x89, 0x9F, 0xA6} & COMMANDS


def test_frame_without_a_command_is_left_out() -> None:
    for block in (b"\x03\x11\x00", b"\xff\x15", b"\x02\x15"):
        assert command(frame_of(4 | 8, block)) is None and not feed(frame_of(4 | 8, block))
