"""What an .nb file (VeriSilicon's network binary graph) says about itself, without vendor tools.

The layout is not documented; it was read off published files: magic ``VPMN``, u32 version at 4, u32
chip id at 8, name in 64 bytes at 12, then u32 counts of layers, operations, inputs and outputs.
"""

from __future__ import annotations

import argparse
import struct
from dataclasses import dataclass
from pathlib import Path

from export.errors import ExportError

MAGIC = b"VPMN"
LAYOUT = struct.Struct("<4sII64sIIII")
CHIPS = {"t527": 0x10000016, "a733": 0x1000003B}
MAX_COUNT = 100_000  # of layers and operations; of inputs and outputs a hundredth is plenty


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


def read_header(data: bytes, *, name: str = "file") -> NbgHeader:
    """Parse the beginning of an .nb file.

    Raises
    ------
    ExportError
        Not such a file, truncated inside the header, or its counts make no sense.
    """
    if data[:4] != MAGIC:
        raise ExportError(f"{name}: begins with {data[:4]!r}, expected {MAGIC!r}: not an .nb file")
    if len(data) <= LAYOUT.size:
        raise ExportError(
            f"{name}: {len(data)} bytes, expected more than the {LAYOUT.size} of the header: "
            "truncated; copy it again"
        )
    _, version, chip, label, *counts = LAYOUT.unpack_from(data)
    layers, operations, inputs, outputs = counts
    if not (0 < layers <= MAX_COUNT and 0 < operations <= MAX_COUNT):
        raise ExportError(
            f"{name}: {layers} layers, {operations} operations: the header is damaged"
        )
    if not (0 < inputs <= MAX_COUNT // 100 and 0 < outputs <= MAX_COUNT // 100):
        raise ExportError(f"{name}: {inputs} inputs, {outputs} outputs: the header is damaged")
    text = label.partition(b"\0")[0].decode("ascii", "replace")
    return NbgHeader(version, chip, text, layers, operations, inputs, outputs)


def check_chip(header: NbgHeader, *, chip: str, name: str = "file") -> None:
    """Raise ExportError unless the file was compiled for ``chip``, such as "t527"."""
    if header.chip != CHIPS[chip]:
        known = {number: board for board, number in CHIPS.items()}
        found = known.get(header.chip, "an unknown chip")
        raise ExportError(
            f"{name}: compiled for {found} ({header.chip_text}), expected {chip} "
            f"(0x{CHIPS[chip]:08x}): export it again with that chip's --optimize and the Docker "
            "image of that chip"
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export nbg-check``."""
    parser.add_argument("file", type=Path, metavar="FILE.nb")
    parser.add_argument("--chip", choices=sorted(CHIPS), default="t527", help="[%(default)s]")


def run(args: argparse.Namespace) -> int:
    """Print what the file says, unless it is not for the chip; returns the exit code."""
    header = read_header(args.file.read_bytes(), name=args.file.name)
    check_chip(header, chip=args.chip, name=args.file.name)
    print(
        f"{args.file.name}: for {args.chip} ({header.chip_text}), format 0x{header.version:08x}, "
        f"network {header.name!r}\n  {header.layers} layers, {header.operations} operations, "
        f"{header.inputs} inputs, {header.outputs} outputs"
    )
    return 0
