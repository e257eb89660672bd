"""Manifests that must be refused whatever the members: not JSON, another format, another board."""

from __future__ import annotations

import pytest

from edgeface.board import Board
from edgeface.bundle import Bundle
from edgeface.errors import BundleFormatError, BundleIncompatibleError
from tests.bundle.hostile.judge import info, refused

MANY_KEYS = ",".join(f'"{number}":0' for number in range(90_000))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe", "can't decode"),
        ("{}".encode("utf-16"), "can't decode"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"{} {}", "Extra data"),
        (b"{'format': 1}", "Expecting property name"),
        (b'{"format": 1, "format": 1}', "key 'format' appears twice"),
        (b'{"format": NaN}', "NaN is not a finite number"),
        (b'{"format": -Infinity}', "-Infinity is not a finite number"),
        (b'{"format": 1e999}', "1e999 is not a finite number"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" * 33 + b"]" * 33, "nested too deeply"),
        (b"9" * 5000, "an integer of 5000 characters"),
        (b"9" * (1 << 20), "an integer of 1048576 characters"),
        (b'"' + b"\\ud800" + b'"', "half a surrogate pair"),
        (b'{"\\u001b[2J": 1}', "a control character"),
        (b'["\\u009b2J"]', "a control character"),
        (f'{{{MANY_KEYS},"0":0}}'.encode(), "key '0' appears twice"),
        (f'{{"{"k" * 9999}":0,"{"k" * 9999}":0}}'.encode(), "kkk' appears twice"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_manifest_that_is_not_strict_json_is_refused(forge, text, reason):
    refused(forge({"manifest.json": text}), BundleFormatError, f"is not strict JSON.*{reason}")


@pytest.mark.parametrize("text", [b"[]", b"1", b'"manifest"', b"null", b"{}"])
def test_manifest_that_is_no_manifest_is_refused(forge, text):
    refused(forge({"manifest.json": text}), BundleFormatError, "manifest.json: the whole document")


@pytest.mark.parametrize("found", [2, 99])
def test_newer_format_asks_for_an_upgrade(forge, found):
    text = f"found {found}, this edgeface reads 1: upgrade"
    refused(forge(format=found, something_new=True), BundleFormatError, text)


@pytest.mark.parametrize("found", [0, -1, "1", 1.5, True, None])
def test_format_that_never_was_is_refused(forge, found):
    refused(forge(format=found), BundleFormatError, "manifest.json: format: found .*, expected")


@pytest.mark.parametrize("depth", [10, 31, 32, 200, 800])
def test_nesting_is_read_or_refused_and_never_a_crash(forge, depth):
    """Where JSON's parser still copes, what walks the result must cope too."""
    nested = "deep"
    for _ in range(depth):
        nested = {"x": nested}
    path = forge(accuracy=nested)
    if depth < 32:
        assert info(path)[0] == 0
    else:
        refused(path, BundleFormatError, "nested too deeply")


def test_error_text_stays_short_whatever_the_manifest_says(forge):
    path = forge(quality={"z" * 500_000: 1})
    with pytest.raises(BundleFormatError) as caught:
        Bundle.open(path)
    assert len(str(caught.value)) < 1000
    refused(path, BundleFormatError, "manifest.json: quality")


def test_bundle_for_other_soc_is_refused(forge):
    path = forge(compatible=["rk3576", "t527"])
    assert Bundle.open(path, board="t527").name == "synthetic"
    assert Bundle.open(path, board=None).name == "synthetic"  # for tools that only look
    with pytest.raises(
        BundleIncompatibleError, match="is for rk3576, t527; this board is 'rk3588'"
    ):
        Bundle.open(path, board="rk3588")
    with pytest.raises(BundleIncompatibleError, match=f"this board is '{Board.detect().name}'"):
        Bundle.open(path)


def test_any_bundle_opens_on_every_board(bundle_path):
    assert Bundle.open(bundle_path, board="rk3588").name == "synthetic"


def artefact(manifest, **changes):
    """The stages with one artefact beside the embedder."""
    stage = manifest["stages"]["embedder"]
    entry = {
        "file": "embedder.onnx", "format": "tflite", "precision": "int8", "variant": "whole",
        "input": stage["input"], "outputs": ["embedding"], "boards": ["any"],
        "selftest": "embedder_tflite_output", **changes,
    }  # fmt: skip
    return {**manifest["stages"], "embedder": {**stage, "artefacts": [entry]}}


def test_artefact_whose_file_is_no_member_is_refused(forge, manifest):
    assert info(forge(stages=artefact(manifest)))[0] == 0
    path = forge(stages=artefact(manifest, file="absent.tflite"))
    text = r"stages.embedder.artefacts\[0\].file: found 'absent.tflite', expected one of the mem"
    refused(path, BundleFormatError, text)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"file": "../../etc/passwd"}, "expected one of the members"),
        ({"format": "exe"}, r"artefacts\[0\].format: found"),
        ({"boards": []}, r"artefacts\[0\].boards: found"),
        ({"chip": "0x10000016; rm -rf /"}, r"artefacts\[0\].chip: found"),
        ({"selftest": ""}, r"artefacts\[0\].selftest: found"),
        ({"surprise": 1}, r"artefacts\[0\].surprise: there is no such field"),
    ],
)
def test_artefact_with_a_wrong_field_is_refused(forge, manifest, change, text):
    refused(forge(stages=artefact(manifest, **change)), BundleFormatError, text)


@pytest.mark.parametrize("name", ["manifest.json", "signature"])
def test_manifest_that_lists_what_depends_on_it_is_refused(forge, name):
    entry = {"sha256": "0" * 64, "bytes": 1}
    listed = {n: entry for n in ("selftest.npz", "MODEL_CARD.md", "detector.onnx", "embedder.onnx")}
    path = forge(members={**listed, name: entry})
    refused(path, BundleFormatError, f"members: {name} cannot be listed")
