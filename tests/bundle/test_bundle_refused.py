"""Every bundle that must be refused, built here byte by byte, and the text that says why."""

from __future__ import annotations

import os
import struct
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeface.bundle import Bundle
from edgeface.errors import (
    BundleError,
    BundleFormatError,
    BundleIntegrityError,
)
from tests.faults import unprivileged


def patch(path, offset, new):
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(new)


def directory_entry(path, name):
    """Offset of a member's entry in the zip's central directory."""
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    return data.rindex(b"PK\x01\x02", 0, data.index(name.encode(), start))


def test_forge_makes_a_bundle_that_opens(forge, members):
    assert Bundle.open(forge()).read("embedder.onnx") == members["embedder.onnx"]


# The file itself


def test_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(BundleError, match="No such file or directory; check the path, or copy"):
        Bundle.open(tmp_path / "none.efb")


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.efb").touch()
    with pytest.raises(BundleFormatError, match=r"is empty \(0 bytes\): copy it again"):
        Bundle.open(tmp_path / "empty.efb")


def test_directory_is_refused(tmp_path):
    with pytest.raises(BundleFormatError, match="is not a regular file: give the path of a bundle"):
        Bundle.open(tmp_path)


def test_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe.efb")
    with pytest.raises(BundleFormatError, match="is not a regular file"):
        Bundle.open(tmp_path / "pipe.efb")


def test_endless_device_is_refused():
    with pytest.raises(BundleFormatError, match="is not a regular file"):
        Bundle.open("/dev/zero")


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
    with pytest.raises(BundleFormatError, match="is not a bundle: it does not begin like a zip"):
        Bundle.open(tmp_path / "photo.efb")


def test_zip_without_manifest_is_refused(forge):
    with pytest.raises(BundleFormatError, match="is not a bundle: it has no manifest.json"):
        Bundle.open(forge({"a.txt": b"a"}))


def test_every_truncation_is_refused(bundle_path):
    for length in range(bundle_path.stat().st_size - 1, 3, -3):
        os.truncate(bundle_path, length)
        with pytest.raises(BundleIntegrityError, match="is truncated.*copy or download it again"):
            Bundle.open(bundle_path)


@pytest.mark.parametrize("length", [1, 22, 100])
def test_bundle_with_something_appended_or_put_before_is_refused(bundle_path, length):
    whole = bundle_path.read_bytes()
    bundle_path.write_bytes(whole + bytes(length))
    with pytest.raises(BundleIntegrityError, match="has something appended"):
        Bundle.open(bundle_path)
    bundle_path.write_bytes(whole[:30] + bytes(length) + whole)
    with pytest.raises(BundleIntegrityError, match="does not end with its directory"):
        Bundle.open(bundle_path)


def test_file_over_512_mib_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.efb"
    with path.open("wb") as stream:
        stream.truncate((512 << 20) + 1)  # sparse
    with pytest.raises(BundleFormatError, match="536870913 bytes, at most 536870912 are accepted"):
        Bundle.open(path)


# The members


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b.onnx", "..", "a\\b", "C:x", "é"])
def test_member_that_is_not_a_plain_name_is_refused(forge, name):
    with pytest.raises(BundleFormatError, match="is not a plain file name"):
        Bundle.open(forge(extra=[(name, b"x")]))


def test_member_name_with_a_hidden_tail_is_refused(forge):
    path = forge(extra=[("aXevil", b"x")])
    path.write_bytes(path.read_bytes().replace(b"aXevil", b"a\0evil"))
    with pytest.raises(BundleFormatError, match="member 'a' is not a plain file name"):
        Bundle.open(path)


def test_member_that_appears_twice_is_refused(forge):
    with pytest.raises(BundleFormatError, match="member 'embedder.onnx' appears twice"):
        Bundle.open(forge(extra=[("embedder.onnx", b"another")]))


def test_second_manifest_is_refused(forge):
    with pytest.raises(BundleFormatError, match="member 'manifest.json' appears twice"):
        Bundle.open(forge(extra=[("manifest.json", b"{}")]))


def test_member_that_the_manifest_does_not_list_is_refused(forge):
    with pytest.raises(BundleFormatError, match="has in excess extra.bin: its members must be"):
        Bundle.open(forge(extra=[("extra.bin", b"x")]))


