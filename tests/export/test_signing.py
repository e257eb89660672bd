"""Keys and signatures on the training host, proved with openssl as the second implementation."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edgeface.bundle import Bundle
from edgeface.cli import main as edgeface
from edgeface.errors import BundleIntegrityError, BundleSignatureError
from edgeface.signature import key_id, signed_message
from export.__main__ import main as export
from export.errors import SigningError
from export.signing import (
    generate_key,
    load_private_key,
    read_passphrase,
    sign_bundle,
    verify_signature,
)
from tests.bundles import rebuilt

openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the default bundle as door.efb, and a key pair release.pem, release.pub.pem."""
    shutil.copy(Bundle.open().path, tmp_path / "door.efb")
    generate_key(tmp_path / "release.pem")
    return tmp_path


def run(command: str, *, cwd: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# A second implementation


@openssl
def test_lines_of_the_document_verify_a_signature_without_edgeface(
    folder: Path, repository: Path
) -> None:
    sign_bundle(folder / "door.efb", key=folder / "release.pem")
    text = (repository / "docs" / "bundle-format.md").read_text()
    (lines,) = re.findall(r"```sh\n(python3 -m zipfile.*?)```", text, re.DOTALL)
    out = run(lines, cwd=folder)
    assert "Signature Verified Successfully" in out
    members = Bundle.open(folder / "door.efb").manifest["members"]
    found = {Path(line.split()[1]).name: line.split()[0] for line in out.splitlines()[1:]}
    assert {name: found[name] for name in members} == {n: m["sha256"] for n, m in members.items()}
    assert set(found) - set(members) == {"manifest.json", "signature"}
    # And they refuse what was changed.
    (folder / "door.message").write_bytes(b"x" + (folder / "door.message").read_bytes()[1:])
    verify = next(line for line in lines.splitlines() if line.startswith("openssl pkeyutl"))
    assert subprocess.run(["bash", "-c", verify], cwd=folder, capture_output=True).returncode == 1


@openssl
def test_openssl_key_signs_here_and_gives_the_signature_that_openssl_gives(folder: Path) -> None:
    bundle = Bundle.open(folder / "door.efb")
    (folder / "message").write_bytes(signed_message(bundle.manifest_bytes))
    run(
        "umask 077; openssl genpkey -algorithm ed25519 -out theirs.pem\n"
        "openssl pkey -in theirs.pem -pubout -out theirs.pub.pem\n"
        "openssl pkeyutl -sign -inkey theirs.pem -rawin -in message -out message.sig",
        cwd=folder,
    )
    signed = sign_bundle(bundle.path, key=folder / "theirs.pem")
    assert list(signed.signatures.values()) == [(folder / "message.sig").read_bytes()]
    assert verify_signature(bundle.path, folder / "theirs.pub.pem") == tuple(signed.signatures)


def test_key_id_of_the_key_in_rfc_8032_is_the_documents(repository: Path) -> None:
    secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    text = (repository / "docs" / "bundle-format.md").read_text()
    assert f"TEST 1 has the id `{key_id(key.public_key())}`" in text


# Keys


def test_private_key_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        pair = generate_key(tmp_path / "key.pem")
    finally:
        os.umask(before)
    assert stat.S_IMODE(pair.private.stat().st_mode) == 0o600
    assert b"PRIVATE" not in pair.public.read_bytes()


def test_no_file_is_overwritten_and_no_link_followed(tmp_path: Path) -> None:
    pair = generate_key(tmp_path / "key.pem")
    before = pair.private.read_bytes()
    with pytest.raises(SigningError, match=r"key\.pem exists: keys are never overwritten"):
        generate_key(tmp_path / "key.pem")
    assert pair.private.read_bytes() == before
    (tmp_path / "link.pem").symlink_to(tmp_path / "elsewhere.pem")
    with pytest.raises(SigningError, match=r"link\.pem exists"):
        generate_key(tmp_path / "link.pem")
    (tmp_path / "half.pub.pem").touch()
    with pytest.raises(SigningError, match=r"half\.pub\.pem exists"):
        generate_key(tmp_path / "half.pem")
    assert not (tmp_path / "half.pem").exists() and not (tmp_path / "elsewhere.pem").exists()


def test_two_keys_are_different(tmp_path: Path) -> None:
    pairs = [generate_key(tmp_path / f"{n}.pem") for n in range(2)]
    assert pairs[0].key_id != pairs[1].key_id


def test_passphrase_encrypts_the_key_and_is_asked_for(folder: Path) -> None:
    (folder / "pass").write_bytes(b"correct horse\nignored\n")
    passphrase = read_passphrase(folder / "pass")
    assert passphrase == b"correct horse"
    pair = generate_key(folder / "locked.pem", passphrase=passphrase)
    assert b"ENCRYPTED PRIVATE KEY" in pair.private.read_bytes()
    for wrong in (None, b"incorrect horse"):
        with pytest.raises(SigningError, match="--passphrase-file exactly when it is encrypted"):
            sign_bundle(folder / "door.efb", key=pair.private, passphrase=wrong)
    with pytest.raises(SigningError, match="exactly when it is encrypted"):
        sign_bundle(folder / "door.efb", key=folder / "release.pem", passphrase=passphrase)
    signed = sign_bundle(folder / "door.efb", key=pair.private, passphrase=passphrase)
    assert list(signed.signatures) == [pair.key_id]


def test_empty_passphrase_is_no_passphrase(tmp_path: Path) -> None:
    (tmp_path / "pass").write_bytes(b"\n")
    with pytest.raises(SigningError, match="its first line is empty"):
        read_passphrase(tmp_path / "pass")
    with pytest.raises(SigningError, match="the passphrase is empty"):
        generate_key(tmp_path / "key.pem", passphrase=b"")
    with pytest.raises(SigningError, match="cannot read passphrase .* No such file"):
        read_passphrase(tmp_path / "gone")


def test_open_key_that_others_may_read_is_not_used(folder: Path) -> None:
    (folder / "release.pem").chmod(0o644)
    with pytest.raises(SigningError, match=r"mode 0644, so that others may use it: chmod 600"):
        sign_bundle(folder / "door.efb", key=folder / "release.pem")


def test_key_that_is_none_is_refused(folder: Path) -> None:
    rsa = generate_private_key(65537, 2048)
    pem = rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = (folder / "release.pub.pem").read_bytes()
    for content, expected in ((pem, "expected Ed25519"), (b"x", "PEM form"), (public, "PEM form")):
        (folder / "bad.pem").write_bytes(content)
        (folder / "bad.pem").chmod(0o600)
        with pytest.raises(SigningError, match=expected):
            load_private_key(folder / "bad.pem")
    with pytest.raises(SigningError, match="cannot read key .* No such file"):
        load_private_key(folder / "gone.pem")


# Signing


def test_signatures_add_up_until_only_one_is_asked_for(folder: Path) -> None:
    bundle, ids = folder / "door.efb", []
    for number in range(8):
        pair = generate_key(folder / f"{number}.pem")
        ids.append(pair.key_id)
        signed = sign_bundle(bundle, key=pair.private)
        assert sorted(signed.signatures) == sorted(ids)
    before = bundle.read_bytes()
    with pytest.raises(SigningError, match="has 8 signatures, at most 8 are allowed"):
        sign_bundle(bundle, key=folder / "release.pem")
    assert bundle.read_bytes() == before
    assert len(sign_bundle(bundle, key=folder / "release.pem", only=True).signatures) == 1


def test_signing_twice_gives_the_same_bytes(folder: Path) -> None:
    sign_bundle(folder / "door.efb", key=folder / "release.pem", out=folder / "once.efb")
    sign_bundle(folder / "once.efb", key=folder / "release.pem", out=folder / "twice.efb")
    assert (folder / "once.efb").read_bytes() == (folder / "twice.efb").read_bytes()
    assert not Bundle.open(folder / "door.efb").signatures


def test_damaged_bundle_is_not_signed(folder: Path) -> None:
    data = bytearray((folder / "door.efb").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "door.efb").write_bytes(data)
    with pytest.raises(BundleIntegrityError):
        sign_bundle(folder / "door.efb", key=folder / "release.pem")
    assert (folder / "door.efb").read_bytes() == data


def test_bundle_for_another_board_is_signed_and_verified_here(folder: Path) -> None:
    def foreign(manifest: dict) -> None:
        manifest["compatible"] = ["rk3576"]

    path = rebuilt(Bundle.open(), folder / "board.efb", members={}, change=foreign)
    sign_bundle(path, key=folder / "release.pem")
    assert len(verify_signature(path, folder / "release.pub.pem")) == 1


def test_bundle_written_anew_from_a_signed_one_is_unsigned(folder: Path) -> None:
    signed = sign_bundle(folder / "door.efb", key=folder / "release.pem")
    path = rebuilt(signed, folder / "new.efb", members={})
    with pytest.raises(BundleSignatureError, match="is not signed"):
        verify_signature(path, folder / "release.pub.pem")


# The commands


def test_keygen_sign_verify_and_the_door_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, key, public = (str(tmp_path / n) for n in ("door.efb", "k.pem", "k.pub.pem"))
    shutil.copy(Bundle.open().path, bundle)
    assert export(["keygen", "--out", key]) == 0
    name = re.search(r"public key ([0-9a-f]{16});", capsys.readouterr().out).group(1)
    assert export(["verify-signature", bundle, "--public-key", public]) == 1
    assert "is not signed" in capsys.readouterr().err
    assert export(["verify-signature", bundle, "--public-key", ""]) == 1  # an unset variable
    assert "configured as an empty text" in capsys.readouterr().err
    assert edgeface(["selftest", "--bundle", bundle, "--public-key", public]) == 1
    assert export(["sign", "--bundle", bundle, "--key", key]) == 0
    assert export(["verify-signature", bundle, "--public-key", public]) == 0
    capsys.readouterr()
    assert edgeface(["selftest", "--bundle", bundle, "--public-key", public]) == 0
    assert f"signature: by key {name}, checked" in capsys.readouterr().out
    assert edgeface(["info", "--bundle", bundle]) == 0
    assert f"by key {name}, not checked: no public key" in capsys.readouterr().out
    assert export(["sign", "--bundle", bundle, "--key", str(tmp_path / "gone.pem")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("export sign: cannot read key") and len(err.splitlines()) == 1


def test_every_command_of_the_door_asks_for_the_configured_signature(
    photos: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEFACE_PUBLIC_KEY", str(folder / "release.pub.pem"))
    photo, gallery = str(photos / "collins.png"), str(folder / "gallery.db")
    for name, count in (("eileen", 2), ("grace", 1)):
        (folder / "people" / name).mkdir(parents=True)
        for number in range(count):
            shutil.copy(photo, folder / "people" / name / f"{number}.png")
    for command in (
        ["info"],
        ["selftest"],
        ["demo"],
        ["verify", photo, photo],
        ["identify", photo, "--gallery", gallery],
        ["enroll", "Eileen", photo, "--gallery", gallery],
        ["gallery", "import", "people.efg", "--gallery", gallery],
        ["bench"],
        ["eval", "--images", str(folder / "people")],
    ):
        assert edgeface([*command, "--bundle", str(folder / "door.efb")]) == 1, command
        err = capsys.readouterr().err
        assert "door.efb is not signed" in err and len(err.splitlines()) == 1, command
