"""Put a kit into a copy of a raw Debian or Ubuntu disk image, without root or loop devices.

The root file system (ext4) is found, grown if an update would not fit later, and checked before and
after; every file is read back and compared. Needs e2fsprogs and sfdisk:
apt-get install e2fsprogs fdisk. docs/flashing.md has examples.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from boards.facts import board_names
from boards.image.build import build_image


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--board", required=True, help=", ".join(board_names()))
    parser.add_argument("--base", type=Path, required=True, help="raw disk image; only read")
    parser.add_argument("--kit", type=Path, required=True, help="folder of `python -m boards kit`")
    parser.add_argument("--out", type=Path, required=True, help="image to write; must not exist")
    parser.add_argument(
        "--partition", type=int, metavar="N", help="the root partition, where several could be it"
    )
    parser.add_argument(
        "--public-key", type=Path, help="PEM file or folder: the kit must be signed by one of them"
    )


def run(args: argparse.Namespace) -> int:
    """Build the image and print what was done."""
    report = build_image(
        args.base,
        board=args.board,
        kit=args.kit,
        out=args.out,
        partition=args.partition,
        public_key=args.public_key,
        say=lambda line: print(f"  {line}", flush=True),
    )
    where = f"partition {report.partition}" if report.partition else "the file system"
    print(f"{args.out}: {report.system} with {args.kit.name} in {where}")
    print(
        f"  {report.files} files, {'written and read back' if report.changed else 'as they were'}"
    )
    print(f"  image {report.size >> 20} MiB, grown by {report.grown_bytes >> 20} MiB")
    if not report.compiled:
        print(
            "  not compiled: the image's Python version is not on this machine; starts are slower"
        )
    print(f"  sha256 {report.sha256}")
    print(f"next: python -m boards flash --board {args.board} --image {args.out} --device DEVICE")
    return 0
