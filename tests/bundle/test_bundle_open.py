"""What a sound bundle offers."""

from __future__ import annotations

import json
import os
import stat

import numpy as np
import pytest

from edgeface.bundle import Bundle, write_bundle
from edgeface.errors import BundleError, BundleFormatError, BundleIntegrityError


def test_members_come_back_as_they_were_written(bundle_path, members):
    bundle = Bundle.open(bundle_path)
    assert {name: bundle.read(name) for name in members} == members
    assert (bundle.name, bundle.version, bundle.path) == ("synthetic", "0.1.0", bundle_path)


def test_unknown_member_and_stage_are_answered_with_the_list(bundle_path):
    bundle = Bundle.open(bundle_path)
    with pytest.raises(ValueError, match=r"no member 'x': this bundle has MODEL_CARD.md, det"):
        bundle.read("x")
    with pytest.raises(ValueError, match="no stage 'liveness': this bundle has detector, embedder"):
        bundle.stage("liveness")


def test_description_is_plain_json_with_the_model_id(bundle_path):
    bundle = Bundle.open(bundle_path)
    described = json.loads(json.dumps(bundle.describe()))
    assert described["model_id"] == bundle.model_id
    assert described["stages"]["embedder"]["bytes"] == 256
    assert described["bytes"] == bundle_path.stat().st_size


def test_threshold_is_exactly_a_listed_one(bundle_path):
    bundle = Bundle.open(bundle_path)
    assert bundle.threshold() == bundle.threshold(1e-3) == 0.4
    assert bundle.threshold(0.01) == 0.3
    with pytest.raises(ValueError, match=r"of 0.5: there are 0.01, 0.001"):
        bundle.threshold(0.5)


def test_selftest_vectors_are_arrays(bundle_path):
    vectors = Bundle.open(bundle_path).selftest_vectors()
    assert list(vectors) == ["embedder_input"]
    assert vectors["embedder_input"].dtype == np.float32


def test_model_id_follows_the_embedder_file_and_its_input_only(tmp_path, manifest, members):
    def model_id(members=members, **changes):
        changed = {**manifest, **changes}
        return write_bundle(tmp_path / "b.efb", changed, members).model_id

    original = model_id()
    assert len(original) == 16 and int(original, 16) >= 0
    assert model_id(name="other", version="9.9.9", peak_memory_mb=3) == original
    assert model_id({**members, "detector.onnx": b"other"}) == original
    assert model_id({**members, "embedder.onnx": b"other"}) != original
    manifest["stages"]["embedder"]["input"]["mean"] = [127, 127.5, 127.5]
    changed = model_id()
    assert changed != original
    manifest["stages"]["embedder"]["input"]["mean"] = [127.0, 127.5, 127.5]
    assert model_id() == changed


def test_same_inputs_give_the_same_bytes(tmp_path, manifest, members):
    write_bundle(tmp_path / "a.efb", manifest, members)
    backwards = {key: manifest[key] for key in reversed(manifest)}
    write_bundle(tmp_path / "b.efb", backwards, dict(reversed(members.items())))
    assert (tmp_path / "a.efb").read_bytes() == (tmp_path / "b.efb").read_bytes()


def test_failed_write_leaves_the_old_bundle_and_no_rubbish(bundle_path, manifest, members):
    before = bundle_path.read_bytes()
    manifest["version"] = "one"
    with pytest.raises(BundleFormatError, match=r'version: found "one"'):
        write_bundle(bundle_path, manifest, members)
    assert bundle_path.read_bytes() == before
    assert [entry.name for entry in bundle_path.parent.iterdir()] == ["good.efb"]


def test_write_into_a_missing_directory_says_so(tmp_path, manifest, members):
    with pytest.raises(BundleError, match="cannot write bundle .*No such file or directory"):
        write_bundle(tmp_path / "no" / "b.efb", manifest, members)


def test_written_bundle_has_ordinary_permissions(bundle_path):
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(bundle_path.stat().st_mode) == 0o644 & ~umask


def test_bundle_changed_after_opening_is_noticed_at_reading(bundle_path, manifest, members):
    bundle = Bundle.open(bundle_path)
    write_bundle(bundle_path, manifest, {**members, "embedder.onnx": bytes(256)})
    with pytest.raises(BundleIntegrityError, match="embedder.onnx has SHA-256"):
        bundle.read("embedder.onnx")
