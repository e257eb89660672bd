"""What an .nb file (VeriSilicon's network binary graph) says about itself, without vendor tools.

The layout is not documented; it was read off published files: magic ``VPMN``, u32 version at 4, u32
chip id at 8, name in 64 bytes at 12, then u32 counts of layers, operations, inputs and outputs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAGIC = b"VPMN"
LAYOUT = struct.Struct("<4sII64sIIII")
CHIPS = {"t527": 0x10000016, "a733": 0x1000003B}
MAX_COUNT = 100_000  # of layers and operations; of inputs and outputs a hundredth is plenty


class DamagedFileError(ValueError):
    """Not an .nb file, or its header makes no sense; the text says why, without the file's name."""


@dataclass(frozen=True)
class NbgHeader:
    """Version of the format, chip id, and counts."""

    version: int
    chip: int
    name: str
    layers: int
    operations: int
    inputs: int
    outputs: int

    @property
    def chip_text(self) -> str:
        """The chip id as a bundle's manifest writes it."""
        return f"0x{self.chip:08x}"

    @property
    def board(self) -> str:
        """The board whose chip that is, for texts."""
        return next((name for name, chip in CHIPS.items() if chip == self.chip), "an unknown chip")


def read_header(data: bytes) -> NbgHeader:
    """Parse the beginning of an .nb file.

    Raises
    ------
    DamagedFileError
        Not such a file, truncated inside the header, or its counts make no sense.
    """
    if data[:4] != MAGIC:
        raise DamagedFileError(f"begins with {data[:4]!r}, expected {MAGIC!r}: not an .nb file")
    if len(data) <= LAYOUT.size:
        raise DamagedFileError(
            f"{len(data)} bytes, expected more than the {LAYOUT.size} of the header: "
            "truncated; copy it again"
        )
    _, version, chip, label, *counts = LAYOUT.unpack_from(data)
    layers, operations, inputs, outputs = counts
    if not (0 < layers <= MAX_COUNT and 0 < operations <= MAX_COUNT):
        raise DamagedFileError(f"{layers} layers, {operations} operations: the header is damaged")
    if not (0 < inputs <= MAX_COUNT // 100 and 0 < outputs <= MAX_COUNT // 100):
        raise DamagedFileError(f"{inputs} inputs, {outputs} outputs: the header is damaged")
    text = label.partition(b"\0")[0].decode("ascii", "replace")
    return NbgHeader(version, chip, text, layers, operations, inputs, outputs)
