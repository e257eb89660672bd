"""The flat file that tests/fakes/network.c runs.

Numbers are little-endian u32 and float32: ``EFNT``, version, input channels, height, width, mean
(3), std (3), layer count, then each layer: kind, first and second tensor (0 is the picture, n is
layer n's output), and what its kind needs: as `network_file` and `clipping` write it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

MAGIC, VERSION = b"EFNT", 1
CONV, CLIP, ADD, ROUND = 1, 2, 3, 4


def packed(
    size: Sequence[int], layers: Sequence[bytes], *, mean: Sequence[float], std: Sequence[float]
) -> bytes:
    """Return the file of a network for pictures of (channels, height, width)."""
    head = struct.pack("<4s4I6fI", MAGIC, VERSION, *size, *mean, *std, len(layers))
    return head + b"".join(layers)


def clipping(side: int, *, high: float) -> bytes:
    """Return a network of one layer: the picture's own pixels, none above `high`."""
    layer = struct.pack("<3I2f", CLIP, 0, 0, 0, high)
    return packed((3, side, side), [layer], mean=(0, 0, 0), std=(1, 1, 1))
