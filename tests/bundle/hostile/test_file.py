"""Files that are no bundle, or not all of one."""

from __future__ import annotations

import os
import struct

import pytest

from edgeface.bundle import Bundle
from edgeface.errors import BundleError, BundleFormatError, BundleIntegrityError
from tests.bundle.hostile.judge import refused
from tests.faults import unprivileged


def test_missing_file_says_what_to_do(tmp_path):
    text = "No such file or directory; check the path, or copy"
    refused(tmp_path / "none.efb", BundleError, text)


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.efb").touch()
    text = r"is empty \(0 bytes\): copy it again"
    refused(tmp_path / "empty.efb", BundleFormatError, text)


def test_directory_is_refused(tmp_path):
    text = "is not a regular file: give the path of a bundle"
    refused(tmp_path, BundleFormatError, text)


def test_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe.efb")
    refused(tmp_path / "pipe.efb", BundleFormatError, "is not a regular file")


def test_endless_device_is_refused():
    refused("/dev/zero", BundleFormatError, "is not a regular file")


def test_file_that_may_not_be_read_is_refused(bundle_path):
    bundle_path.chmod(0)
    error = unprivileged(lambda: Bundle.open(bundle_path), reach=bundle_path)
    assert error == (
        "BundleError",
        f"cannot read bundle {bundle_path}: Permission denied; give this user permission to read "
        "it (chmod, chown)",
    )


@pytest.mark.parametrize("content", [b"x", b"GIF89a" * 99, b"\0" * 4096])
def test_file_that_is_not_a_zip_is_refused(tmp_path, content):
    (tmp_path / "photo.efb").write_bytes(content)
    text = "is not a bundle: it does not begin like a zip"
    refused(tmp_path / "photo.efb", BundleFormatError, text)


def test_zip_without_manifest_is_refused(forge):
    text = "is not a bundle: it has no manifest.json"
    refused(forge({"a.txt": b"a"}), BundleFormatError, text)


def test_every_truncation_is_refused(bundle_path):
    for length in range(bundle_path.stat().st_size - 1, 3, -3):
        os.truncate(bundle_path, length)
        with pytest.raises(BundleIntegrityError, match="is truncated.*copy or download it again"):
            Bundle.open(bundle_path)
    refused(bundle_path, BundleIntegrityError, "is truncated.*copy or download it again")


@pytest.mark.parametrize("length", [1, 3])
def test_nothing_but_a_zip_s_first_bytes_is_refused(bundle_path, length):
    os.truncate(bundle_path, length)
    refused(bundle_path, BundleFormatError, "does not begin like a zip")


@pytest.mark.parametrize("length", [1, 22, 100])
def test_bundle_with_something_appended_or_put_before_is_refused(bundle_path, length):
    whole = bundle_path.read_bytes()
    bundle_path.write_bytes(whole + bytes(length))
    refused(bundle_path, BundleIntegrityError, "has something appended")
    bundle_path.write_bytes(whole[:30] + bytes(length) + whole)
    refused(bundle_path, BundleIntegrityError, "does not end with its directory")


def test_bundle_in_a_zip_comment_is_refused(forge, bundle_path):
    """Two archives in one file: which one a reader takes depends on where it looks."""
    inner = bundle_path.read_bytes()
    outer = forge({"a.txt": b"a"})
    data = outer.read_bytes()
    outer.write_bytes(data[:-2] + struct.pack("<H", len(inner)) + inner)
    refused(outer, BundleIntegrityError, "does not end with its directory")


def test_file_over_512_mib_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.efb"
    with path.open("wb") as stream:
        stream.truncate((512 << 20) + 1)  # sparse
    refused(path, BundleFormatError, "536870913 bytes, at most 536870912 are accepted")


def test_member_that_goes_missing_after_opening_is_noticed(bundle_path, forge):
    bundle = Bundle.open(bundle_path)
    os.replace(forge({"a.txt": b"a"}), bundle_path)
    with pytest.raises(BundleFormatError, match="lacks MODEL_CARD.md"):
        bundle.read("embedder.onnx")
