"""Is an .nb file one for this chip? Read as the board's backend reads it, without vendor tools."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgeface.backends.nbg_file import CHIPS, DamagedFileError, NbgHeader
from edgeface.backends.nbg_file import read_header as read_nbg_header
from export.errors import ExportError


def read_header(data: bytes, *, name: str = "file") -> NbgHeader:
    """Parse the beginning of an .nb file.

    Raises
    ------
    ExportError
        Not such a file, truncated inside the header, or its counts make no sense.
    """
    try:
        return read_nbg_header(data)
    except DamagedFileError as error:
        raise ExportError(f"{name}: {error}") from error


def check_chip(header: NbgHeader, *, chip: str, name: str = "file") -> None:
    """Raise ExportError unless the file was compiled for ``chip``, such as "t527"."""
    if header.chip != CHIPS[chip]:
        raise ExportError(
            f"{name}: compiled for {header.board} ({header.chip_text}), expected {chip} "
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
