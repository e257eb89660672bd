"""What an .rknn file says about itself, read without the vendor's tools.

The layout is not documented; it was read off files of rknn-toolkit2 2.5.0: ``RKNN``, u64 version at
8, u64 length of the body at 16, the body from 64, then u64 length of a JSON text, and that text.
"""

from __future__ import annotations

import argparse
import json
import struct
from dataclasses import dataclass
from pathlib import Path

from export.errors import ExportError

MAGIC, HEADER_BYTES, LENGTH_BYTES = b"RKNN", 64, 8


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


def read_header(data: bytes, *, name: str = "file") -> RknnHeader:
    """Parse the bytes of an .rknn file.

    Raises
    ------
    ExportError
        Not such a file, truncated, or its description is damaged.
    """
    if data[:4] != MAGIC:
        raise ExportError(
            f"{name}: begins with {data[:4]!r}, expected {MAGIC!r}: not an .rknn file"
        )
    if len(data) < HEADER_BYTES:
        raise ExportError(f"{name}: {len(data)} bytes, truncated inside the header")
    version, body = struct.unpack_from("<QQ", data, 8)
    start = HEADER_BYTES + body + LENGTH_BYTES
    if len(data) < start:
        raise ExportError(
            f"{name}: {len(data)} bytes, expected at least {start}: truncated; convert again"
        )
    (length,) = struct.unpack_from("<Q", data, HEADER_BYTES + body)
    text = data[start : start + length]
    if len(text) != length:
        raise ExportError(f"{name}: description of {len(text)} bytes, expected {length}: truncated")
    return _described(text, version, name)


def _described(text: bytes, version: int, name: str) -> RknnHeader:
    try:
        fields = json.loads(text)
        tensors = {tensor["tensor_id"]: tensor for tensor in fields["norm_tensor"]}
        ends = {"input": [], "output": []}
        for edge in fields["graph"]:
            tensor = tensors[edge["right_tensor_id"]]
            entry = (tensor["url"], tuple(tensor["size"]), tensor["dtype"]["vx_type"])
            ends[edge["left"]].append(entry)
        return RknnHeader(
            format=version,
            platforms=tuple(fields["target_platform"]),
            toolkit=fields["version"],
            inputs=tuple(ends["input"]),
            outputs=tuple(ends["output"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(
            f"{name}: its description is damaged ({type(error).__name__}: {error}), expected what "
            "rknn-toolkit2 2.5 writes; convert again"
        ) from error


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
