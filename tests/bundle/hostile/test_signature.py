"""Signatures that are malformed, stripped, moved, cut or swollen, on a board with a public key."""

from __future__ import annotations

import re
from base64 import b64encode

import pytest

from edgeface.bundle import Bundle
from edgeface.cli import main
from edgeface.errors import BundleFormatError, BundleSignatureError
from edgeface.signature import parse_signatures
from export.signing import generate_key, sign_bundle
from tests.bundle.hostile.judge import refused

TEXT = b64encode(bytes(64))
LINE = b"ed25519 0123456789abcdef " + TEXT + b"\n"


@pytest.fixture
def signed(bundle_path, tmp_path):
    """A signed bundle; its key is key.pem, key.pub.pem beside it."""
    generate_key(tmp_path / "key.pem")
    sign_bundle(bundle_path, key=tmp_path / "key.pem")
    return bundle_path


@pytest.fixture
def public_key(tmp_path):
    return tmp_path / "key.pub.pem"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        LINE[:-1],
        LINE + b"\n",
        LINE + b" ",
        b"\n" + LINE,
        LINE + LINE,
        LINE.replace(b"\n", b"\r\n"),
        LINE.replace(b"ed25519", b"ED25519"),
        LINE.replace(b"ed25519", b"rsa"),
        LINE.replace(b"ed25519 ", b"ed25519  "),
        LINE.replace(b"abcdef", b"ABCDEF"),
        LINE.replace(b"0123456789abcdef", b"0123456789abcde"),
        LINE.replace(b"AA==", b"AB=="),  # decodes to the same 64 bytes
        LINE.replace(b"==", b"="),
        LINE.replace(b"A==\n", b"\n"),
        LINE.replace(b"AAAA", b"AAA\n", 1),
        b"ed25519 0123456789abcdef " + b64encode(bytes(63)) + b"\n",
        b"ed25519 0123456789abcdef " + b64encode(bytes(65)) + b"\n",
        LINE.replace(b"0123", b"fff0") + LINE,  # out of order
        b"".join(LINE.replace(b"0123", b"000%d" % number) for number in range(9)),
        '{"ed25519": "…"}'.encode(),
    ],
    ids=lambda value: repr(value[:12]) + str(len(value)),
)
def test_malformed_signature_is_refused_with_and_without_a_key(forge, public_key, content):
    generate_key(public_key.with_name("key.pem"))
    path = forge(extra=[("signature", content)])
    text = "its member 'signature' is malformed: expected 1 to 8 lines"
    refused(path, BundleSignatureError, text)
    refused(
        path,
        BundleSignatureError,
        text,
        action=lambda: Bundle.open(path, public_key=public_key),
    )


def test_the_line_that_was_spoilt_above_is_well_formed():
    assert parse_signatures(LINE, source="test") == {"0123456789abcdef": bytes(64)}


def test_signature_of_megabytes_is_refused_unread(forge):
    path = forge(extra=[("signature", LINE * 100_000)])
    refused(path, BundleFormatError, "member signature is .* at most 2048 are accepted")


def test_two_signature_members_are_refused(forge):
    path = forge(extra=[("signature", LINE), ("signature", LINE)])
    refused(path, BundleFormatError, "member 'signature' appears twice")


def rewritten(path, forge, *, drop=(), **replaced):
    """The same members in a new zip, some left out or replaced."""
    bundle = Bundle.open(path)
    files = {"manifest.json": bundle.manifest_bytes}
    files.update({name: bundle.read(name) for name in bundle.manifest["members"]})
    if "signature" not in drop:
        text = b"".join(
            b"ed25519 %s %s\n" % (name.encode(), b64encode(value))
            for name, value in bundle.signatures.items()
        )
        files["signature"] = text
    files.update(replaced)
    return forge(files)


def test_rewriting_the_zip_does_not_touch_the_signature(signed, forge, public_key):
    assert Bundle.open(rewritten(signed, forge), public_key=public_key).signed_by


def test_stripped_signature_is_refused(signed, forge, public_key):
    path = rewritten(signed, forge, drop=["signature"])
    refused(
        path,
        BundleSignatureError,
        "is not signed, expected a signature by key",
        action=lambda: Bundle.open(path, public_key=public_key),
    )


@pytest.mark.parametrize("bit", [0, 255, 256, 511])
def test_flipped_bit_of_the_signature_is_refused(signed, forge, public_key, bit):
    ((name, value),) = Bundle.open(signed).signatures.items()
    flipped = bytearray(value)
    flipped[bit // 8] ^= 1 << bit % 8
    text = b"ed25519 %s %s\n" % (name.encode(), b64encode(flipped))
    path = rewritten(signed, forge, signature=text)
    refused(
        path,
        BundleSignatureError,
        "does not hold for its manifest",
        action=lambda: Bundle.open(path, public_key=public_key),
    )


def test_signature_with_the_group_order_added_is_refused(signed, forge, public_key):
    """RFC 8032, 5.1.7: without the bound on S anybody makes a second signature from the first."""
    ((name, value),) = Bundle.open(signed).signatures.items()
    order = 2**252 + 27742317777372353535851937790883648493
    other = int.from_bytes(value[32:], "little") + order
    text = b"ed25519 %s %s\n" % (
        name.encode(),
        b64encode(value[:32] + other.to_bytes(32, "little")),
    )
    path = rewritten(signed, forge, signature=text)
    refused(
        path,
        BundleSignatureError,
        "does not hold for its manifest",
        action=lambda: Bundle.open(path, public_key=public_key),
    )


@pytest.mark.parametrize("change", [b" ", b"\n", b"\t"])
def test_whitespace_added_to_the_manifest_is_refused(signed, forge, public_key, change):
    """The bytes are signed, not what they mean."""
    manifest = Bundle.open(signed).manifest_bytes + change
    path = rewritten(signed, forge, **{"manifest.json": manifest})
    assert Bundle.open(path).manifest == Bundle.open(signed).manifest
    refused(
        path,
        BundleSignatureError,
        "does not hold for its manifest",
        action=lambda: Bundle.open(path, public_key=public_key),
    )


def test_command_refuses_in_one_line_and_json(signed, forge, public_key, capsys):
    path = str(rewritten(signed, forge, drop=["signature"]))
    assert main(["info", "--bundle", path, "--public-key", str(public_key)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and re.fullmatch("edgeface: bundle .* is not signed, expected .*\n", err)
    assert main(["info", "--json", "--bundle", path, "--public-key", str(public_key)]) == 1
    assert '"BundleSignatureError"' in capsys.readouterr().out
    assert main(["info", "--bundle", path, "--public-key", ""]) == 1
    assert "configured as an empty text" in capsys.readouterr().err
