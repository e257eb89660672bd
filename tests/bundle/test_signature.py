"""Who signed a bundle, and what a configured public key makes of every other one."""

from __future__ import annotations

import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from edgeface.bundle import Bundle, write_bundle, write_signed
from edgeface.configured import open_bundle
from edgeface.errors import BundleFormatError, BundleSignatureError
from edgeface.signature import key_id, signed_message


def public_pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign(path, *keys, out=None):
    """A bundle signed by each of these private keys."""
    bundle = Bundle.open(path)
    message = signed_message(bundle.manifest_bytes)
    signatures = {key_id(key.public_key()): key.sign(message) for key in keys}
    return write_signed(out or path, bundle, signatures)


@pytest.fixture(scope="module")
def keys():
    """Two private keys, always the same."""
    return [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2)]


@pytest.fixture
def trusted(keys, tmp_path):
    """Public key file of the first."""
    (tmp_path / "maker.pem").write_bytes(public_pem(keys[0]))
    return tmp_path / "maker.pem"


def refusal(path, public_key):
    with pytest.raises(BundleSignatureError) as caught:
        Bundle.open(path, public_key=public_key)
    return str(caught.value)


def test_bundle_signed_by_the_trusted_key_opens_and_says_so(bundle_path, keys, trusted):
    sign(bundle_path, keys[0])
    name = key_id(keys[0].public_key())
    opened = Bundle.open(bundle_path, public_key=trusted)
    assert opened.signed_by == (name,) and list(opened.signatures) == [name]
    unchecked = Bundle.open(bundle_path)
    assert unchecked.signed_by == ()
    assert unchecked.describe()["signature"] == {"by": [name], "checked": []}
    assert unchecked.checked_with(trusted).signed_by == (name,)


def test_signing_changes_nothing_but_adds_one_member(bundle_path, keys, tmp_path, members):
    before = bundle_path.read_bytes()
    signed = sign(bundle_path, keys[0], out=tmp_path / "signed.efb")
    assert bundle_path.read_bytes() == before
    assert signed.manifest_bytes == Bundle.open(bundle_path).manifest_bytes
    assert {name: signed.read(name) for name in members} == members
    again = sign(tmp_path / "signed.efb", keys[0], out=tmp_path / "again.efb")
    assert again.path.read_bytes() == signed.path.read_bytes()


def test_unsigned_bundle_is_refused_once_a_key_is_configured(bundle_path, trusted):
    assert "is not signed, expected a signature by key" in refusal(bundle_path, trusted)
    with pytest.raises(BundleSignatureError, match="is not signed"):
        Bundle.open(bundle_path).checked_with(trusted)


def test_signature_of_a_stranger_is_refused_and_both_are_named(bundle_path, keys, trusted):
    sign(bundle_path, keys[1])
    text = refusal(bundle_path, trusted)
    assert all(key_id(key.public_key()) in text for key in keys)


def test_signature_of_another_bundle_is_refused(bundle_path, manifest, members, keys, trusted):
    signed = sign(bundle_path, keys[0])
    manifest["version"] = "0.2.0"
    other = write_bundle(bundle_path.with_name("other.efb"), manifest, members)
    write_signed(other.path, other, signed.signatures)
    assert "does not hold for its manifest" in refusal(other.path, trusted)


def test_stranger_who_claims_the_trusted_key_id_is_refused(bundle_path, keys, trusted):
    bundle = Bundle.open(bundle_path)
    forged = keys[1].sign(signed_message(bundle.manifest_bytes))
    write_signed(bundle_path, bundle, {key_id(keys[0].public_key()): forged})
    assert "does not hold for its manifest" in refusal(bundle_path, trusted)


def test_signature_over_the_bare_manifest_is_refused(bundle_path, keys, trusted):
    """The same key signs other things too: such a signature must not pass for one of a bundle."""
    bundle = Bundle.open(bundle_path)
    bare = keys[0].sign(bundle.manifest_bytes)
    write_signed(bundle_path, bundle, {key_id(keys[0].public_key()): bare})
    assert "does not hold for its manifest" in refusal(bundle_path, trusted)


def test_one_wrong_signature_of_a_trusted_key_is_refused_beside_a_right_one(
    bundle_path, keys, tmp_path
):
    for number, key in enumerate(keys):
        (tmp_path / f"{number}.pem").write_bytes(public_pem(key))
    bundle = Bundle.open(bundle_path)
    names = [key_id(key.public_key()) for key in keys]
    right = keys[0].sign(signed_message(bundle.manifest_bytes))
    write_signed(bundle_path, bundle, {names[0]: right, names[1]: bytes(64)})
    assert f"by key {names[1]} does not hold" in refusal(bundle_path, tmp_path)


