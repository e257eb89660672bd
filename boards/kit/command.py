"""Make a board's offline kit, or check one.

``python -m boards kit --board rk3576 --bundle door.efb --wheels dist/wheels --out dist/kits``
makes dist/kits/edgeface-VERSION-rk3576: on the board, ``sudo sh install.sh`` needs no network.
``python -m boards kit --check DIR`` reads one. docs/packages.md says what is inside.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from boards.errors import BoardsError
from boards.kit.check import check_kit
from boards.kit.make import make_kit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``boards kit``."""
    parser.add_argument("--check", type=Path, metavar="DIR", help="check this kit; make none")
    parser.add_argument("--board", metavar="NAME", help="a folder of boards/, such as rk3576")
    parser.add_argument("--bundle", type=Path, metavar="B.efb", help="what the board runs")
    parser.add_argument(
        "--wheels",
        type=Path,
        default=Path("dist/wheels"),
        metavar="DIR",
        help="edgeface's wheels, of python -m boards wheels (default: dist/wheels)",
    )
    parser.add_argument(
        "--python", action="append", metavar="3.N", help="(default: those of board.toml)"
    )
    parser.add_argument(
        "--key", type=Path, metavar="K.pem", help="private key that signs it, of export keygen"
    )
    parser.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="its first line opens the key"
    )
    parser.add_argument(
        "--public-key", type=Path, metavar="P.pem", help="with --check: who must have signed it"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("dist/kits"), metavar="DIR", help="(default: dist/kits)"
    )


def run(args: argparse.Namespace) -> int:
    """Make or check a kit; return 0."""
    if args.check is None:
        return _make(args)
    facts = check_kit(args.check, board=args.board, public_key=args.public_key)
    signed = "signature holds" if args.public_key else "signature not asked for"
    pythons = ", ".join(facts["pythons"])
    print(f"{args.check}: {facts['board']} {facts['version']}, Python {pythons}; whole; {signed}")
    return 0


def _make(args: argparse.Namespace) -> int:
    if args.board is None or args.bundle is None:
        raise BoardsError("expected --board and --bundle to make a kit, or --check DIR")
    if args.public_key is not None:
        raise BoardsError(
            "--public-key is for --check; a kit is signed with --key, the private one"
        )
    passphrase = None
    if args.passphrase_file is not None:
        passphrase = args.passphrase_file.read_bytes().split(b"\n")[0].rstrip(b"\r")
    kit = make_kit(
        args.board,
        bundle=args.bundle,
        wheels=args.wheels,
        out=args.out,
        pythons=args.python or (),
        key=args.key,
        passphrase=passphrase,
    )
    check_kit(kit, board=args.board)
    sizes = [file.stat().st_size for file in kit.rglob("*") if file.is_file()]
    signed = "signed" if args.key else "not signed"
    print(f"{kit}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB, {signed}")
    print(f"on the board: sudo sh {kit.name}/install.sh")
    return 0
