"""What an .rknn file says about itself: ``export rknn-check``."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgeface.backends import rknn_file
from edgeface.backends.rknn_file import RknnHeader
from export.errors import ExportError


def read_header(data: bytes, *, name: str = "file") -> RknnHeader:
    """Parse the bytes of an .rknn file.

    Raises
    ------
    ExportError
        Not such a file, truncated, or its description is damaged.
    """
    try:
        return rknn_file.read_header(data)
    except rknn_file.DamagedRknnError as error:
        raise ExportError(f"{name}: {error}") from error


def check_target(header: RknnHeader, *, target: str, name: str = "file") -> None:
    """Raise ExportError unless the file was built for ``target``, such as "rk3576"."""
    if target not in header.platforms:
        raise ExportError(
            f"{name}: built for {', '.join(header.platforms) or 'nothing'}, expected {target}: "
            "convert again with that target; the board's driver would refuse this file"
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export rknn-check``."""
    parser.add_argument("file", type=Path, metavar="FILE.rknn")
    parser.add_argument("--target", default="rk3576", help="SoC that it must be for (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Print what the file says, unless it is not for the target; returns the exit code."""
    header = read_header(args.file.read_bytes(), name=args.file.name)
    check_target(header, target=args.target, name=args.file.name)
    print(f"{args.file.name}: for {', '.join(header.platforms)}, toolkit {header.toolkit}")
    for end, tensors in (("input", header.inputs), ("output", header.outputs)):
        for name, shape, dtype in tensors:
            print(f"  {end:<6} {name} {shape} {dtype}")
    return 0
