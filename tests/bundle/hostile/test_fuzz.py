"""Whatever happens to a bundle's bytes: refused with an error of ours, or the same content."""

from __future__ import annotations

import copy
import json
import struct
import zipfile
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeface.bundle import Bundle
from edgeface.errors import BundleError, BundleFormatError
from edgeface.manifest import parse_manifest
from export.signing import generate_key, sign_bundle
from tests.bundle.hostile.judge import info

RELAXED = {
    "deadline": None,
    "derandomize": True,  # the same examples everywhere: a failure in CI is one here
    # A machine that is busy is not a reason to fail.
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
WORDS = [0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x04034B50, 0x02014B50, 0x06054B50]


def mutated(data, draw):
    """Some bytes changed, cut, doubled, moved or overwritten with a telling word."""
    raw = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw) - 1))
        length = draw(st.integers(1, 64))
        kind = draw(st.sampled_from(["flip", "cut", "double", "move", "word", "truncate"]))
        if kind == "flip":
            raw[at] ^= draw(st.integers(1, 255))
        elif kind == "cut" and len(raw) > at + length:
            del raw[at : at + length]
        elif kind == "double":
            raw[at:at] = raw[at : at + length]
        elif kind == "move":
            to = draw(st.integers(0, len(raw) - 1))
            raw[to : to + length] = raw[at : at + length]
        elif kind == "word":
            raw[at : at + 4] = struct.pack("<I", draw(st.sampled_from(WORDS)))
        elif kind == "truncate" and at > 1:
            del raw[at:]
    return bytes(raw)


def content(path, **options):
    bundle = Bundle.open(path, **options)
    return bundle.manifest, {name: bundle.read(name) for name in bundle.manifest["members"]}


@pytest.fixture
def signed(bundle_path, tmp_path):
    generate_key(tmp_path / "key.pem")
    sign_bundle(bundle_path, key=tmp_path / "key.pem")
    return bundle_path


@settings(max_examples=300, **RELAXED)
@given(data=st.data())
def test_changed_file_never_gives_other_content(signed, data):
    whole = signed.read_bytes()
    sound, public_key = content(signed), signed.with_name("key.pub.pem")
    fuzzed = signed.with_name("fuzzed.efb")
    fuzzed.write_bytes(mutated(whole, data.draw))
    for options in ({}, {"public_key": public_key}):
        try:
            assert content(fuzzed, **options) == sound
        except BundleError:
            pass


@settings(max_examples=150, **RELAXED)
@given(data=st.data())
def test_changed_member_in_a_sound_zip_is_refused_under_a_key(signed, forge, data):
    """Somebody who repairs checksums, lengths and hashes, and has everything but the key."""
    with zipfile.ZipFile(signed) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(sorted(files)))
    changed = mutated(files[name], data.draw)
    manifest = json.loads(files["manifest.json"])
    if name in manifest["members"]:
        entry = {"sha256": sha256(changed).hexdigest(), "bytes": len(changed)}
        manifest["members"][name] = entry
        files["manifest.json"] = json.dumps(manifest).encode()
    sound = content(signed)
    try:
        found = content(forge({**files, name: changed}), public_key=signed.with_name("key.pub.pem"))
    except BundleError:
        return
    assert found == sound


@settings(max_examples=300, **RELAXED)
@given(data=st.data())
def test_changed_manifest_bytes_are_a_manifest_or_a_format_error(bundle_path, data):
    sound = Bundle.open(bundle_path).manifest_bytes
    try:
        parse_manifest(mutated(sound, data.draw), source="fuzz")
    except BundleFormatError as error:
        assert len(str(error)) < 1000


def paths_of(node, prefix=()):
    """Where each value of a document stands."""
    yield prefix
    if isinstance(node, (dict, list)):
        pairs = node.items() if isinstance(node, dict) else enumerate(node)
        for key, inner in pairs:
            yield from paths_of(inner, (*prefix, key))


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20), st.just([]), st.just({}), st.just([[]]), st.just({"a": {"file": 1}}),
    st.sampled_from(["any", "onnx", "tflite", "split", "whole", "embedder.onnx", "selftest.npz"]),
)  # fmt: skip


@settings(max_examples=250, **RELAXED)
@given(data=st.data())
def test_manifest_that_opens_can_be_described_and_printed(forge, manifest, data):
    """What passes the rules never breaks what reads it later."""
    document = copy.deepcopy(manifest)
    stage = document["stages"]["embedder"]
    stage["artefacts"] = [
        {
            "file": "embedder.onnx", "format": "tflite", "precision": "int8", "variant": "whole",
            "input": stage["input"], "outputs": ["embedding"], "boards": ["any"],
            "selftest": "vectors",
        }
    ]  # fmt: skip
    *parents, last = data.draw(st.sampled_from([path for path in paths_of(document) if path]))
    node = document
    for key in parents:
        node = node[key]
    node[last] = data.draw(VALUES)
    path = forge(**document)
    code, out, err = info(path)
    assert (code, bool(out), bool(err)) in ((0, True, False), (1, False, True))
    if code == 0:
        Bundle.open(path, board=None).threshold()  # as info opens it: of any board
