"""Sign a bundle with an Ed25519 key.

``python -m export sign --bundle door.efb --key release.pem`` adds a signature to those that the
bundle has; boards with any of the keys accept it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from export.keygen import add_passphrase_argument
from export.signing import read_passphrase, sign_bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export sign``."""
    parser.add_argument("--bundle", type=Path, required=True, metavar="B.efb")
    parser.add_argument(
        "--key", type=Path, required=True, metavar="KEY.pem", help="private key, of export keygen"
    )
    add_passphrase_argument(parser)
    parser.add_argument(
        "--out", type=Path, metavar="OUT.efb", help="write here (default: replace the bundle)"
    )
    parser.add_argument("--only", action="store_true", help="drop the signatures of other keys")


def run(args: argparse.Namespace) -> int:
    """Sign and return 0."""
    passphrase = read_passphrase(args.passphrase_file)
    signed = sign_bundle(
        args.bundle, key=args.key, passphrase=passphrase, out=args.out, only=args.only
    )
    print(
        f"{signed.path}: {signed.name} {signed.version}, signed by {', '.join(signed.signatures)}"
    )
    return 0
