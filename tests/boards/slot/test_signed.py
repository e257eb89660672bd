"""A machine with public keys takes kits of their owners only, whatever it has to check them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from boards.slot import CONTEXT, HOME
from boards.slot import slot as tool
from tests.boards.slot.kits import (
    assert_done,
    environment,
    refused,
    run_slot,
    version_of_current,
    write_sums,
)


def key_pair(folder: Path, name: str) -> tuple[Ed25519PrivateKey, str]:
    """Make a key, its public file in a folder, and its id."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key()
    folder.mkdir(parents=True, exist_ok=True)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pem").write_bytes(pem)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private, hashlib.sha256(der).hexdigest()[:16]


def sign(kit: Path, *pairs: tuple[Ed25519PrivateKey, str]) -> None:
    message = CONTEXT + (kit / "SHA256SUMS").read_bytes()
    lines = sorted((key_id, private.sign(message)) for private, key_id in pairs)
    text = "".join(f"ed25519 {key_id} {b64encode(value).decode()}\n" for key_id, value in lines)
    (kit / "SHA256SUMS.sig").write_text(text)


@pytest.fixture
def trusted(updated):
    """A key that the machine trusts."""
    return key_pair(updated / "etc/edgeface/keys", "ours")


@pytest.mark.parametrize("checker", ["cryptography", "openssl"])
def test_signed_kit_is_taken_and_a_spoilt_one_is_not(updated, kit, trusted, checker):
    if checker == "openssl" and not shutil.which("openssl", path="/usr/bin:/bin"):
        pytest.skip("openssl is not installed")
    install = run_slot if checker == "cryptography" else run_without_cryptography
    sign(kit, trusted)
    assert_done(install(updated, "install", kit))
    (kit / "bundle.efb").write_bytes(b"bundle of 1.1")
    write_sums(kit)
    done = install(updated, "install", kit)
    assert done.returncode == 1 and f"signature by key {trusted[1]} does not hold" in done.stderr


def run_without_cryptography(root: Path, *words: str | Path):
    """Run the tool where `import cryptography` fails."""
    code = "import sys, runpy; sys.modules['cryptography'] = None; sys.argv = sys.argv[1:];"
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    return subprocess.run(
        [
            tool.sys.executable,
            "-I",
            "-c",
            code,
            tool.__file__,
            words[0],
            "--root",
            root,
            *words[1:],
        ],
        env=environment(root.parent),
        capture_output=True,
        text=True,
    )


def test_signature_that_nothing_can_check(updated, kit, trusted):
    sign(kit, trusted)
    (updated.parent / "python/openssl").write_text("#!/bin/sh\necho OpenSSL 1.1.1n\n")
    (updated.parent / "python/openssl").chmod(0o755)
    done = run_without_cryptography(updated, "install", kit)
    assert done.returncode == 1
    assert "cannot be checked here (found OpenSSL 1.1.1n" in done.stderr
    assert version_of_current(updated) == "2.0"


def test_kit_that_changes_after_its_check_is_not_installed(updated, kit, trusted):
    """Whoever may write where a kit lies has a moment between the check and root's pip."""
    if not shutil.which("openssl", path="/usr/bin:/bin"):
        pytest.skip("openssl is not installed")
    sign(kit, trusted)
    environment(updated.parent)
    spoil = updated.parent / "python/openssl"
    spoil.write_text(f'#!/bin/sh\necho evil > "{kit}/bundle.efb"\nexec /usr/bin/openssl "$@"\n')
    spoil.chmod(0o755)
    done = run_without_cryptography(updated, "install", kit)
    assert done.returncode == 1 and "bundle.efb is damaged" in done.stderr
    assert version_of_current(updated) == "2.0"
    assert sorted(os.listdir(updated / HOME / "slots")) == ["a", "b"]


def test_signed_kit_is_read_where_only_root_writes(updated, kit, trusted):
    sums = tool.check_sums(kit)
    home = tool.Home(updated)
    with tool.taken(home, kit, sums) as own:
        assert own.parent.stat().st_mode & 0o777 == 0o700
        (kit / "bundle.efb").write_bytes(b"evil")
        assert tool.check_sums(own) == sums
    assert not own.parent.exists()


@pytest.mark.parametrize("make", [Path.touch, lambda keys: keys.symlink_to("/nowhere")])
def test_keys_that_are_no_folder_refuse_every_kit(updated, kit, make):
    make(updated / "etc/edgeface/keys")
    refused(updated, kit, "no kit is taken")


def test_unsigned_kit_on_a_machine_with_keys(updated, kit, trusted):
    refused(updated, kit, "and this machine takes signed kits only, by key " + trusted[1])


def test_kit_of_another_signer(updated, kit, trusted, tmp_path):
    other = key_pair(tmp_path / "others", "other")
    sign(kit, other)
    refused(updated, kit, f"is signed by {other[1]}, expected {trusted[1]}")


def test_one_trusted_signature_beside_a_strangers(updated, kit, trusted, tmp_path):
    sign(kit, trusted, key_pair(tmp_path / "others", "other"))
    assert_done(run_slot(updated, "install", kit))


def test_signature_for_bundles_is_none_for_kits(updated, kit, trusted):
    private, key_id = trusted
    value = private.sign(
        b"edgeface bundle manifest, signature 1\n" + (kit / "SHA256SUMS").read_bytes()
    )
    (kit / "SHA256SUMS.sig").write_text(f"ed25519 {key_id} {b64encode(value).decode()}\n")
    refused(updated, kit, "does not hold")


@pytest.mark.parametrize("text", ["", "ed25519 00 AA\n", "\0"])
def test_malformed_signature(updated, kit, trusted, text):
    (kit / "SHA256SUMS.sig").write_text(text)
    refused(updated, kit, "SHA256SUMS.sig is malformed" if text else "is signed by nobody")


@pytest.mark.parametrize(
    "text", ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_key_that_is_none_refuses_every_kit(updated, kit, trusted, text):
    sign(kit, trusted)
    (updated / "etc/edgeface/keys/second.pem").write_text(text)
    refused(updated, kit, "second.pem is not one Ed25519 public key in PEM form; no kit is taken")


def test_empty_folder_of_keys_refuses_every_kit(updated, kit):
    (updated / "etc/edgeface/keys").mkdir(parents=True)
    refused(updated, kit, "no .pem file in the folder; no kit is taken")


def test_key_named_on_the_command_line_is_asked_for(updated, kit, tmp_path):
    pair = key_pair(tmp_path / "named", "key")
    refused(updated, kit, "is not signed", "--public-key", tmp_path / "named/key.pem")
    sign(kit, pair)
    assert_done(run_slot(updated, "install", kit, "--public-key", tmp_path / "named/key.pem"))
