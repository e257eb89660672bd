"""Picture sizes read from file headers, so that absurd ones are refused before decoding.

Formats: JPEG (ITU-T T.81), PNG (W3C PNG 3rd edition), BMP, and WebP (RFC 9649).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Header:
    """What a picture's first bytes say: sides in pixels, and whether it may have transparency."""

    format: str
    width: int
    height: int
    alpha: bool = False


def read_header(data: bytes) -> Header | None:
    """Return the header of a JPEG, PNG, BMP or WebP picture, or None for anything else.

    A recognised signature followed by a damaged header also gives None.
    """
    try:
        if data[:3] == b"\xff\xd8\xff":
            return _jpeg(data)
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            return _png(data)
        if data[:2] == b"BM":
            return _bmp(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, IndexError):
        return None
    return None


def _jpeg(data: bytes) -> Header | None:
    position = 2
    while data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        # SOF0..SOF15 carry the size; C4, C8 and CC in that range are tables, not frames.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, position + 5)
            return Header("JPEG", width, height)
        position += 2 + length
    return None


def _png(data: bytes) -> Header | None:
    width, height, _depth, colour = struct.unpack_from(">IIBB", data, 16)
    transparent_palette = b"tRNS" in data[33 : data.find(b"IDAT")]
    return Header("PNG", width, height, alpha=colour in (4, 6) or transparent_palette)


def _bmp(data: bytes) -> Header | None:
    width, height = struct.unpack_from("<ii", data, 18)
    return Header("BMP", abs(width), abs(height))  # a negative height means top-down rows


def _webp(data: bytes) -> Header | None:
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
        return Header("WebP", width, height, alpha=bool(data[20] & 0x10))
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        size = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        return Header("WebP", *size, alpha=bool(bits >> 28 & 1))
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return Header("WebP", width & 0x3FFF, height & 0x3FFF)
    return None