def test_keys_rotate_through_bundles_signed_by_both(bundle_path, keys, tmp_path):
    """Old boards know the old key, new boards the new one, and one folder may hold both."""
    sign(bundle_path, *keys)
    names = sorted(key_id(key.public_key()) for key in keys)
    both = tmp_path / "keys"
    both.mkdir()
    for key in keys:
        name = key_id(key.public_key())
        (both / f"{name}.pem").write_bytes(public_pem(key))
        assert Bundle.open(bundle_path, public_key=both / f"{name}.pem").signed_by == (name,)
    assert Bundle.open(bundle_path, public_key=both).signed_by == tuple(names)


def test_nothing_of_the_manifest_is_parsed_before_its_signature_holds(forge, members, trusted):
    path = forge({"manifest.json": b"not even JSON", **members})
    assert "is not signed" in refusal(path, trusted)
    with pytest.raises(BundleFormatError, match="is not strict JSON"):
        Bundle.open(path)


def test_changed_manifest_with_right_hashes_is_refused(forge, bundle_path, keys, trusted):
    """What hashes alone cannot tell: the whole bundle made anew, with the old signature."""
    line = sign(bundle_path, keys[0])
    path = forge(thresholds={**line.manifest["thresholds"], "margin": 0.0})
    other = Bundle.open(path)
    write_signed(path, other, line.signatures)
    assert Bundle.open(path).manifest["thresholds"]["margin"] == 0.0
    assert "does not hold for its manifest" in refusal(path, trusted)


# The key


def private_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is not one public key in PEM form"),
        (b"\0" * 9000, "is not one public key in PEM form"),
        (public_pem(Ed25519PrivateKey.from_private_bytes(bytes(32))) * 2, "is not one public key"),
        (private_pem(Ed25519PrivateKey.from_private_bytes(bytes(32))), "this is a private key"),
        (public_pem(X25519PrivateKey.from_private_bytes(bytes(32))), "expected Ed25519"),
    ],
    ids=["empty", "zeros", "two", "private", "x25519"],
)
def test_key_that_is_none_refuses_every_bundle(bundle_path, keys, trusted, content, expected):
    sign(bundle_path, keys[0])
    trusted.write_bytes(content)
    assert expected in refusal(bundle_path, trusted)


def test_key_that_cannot_be_read_refuses_every_bundle(bundle_path, keys, tmp_path):
    sign(bundle_path, keys[0])
    assert "No such file or directory; no bundle is" in refusal(bundle_path, tmp_path / "gone.pem")
    (tmp_path / "empty").mkdir()
    assert "the folder holds no .pem file" in refusal(bundle_path, tmp_path / "empty")
    assert "configured as an empty text" in refusal(bundle_path, "")


def test_folder_with_one_bad_key_refuses_every_bundle(bundle_path, keys, trusted):
    sign(bundle_path, keys[0])
    trusted.with_name("zzz.pem").write_bytes(b"scratched")
    assert "zzz.pem is not one public key" in refusal(bundle_path, trusted.parent)


def test_missing_package_refuses_with_the_install_line(bundle_path, keys, trusted, monkeypatch):
    sign(bundle_path, keys[0])
    # What an import finds where the package is not installed; nothing of ours is replaced.
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    assert "pip install 'edgeface[signing]'" in refusal(bundle_path, trusted)
    assert Bundle.open(bundle_path).signatures  # without a key nothing needs the package


# What is configured


def test_configured_key_holds_for_open_bundles_and_for_the_built_in_one(
    bundle_path, trusted, monkeypatch
):
    monkeypatch.setenv("EDGEFACE_PUBLIC_KEY", str(trusted))
    for bundle in (bundle_path, Bundle.open(bundle_path), None):
        with pytest.raises(BundleSignatureError, match="is not signed"):
            open_bundle(bundle)


def test_argument_goes_before_the_environment(bundle_path, keys, trusted, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEFACE_PUBLIC_KEY", str(tmp_path / "gone.pem"))
    sign(bundle_path, keys[0])
    assert open_bundle(bundle_path, public_key=trusted).signed_by
    with pytest.raises(BundleSignatureError, match=r"gone\.pem"):
        open_bundle(bundle_path)


def test_variable_set_to_nothing_is_refused(bundle_path, monkeypatch):
    monkeypatch.setenv("EDGEFACE_PUBLIC_KEY", "")
    with pytest.raises(BundleSignatureError, match="configured as an empty text"):
        open_bundle(bundle_path)
