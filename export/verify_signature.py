"""Check a bundle whole, and that one of these public keys signed it.

``python -m export verify-signature door.efb --public-key release.pub.pem``; boards do the same on
opening, where EDGEFACE_PUBLIC_KEY is set.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from export.signing import verify_signature


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export verify-signature``."""
    parser.add_argument("bundle", type=Path, metavar="B.efb")
    parser.add_argument(
        "--public-key",
        required=True,
        metavar="PEM",
        help="public key, of export keygen, or a folder of them",
    )


def run(args: argparse.Namespace) -> int:
    """Print who signed and return 0."""
    names = verify_signature(args.bundle, args.public_key)
    print(f"{args.bundle}: sound, and signed by key {', '.join(names)}")
    return 0
