"""Put a kit together in a temporary folder, then move it into place whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from boards.errors import BoardsError
from boards.facts import board_facts, board_file
from boards.kit.licences import third_party
from boards.kit.signature import sign
from boards.kit.wheels import collect, metadata
from boards.wheels.target import Target

BOARDS = Path(__file__).resolve().parents[1]
EPOCH = 315532800
"""The kit's date unless SOURCE_DATE_EPOCH gives one: the same inputs make the same kit."""

SYSTEM_FILES = {
    "slot.py": BOARDS / "slot" / "slot.py",
    "install.sh": BOARDS / "slot" / "install.sh",
    **{
        f"files/{name}": BOARDS / "files" / name
        for name in (
            *("70-edgeface.rules", "edgeface-boot.service"),
            *("edgeface.service", "edgeface-agent.service", "edgeface-rollouts.service"),
        )
    },
}
"""Name in the kit -> file of this project."""


def make_kit(
    board: str,
    *,
    bundle: Path,
    wheels: Path,
    out: Path,
    pythons: Sequence[str] = (),
    key: Path | None = None,
    passphrase: bytes | None = None,
) -> Path:
    """Make a board's kit.

    Parameters
    ----------
    wheels
        Folder with edgeface's own wheels.
    out
        Folder that gets the kit's; a kit of the same version and board is replaced.
    pythons
        The board's Python versions (default: those of its board.toml).
    key, passphrase
        Private key that signs it; None leaves it unsigned.

    Returns
    -------
    Path
        The kit's folder, ``edgeface-<version>-<board>``.

    Raises
    ------
    BoardsError
        Unknown board, a bundle that edgeface refuses, a missing wheel, a key that does not sign.
    """
    facts = board_facts(board)
    targets = [Target(python, facts["arch"]) for python in pythons or facts["pythons"]]
    check_bundle(bundle)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".kit-") as scratch:
        kit = Path(scratch, "kit")
        found = collect(targets, facts["runtimes"], own=wheels, out=kit / "wheels")
        version = _one_version(found)
        shutil.copyfile(bundle, kit / "bundle.efb")
        shutil.copyfile(board_file(board), kit / "board.toml")
        for name, source in SYSTEM_FILES.items():
            (kit / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source, kit / name)
        (kit / "THIRD_PARTY.md").write_text(third_party(found), "utf-8")
        _write_facts(kit, board, version, [target.python for target in targets])
        sums = checksums(kit)
        (kit / "SHA256SUMS").write_bytes(sums)
        if key is not None:
            (kit / "SHA256SUMS.sig").write_bytes(sign(sums, key=key, passphrase=passphrase))
        place = out / f"edgeface-{version}-{board}"
        shutil.rmtree(place, ignore_errors=True)
        os.rename(kit, place)
    return place


def check_bundle(bundle: Path) -> None:
    """Open a bundle by the installed ``edgeface`` command, as a board would.

    Raises
    ------
    BoardsError
        It does not open; with edgeface's own text.
    """
    command = [sys.executable, "-m", "edgeface", "info", "--bundle", str(bundle), "--json"]
    # Whoever signed it is checked on boards; here the question is whether it is whole.
    environment = {k: v for k, v in os.environ.items() if k != "EDGEFACE_PUBLIC_KEY"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no text"]
        raise BoardsError(f"{bundle} is not a bundle for a kit: {lines[-1]}")


def checksums(kit: Path) -> bytes:
    """Return SHA256SUMS: a line per file of the kit, as ``sha256sum -c`` reads them."""
    files = sorted(file for file in kit.rglob("*") if file.is_file())
    names = ((file.relative_to(kit).as_posix(), file) for file in files)
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {name}\n" for name, file in names]
    return "".join(lines).encode("utf-8")


def _one_version(wheels: Sequence[Path]) -> str:
    """The version of edgeface, which must be one for all Pythons."""
    own = [metadata(wheel) for wheel in wheels if wheel.name.startswith("edgeface-")]
    versions = {str(told["Version"]) for told in own}
    if len(versions) != 1:
        raise BoardsError(f"edgeface wheels of versions {sorted(versions)}; expected one version")
    return versions.pop()


def _write_facts(kit: Path, board: str, version: str, pythons: list[str]) -> None:
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", EPOCH))
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    facts = {"format": 1, "board": board, "version": version, "pythons": pythons}
    facts |= {"bundle": "bundle.efb", "created": created}
    (kit / "kit.json").write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
