"""Zip files that lie about their members, and members that are not the manifest's."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
from zlib import crc32

import pytest

from edgeface.bundle import Bundle
from edgeface.errors import BundleFormatError, BundleIntegrityError
from tests.bundle.hostile.judge import refused

MEMBERS = ("manifest.json", "MODEL_CARD.md", "detector.onnx", "embedder.onnx", "selftest.npz")


def patch(path, offset, new):
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(new)


def directory_entry(path, name):
    """Offset of a member's entry in the zip's central directory."""
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    return data.rindex(b"PK\x01\x02", 0, data.index(name.encode(), start))


def local(name, data, *, extra=b""):
    """A stored member's local header and content."""
    fields = (20, 0, 0, 0, 33, crc32(data), len(data), len(data), len(name), len(extra))
    return struct.pack("<4s5H3I2H", b"PK\x03\x04", *fields) + name + extra + data


def central(name, data, offset):
    """The same member's entry in the directory."""
    fields = (20, 20, 0, 0, 0, 33, crc32(data), len(data), len(data), len(name), 0, 0, 0, 0, 0)
    return struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *fields, offset) + name


def end(count, length, offset):
    return struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, length, offset, 0)


def test_forge_makes_a_bundle_that_opens(forge, members):
    assert Bundle.open(forge()).read("embedder.onnx") == members["embedder.onnx"]


# Names


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/passwd", "a/b.onnx", "..", "a\\b", "C:x", "é", "..\u2215evil", "a\nb", ".x"]
    + ["\u202egpj.efb", "x" * 101, " a", "a ", "~", "$HOME", "a/"],
)
def test_member_that_is_not_a_plain_name_is_refused(forge, name):
    refused(forge(extra=[(name, b"x")]), BundleFormatError, "is not a plain file name")


def test_member_name_with_a_hidden_tail_is_refused(forge):
    path = forge(extra=[("aXevil", b"x")])
    path.write_bytes(path.read_bytes().replace(b"aXevil", b"a\0evil"))
    refused(path, BundleFormatError, "member 'a' is not a plain file name")


def test_member_whose_two_names_differ_is_refused(bundle_path):
    with zipfile.ZipFile(bundle_path) as archive:
        offset = archive.getinfo("embedder.onnx").header_offset
    patch(bundle_path, offset + 30, b"other")
    refused(bundle_path, BundleIntegrityError, "is damaged.*File name in directory")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFBLK])
def test_member_that_is_a_link_or_a_device_is_refused(forge, kind):
    link = zipfile.ZipInfo("link.bin")
    link.external_attr = (kind | 0o777) << 16
    path = forge(extra=[(link, b"/etc/passwd")])
    refused(path, BundleFormatError, "member 'link.bin' is a link, a folder or a device")


# Which members


def test_member_that_appears_twice_is_refused(forge):
    path = forge(extra=[("embedder.onnx", b"another")])
    refused(path, BundleFormatError, "member 'embedder.onnx' appears twice")


def test_second_manifest_is_refused(forge):
    path = forge(extra=[("manifest.json", b"{}")])
    refused(path, BundleFormatError, "member 'manifest.json' appears twice")


def test_member_that_the_manifest_does_not_list_is_refused(forge):
    path = forge(extra=[("extra.bin", b"x")])
    refused(path, BundleFormatError, "has in excess extra.bin: its members must be")


@pytest.mark.parametrize("name", MEMBERS[1:])
def test_member_that_is_missing_is_refused(forge, name):
    with zipfile.ZipFile(forge()) as archive:
        kept = {entry: archive.read(entry) for entry in archive.namelist() if entry != name}
    refused(forge(kept), BundleFormatError, f"lacks {name}: its members must be exactly")


# What members hold


@pytest.mark.parametrize("name", MEMBERS[1:])
def test_member_with_another_hash_is_refused(forge, members, name):
    with zipfile.ZipFile(forge()) as archive:
        manifest = archive.read("manifest.json")
    replaced = {"manifest.json": manifest, **members, name: members[name][::-1]}
    refused(forge(replaced), BundleIntegrityError, f"{name} has SHA-256 .*damaged or was")


def test_member_with_another_length_is_refused(forge, members):
    with zipfile.ZipFile(forge()) as archive:
        manifest = archive.read("manifest.json")
    path = forge({"manifest.json": manifest, **members, "embedder.onnx": b"more"})
    refused(path, BundleIntegrityError, "has 4 bytes, the manifest says 256")


@pytest.mark.parametrize("name", MEMBERS)
def test_flipped_bit_in_each_member_is_refused(bundle_path, name):
    with zipfile.ZipFile(bundle_path) as archive:
        info = archive.getinfo(name)
    offset = info.header_offset + 30 + len(name) + info.file_size // 2
    patch(bundle_path, offset, bytes([bundle_path.read_bytes()[offset] ^ 0x01]))
    refused(bundle_path, BundleIntegrityError, "is damaged.*CRC")


