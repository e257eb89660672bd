"""Make an Ed25519 key that signs bundles.

``python -m export keygen --out release.pem`` writes release.pem, which only the signer may have,
and release.pub.pem, which goes on every board (EDGEFACE_PUBLIC_KEY).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from export.signing import generate_key, read_passphrase


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export keygen``."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="KEY.pem", help="private key to make; no old one"
    )
    add_passphrase_argument(parser)


def add_passphrase_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--passphrase-file``."""
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help="its first line encrypts the private key (default: not encrypted)",
    )


def run(args: argparse.Namespace) -> int:
    """Make the key and return 0."""
    pair = generate_key(args.out, passphrase=read_passphrase(args.passphrase_file))
    print(f"{pair.private}: private key {pair.key_id}; keep it off boards and out of repositories")
    print(f"{pair.public}: public key {pair.key_id}; for boards, as EDGEFACE_PUBLIC_KEY")
    return 0
