"""Wiegand frames: a card's number as the bits that a panel reads, with parity, and back.

26 bits: the open format that HID calls H10301, of SIA's "26-Bit Wiegand Reader Interface
Standard" (AC-01, 1996). Even parity over the first 12 data bits, 8 bits of facility code, 16 bits
of card number, odd parity over the last 12 data bits; the most significant bit comes first.
34 bits: the same with 16 bits of facility code and parity over 16 bits each, as readers' manuals
give it; no standard has it, so compare with the panel's manual.
"""

from __future__ import annotations

from edgeface.door.event import Card

_FACILITY_BITS = {26: 8, 34: 16}
_NUMBER_BITS = 16


def frame26(card: Card) -> str:
    """Return the card's 26 bits as text of 0s and 1s; raises like `frame`."""
    return frame(card, bits=26)


def frame34(card: Card) -> str:
    """Return the card's 34 bits as text of 0s and 1s; raises like `frame`."""
    return frame(card, bits=34)


def frame(card: Card, *, bits: int) -> str:
    """Return the card's frame, first bit first.

    Raises
    ------
    ValueError
        `bits` is neither 26 nor 34, or the card's numbers do not fit: the facility from 0 to 255
        (26 bits) or 65535 (34 bits), the number from 0 to 65535.
    """
    facility_bits = _FACILITY_BITS.get(bits)
    if facility_bits is None:
        raise ValueError(f"found a format of {bits} bits, expected 26 or 34")
    data = _field("facility", card.facility, facility_bits)
    data += _field("number", card.number, _NUMBER_BITS)
    return _parity(data[: len(data) // 2], 0) + data + _parity(data[len(data) // 2 :], 1)


def _field(name: str, value: int, bits: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << bits:
        raise ValueError(f"card {name}: found {value!r}, expected 0 to {(1 << bits) - 1}")
    return f"{value:0{bits}b}"


def _parity(data: str, wanted: int) -> str:
    return str((data.count("1") + wanted) % 2)


def decode(bits: str) -> Card:
    """Return the card of a frame of 26 or 34 bits.

    Raises
    ------
    ValueError
        Another length, anything but 0s and 1s, or a parity that does not hold.
    """
    if len(bits) not in _FACILITY_BITS:
        raise ValueError(f"found a frame of {len(bits)} bits, expected 26 or 34")
    if set(bits) - {"0", "1"}:
        raise ValueError("found a frame with other characters than 0 and 1")
    data = bits[1:-1]
    half = len(data) // 2
    if bits[0] != _parity(data[:half], 0):
        raise ValueError("the even parity of the first half does not hold: a bit was lost or added")
    if bits[-1] != _parity(data[half:], 1):
        raise ValueError("the odd parity of the second half does not hold: a bit was lost or added")
    split = _FACILITY_BITS[len(bits)]
    return Card(facility=int(data[:split], 2), number=int(data[split:], 2))