def test_member_that_is_missing_is_refused(forge, members):
    path = forge()
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if name != "MODEL_CARD.md"}
    with pytest.raises(BundleFormatError, match="lacks MODEL_CARD.md: its members must be exactly"):
        Bundle.open(forge(kept))


def test_compressed_member_is_refused(forge):
    with pytest.raises(BundleFormatError, match="is compressed: members are stored"):
        Bundle.open(forge(compression=zipfile.ZIP_DEFLATED))


def test_member_flagged_as_encrypted_is_refused(forge):
    path = forge()
    patch(path, directory_entry(path, "embedder.onnx") + 8, struct.pack("<H", 1))
    with pytest.raises(BundleFormatError, match="member 'embedder.onnx' is encrypted"):
        Bundle.open(path)


def test_member_declared_larger_than_the_file_is_refused(forge):
    path = forge()
    patch(path, directory_entry(path, "embedder.onnx") + 20, struct.pack("<II", 1 << 31, 1 << 31))
    with pytest.raises(
        BundleFormatError, match=r"members declare \d{10} bytes, the whole file has"
    ):
        Bundle.open(path)


def test_member_stored_small_and_declared_large_is_refused(forge):
    path = forge()
    patch(path, directory_entry(path, "embedder.onnx") + 24, struct.pack("<I", 1 << 31))
    with pytest.raises(BundleFormatError, match="is compressed"):
        Bundle.open(path)


def test_members_that_overlap_are_refused(forge, tmp_path):
    path = forge()
    first, second = (directory_entry(path, f"{name}.onnx") for name in ("detector", "embedder"))
    patch(path, second + 42, path.read_bytes()[first + 42 : first + 46])  # both start at the first
    with pytest.raises(BundleFormatError, match="members follow one another without a gap"):
        Bundle.open(path)


def test_manifest_over_a_mebibyte_is_refused(forge):
    with pytest.raises(BundleFormatError, match="member manifest.json is .* at most 1048576"):
        Bundle.open(forge(accuracy={"note": "x" * (1 << 20)}))


def test_member_with_another_hash_is_refused(forge, members):
    replaced = {**members, "embedder.onnx": members["embedder.onnx"][::-1]}
    with zipfile.ZipFile(forge()) as archive:
        manifest = archive.read("manifest.json")
    with pytest.raises(BundleIntegrityError, match="embedder.onnx has SHA-256 .*damaged or was"):
        Bundle.open(forge({"manifest.json": manifest, **replaced}))


def test_member_with_another_length_is_refused(forge, members):
    with zipfile.ZipFile(forge()) as archive:
        manifest = archive.read("manifest.json")
    longer = {**members, "embedder.onnx": b"more"}
    with pytest.raises(BundleIntegrityError, match="has 4 bytes, the manifest says 256"):
        Bundle.open(forge({"manifest.json": manifest, **longer}))


def test_every_flipped_byte_of_a_member_is_refused(bundle_path, members):
    whole = bundle_path.read_bytes()
    start = whole.index(members["embedder.onnx"])
    for offset in range(start, start + 256, 5):
        patch(bundle_path, offset, bytes([whole[offset] ^ 0x10]))
        with pytest.raises(BundleIntegrityError):
            Bundle.open(bundle_path)
        patch(bundle_path, offset, whole[offset : offset + 1])


# Whatever happens to one byte


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_one_changed_byte_never_gives_other_content(bundle_path, members, data):
    whole = bundle_path.read_bytes()
    offset = data.draw(st.integers(0, len(whole) - 1))
    patch(bundle_path, offset, bytes([whole[offset] ^ data.draw(st.integers(1, 255))]))
    try:
        fuzzed = Bundle.open(bundle_path)
        content = {name: fuzzed.read(name) for name in members}
    except BundleError:  # refused, and with an error of ours
        content = members
    else:
        content = {"manifest": fuzzed.manifest, **content}
    finally:
        patch(bundle_path, offset, whole[offset : offset + 1])
    assert content in (members, {"manifest": Bundle.open(bundle_path).manifest, **members})