def test_every_flipped_byte_of_a_member_is_refused(bundle_path, members):
    whole = bundle_path.read_bytes()
    start = whole.index(members["embedder.onnx"])
    for offset in range(start, start + 256, 5):
        patch(bundle_path, offset, bytes([whole[offset] ^ 0x10]))
        with pytest.raises(BundleIntegrityError):
            Bundle.open(bundle_path)
        patch(bundle_path, offset, whole[offset : offset + 1])


# Bombs


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_member_is_refused(forge, method):
    text = "is compressed: members are stored"
    refused(forge(compression=method), BundleFormatError, text)


def test_200_mb_of_zeros_in_200_kb_are_refused_unread(forge, members):
    path = forge({"bomb.bin": bytes(200_000_000)}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 250_000
    refused(path, BundleFormatError, "member 'bomb.bin' is compressed")


def test_member_flagged_as_encrypted_is_refused(forge):
    path = forge()
    patch(path, directory_entry(path, "embedder.onnx") + 8, struct.pack("<H", 1))
    refused(path, BundleFormatError, "member 'embedder.onnx' is encrypted")


def test_member_declared_larger_than_the_file_is_refused(forge):
    path = forge()
    patch(path, directory_entry(path, "embedder.onnx") + 20, struct.pack("<II", 1 << 31, 1 << 31))
    refused(path, BundleFormatError, r"members declare \d{10} bytes, the whole file has")


def test_member_stored_small_and_declared_large_is_refused(forge):
    path = forge()
    patch(path, directory_entry(path, "embedder.onnx") + 24, struct.pack("<I", 1 << 31))
    refused(path, BundleFormatError, "is compressed")


@pytest.mark.parametrize("size", [0, 1, 255, 257])
def test_member_whose_two_sizes_differ_is_refused(forge, size):
    path = forge()
    patch(path, directory_entry(path, "embedder.onnx") + 20, struct.pack("<II", size, size))
    refused(path, BundleFormatError, "directory says of embedder.onnx what the file does not hold")


def test_members_that_overlap_are_refused(forge):
    path = forge()
    first, second = (directory_entry(path, f"{name}.onnx") for name in ("detector", "embedder"))
    patch(path, second + 42, path.read_bytes()[first + 42 : first + 46])  # both start at the first
    refused(path, BundleFormatError, "members follow one another without a gap")


@pytest.mark.parametrize("count", [2, 300])
def test_members_that_hold_the_next_ones_headers_are_refused(tmp_path, count):
    """Fifield's bomb: each member's content is all that follows, so that n bytes give n² / 2."""
    names = [f"m{number}".encode() for number in range(count)]
    body, starts = b"kernel" * 50, []
    contents = {}
    for name in reversed(names):
        contents[name] = body
        body = local(name, body)
        starts.append(len(body))
    offsets = [starts[-1] - start for start in reversed(starts)]
    entries = b"".join(central(n, contents[n], o) for n, o in zip(names, offsets))
    path = tmp_path / "bomb.efb"
    path.write_bytes(body + entries + end(count, len(entries), len(body)))
    with zipfile.ZipFile(path) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(archive.infolist()) == count
    refused(path, BundleFormatError, "members declare|follow one another without a gap")


@pytest.mark.parametrize("where", ["between", "behind"])
def test_bytes_that_belong_to_no_member_are_refused(tmp_path, where):
    first, second = local(b"a", b"one"), local(b"b", b"two")
    gap = bytes(5)
    body = first + gap + second if where == "between" else first + second + gap
    entries = central(b"a", b"one", 0) + central(b"b", b"two", body.index(second))
    path = tmp_path / "gap.efb"
    path.write_bytes(body + entries + end(2, len(entries), len(body)))
    with zipfile.ZipFile(path) as archive:
        assert archive.read("b") == b"two"  # zipfile does not mind
    refused(path, BundleFormatError, "without a gap|nothing may be between")


def test_directory_of_many_members_is_refused_before_zipfile_makes_objects_of_them(forge):
    path = forge({f"{number}.bin": b"" for number in range(20_000)})
    refused(path, BundleIntegrityError, "has a directory of .* bytes, at most 65536 are accepted")


def test_second_directory_in_64_bit_form_is_refused(bundle_path):
    """zipfile would read that one, and other readers the first."""
    data = bundle_path.read_bytes()
    offset = data.index(b"PK\x01\x02")
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("manifest.json", b"{}")
    hidden = other.getvalue()[other.getvalue().index(b"PK\x01\x02") : -22]
    directory = data[offset:-22] + hidden
    fields = (44, 45, 45, 0, 0, 1, 1, len(hidden), len(data) - 22)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", *fields)
    pointer = struct.pack("<4sIQI", b"PK\x06\x07", 0, offset + len(directory), 1)
    length = len(directory) + len(record) + len(pointer)
    path = bundle_path.with_name("two.efb")
    path.write_bytes(data[:offset] + directory + record + pointer + end(5, length, offset))
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["manifest.json"]  # the hidden one
    refused(path, BundleIntegrityError, "has a second, 64-bit directory")


def test_manifest_over_a_mebibyte_is_refused(forge):
    path = forge(accuracy={"note": "x" * (1 << 20)})
    refused(path, BundleFormatError, "member manifest.json is .* at most 1048576")
