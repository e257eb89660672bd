"""What comes in over wires: Wiegand frames."""

from __future__ import annotations

from edgeface.door.event import Card
from edgeface.door.wiegand_frame import decode, frame


def wiegand_seeds() -> tuple[bytes, ...]:
    """Frames of both lengths."""
    cards = (Card(17, 4242), Card(0, 0), Card(255, 65535))
    return tuple(frame(card, bits=bits).encode() for card in cards for bits in (26, 34))


def check_wiegand(data: bytes) -> None:
    """A frame is refused, or is what its card is encoded as; one other bit is always refused."""
    bits = data.decode("latin-1")
    try:
        card = decode(bits)
    except ValueError:
        return
    assert frame(card, bits=len(bits)) == bits
    for at, bit in enumerate(bits):
        try:
            decode(bits[:at] + "10"[int(bit)] + bits[at + 1 :])
        except ValueError:
            continue
        raise AssertionError(f"bit {at} of {bits} changed, and nobody noticed")
