"""What an .rknn file says about itself, read without the vendor's tools.

The layout is not documented; it was read off files of rknn-toolkit2 2.5.0: ``RKNN``, u64 version at
8, u64 length of the body at 16, the body from 64, then u64 length of a JSON text, and that text.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

MAGIC, HEADER_BYTES, LENGTH_BYTES = b"RKNN", 64, 8


class DamagedRknnError(ValueError):
    """Not an .rknn file, or not all of one; the text says what was found and expected."""


@dataclass(frozen=True)
class RknnHeader:
    """Target platforms, toolkit version, and the names, shapes and dtypes of inputs and outputs.

    ``format`` is the file's own version; ``inputs`` and ``outputs`` are tuples of
    (name, shape, dtype).
    """

    format: int
    platforms: tuple[str, ...]
    toolkit: str
    inputs: tuple[tuple[str, tuple[int, ...], str], ...]
    outputs: tuple[tuple[str, tuple[int, ...], str], ...]


def read_header(data: bytes) -> RknnHeader:
    """Parse the bytes of an .rknn file.

    Raises
    ------
    DamagedRknnError
        Not such a file, truncated, or its description is damaged.
    """
    if data[:4] != MAGIC:
        raise DamagedRknnError(f"begins with {data[:4]!r}, expected {MAGIC!r}: not an .rknn file")
    if len(data) < HEADER_BYTES:
        raise DamagedRknnError(f"{len(data)} bytes, truncated inside the header")
    version, body = struct.unpack_from("<QQ", data, 8)
    start = HEADER_BYTES + body + LENGTH_BYTES
    if len(data) < start:
        raise DamagedRknnError(
            f"{len(data)} bytes, expected at least {start}: truncated; convert again"
        )
    (length,) = struct.unpack_from("<Q", data, HEADER_BYTES + body)
    text = data[start : start + length]
    if len(text) != length:
        raise DamagedRknnError(f"description of {len(text)} bytes, expected {length}: truncated")
    return _described(text, version)


def _described(text: bytes, version: int) -> RknnHeader:
    try:
        fields = json.loads(text)
        tensors = {tensor["tensor_id"]: tensor for tensor in fields["norm_tensor"]}
        ends: dict[str, list] = {"input": [], "output": []}
        for edge in fields["graph"]:
            tensor = tensors[edge["right_tensor_id"]]
            entry = (tensor["url"], tuple(tensor["size"]), tensor["dtype"]["vx_type"])
            ends[edge["left"]].append(entry)
        platforms, toolkit = fields["target_platform"], fields["version"]
        if not isinstance(platforms, list) or not all(
            isinstance(text, str) and text for text in (*platforms, toolkit)
        ):
            raise TypeError(f"platforms {platforms!r}, toolkit {toolkit!r}")
        return RknnHeader(
            format=version,
            platforms=tuple(platforms),
            toolkit=toolkit,
            inputs=tuple(ends["input"]),
            outputs=tuple(ends["output"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedRknnError(
            f"its description is damaged ({type(error).__name__}: {error}), expected what "
            "rknn-toolkit2 2.5 writes; convert again"
        ) from error
