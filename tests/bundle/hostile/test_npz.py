"""Arrays from a stranger: self-test vectors and head weights that are none, or are bombs."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeface.bundle import Bundle, write_bundle
from edgeface.errors import BundleFormatError
from edgeface.npz import load_npz
from edgeface.pipeline import Pipeline
from tests import bundles
from tests.bundle.hostile.judge import refused

HEADER = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }"


def npy(header, data=b"", *, version=(1, 0)):
    """One array's file with a header as given."""
    text = header.encode("latin1") + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + data


def npz(*arrays, name="a.npy", method=zipfile.ZIP_STORED):
    """A zip of such files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for number, data in enumerate(arrays):
            archive.writestr(name if number == 0 else f"{number}.npy", data)
    return buffer.getvalue()


def lying(data, size):
    """The same zip, its first member declared to be of another length."""
    field = data.index(b"PK\x01\x02") + 24
    return data[:field] + struct.pack("<I", size) + data[field + 4 :]


def flagged(data, flags):
    """The same zip, its first member flagged in the directory."""
    field = data.index(b"PK\x01\x02") + 8
    return data[:field] + struct.pack("<H", flags) + data[field + 2 :]


def saved(save=np.savez, **arrays):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def bomb(method):
    """100 MB of zeros, declared as a kilobyte."""
    zeros = npy(HEADER % ("|u1", "(100000000,)"), bytes(100_000_000))
    return lying(npz(zeros, method=method), 1000)


REFUSED = {
    "nothing": (b"", "does not end with its directory"),
    "text": (b"not a zip at all", "does not end with its directory"),
    "bare_array": (npy(HEADER % ("<f4", "(1,)"), bytes(4)), "does not end with its directory"),
    "truncated": (saved(a=np.zeros(9))[:-1], "does not end with its directory"),
    "appended": (saved(a=np.zeros(9)) + b"x", "does not end with its directory"),
    "pickle": (b"\x80\x04K\x01.", "does not end with its directory"),
    "pickled_member": (npz(b"\x80\x04K\x01."), "is no array of plain little-endian numbers"),
    "objects": (saved(a=np.array([{}], dtype=object)), "is no array of plain"),
    "structure": (saved(a=np.zeros(3, "f4,i2")), "is no array of plain"),
    "text_array": (saved(a=np.array(["x"])), "is no array of plain"),
    "complex": (saved(a=np.zeros(3, "c8")), "is no array of plain"),
    "time": (saved(a=np.zeros(3, "M8[s]")), "is no array of plain"),
    "big_endian": (saved(a=np.zeros(3, ">f4")), "is no array of plain"),
    "version_2": (npz(npy(HEADER % ("<f4", "(0,)"), version=(2, 0))), "is no array of plain"),
    "twice": (npz(b"", b"").replace(b"a.npy", b"1.npy"), "an array appears twice"),
    "other_file": (npz(b"#!/bin/sh", name="run.sh"), "'run.sh' is no stored or deflated .npy"),
    "lzma": (npz(npy(""), method=zipfile.ZIP_LZMA), "is no stored or deflated .npy"),
    "encrypted": (flagged(npz(npy("")), 1), "is no stored or deflated .npy"),
    "huge_shape": (npz(npy(HEADER % ("<f4", "(900000000, 900000000)"))), "bytes, it has 0"),
    "wrapping_shape": (npz(npy(HEADER % ("<f4", "(4611686018427387904, 4)"))), "is no array"),
    "many_dims": (npz(npy(HEADER % ("<f4", "(" + "1, " * 100 + ")"), bytes(4))), "dimension"),
    "negative": (npz(npy(HEADER % ("<f4", "(-1,)"), bytes(4))), "is no array of plain"),
    "too_little": (npz(npy(HEADER % ("<f4", "(3,)"), bytes(11))), "needs 12 bytes, it has 11"),
    "too_much": (npz(npy(HEADER % ("<f4", "(3,)"), bytes(13))), "needs 12 bytes, it has 13"),
    "no_header": (npz(b"\x93NUMPY\x01\x00\xff"), "is no array of plain"),
    "unclosed": (npz(npy("{'descr': ((((")), "is no array of plain"),
    "minus": (npz(npy("-" * 9000 + "1")), "is no array of plain"),
    "code": (npz(npy("__import__('os').system('true')")), "is no array of plain"),
    "wrong_sum": (saved(a=np.zeros(9)).replace(bytes(8), b"\1" * 8, 1), "CRC"),
    "declared": (lying(saved(np.savez_compressed, a=np.zeros(8)), 1 << 30), "at most 67108864"),
    "long_name": (npz(b"", name="n" * 9000), "is no stored or deflated .npy"),
    "many": (npz(*[b""] * 9000), "has a directory of"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_member_that_holds_no_plain_arrays_is_refused(tmp_path, manifest, members, kind):
    data, text = REFUSED[kind]
    bundle = write_bundle(tmp_path / "b.efb", manifest, {**members, "selftest.npz": data or b"\0"})
    refused(
        bundle.path,
        BundleFormatError,
        f"selftest.npz is not an archive of plain arrays .*{text}",
        action=bundle.selftest_vectors,
    )


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_bomb_that_declares_a_kilobyte_is_refused_in_little_memory(
    tmp_path, manifest, members, method
):
    """numpy.load unpacks all of it in either case."""
    data = {**members, "selftest.npz": bomb(method)}
    bundle = write_bundle(tmp_path / "b.efb", manifest, data)
    text = "is not an archive of plain arrays"
    refused(bundle.path, BundleFormatError, text, action=bundle.selftest_vectors)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i2", "i4", "i8", "u8"])
def test_plain_arrays_come_back_as_numpy_wrote_them(save, dtype):
    arrays = {
        "cube": np.arange(24, dtype=dtype).reshape(2, 3, 4),
        "turned": np.arange(24, dtype=dtype).reshape(4, 6).T,
        "number": np.array(7, dtype),
        "none": np.zeros((0, 5), dtype),
    }
    found = load_npz(saved(save, **arrays))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and found[name].flags.writeable
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_vectors_of_nan_fail_the_selftest(pipeline, tmp_path):
    vectors = pipeline.bundle.selftest_vectors()
    vectors["embedder_split_output"][:] = np.nan
    path = bundles.rebuilt(
        pipeline.bundle, tmp_path / "nan.efb", members={"selftest.npz": bundles.npz(vectors)}
    )
    with pytest.raises(BundleFormatError, match="NaN or Inf in 'embedder_split_output'"):
        Pipeline.open(path)


def test_vectors_that_are_missing_fail_the_selftest(pipeline, tmp_path):
    path = bundles.rebuilt(
        pipeline.bundle, tmp_path / "few.efb", members={"selftest.npz": bundles.npz({})}
    )
    with pytest.raises(BundleFormatError, match="selftest.npz has no 'embedder_split_output'"):
        Pipeline.open(path)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_change_of_the_bytes_gives_arrays_or_value_error(data):
    raw = bytearray(saved(np.savez_compressed, a=np.arange(6.0), b=np.zeros((2, 3), np.int8)))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        arrays = load_npz(bytes(raw))
    except ValueError:
        return
    assert all(isinstance(array, np.ndarray) for array in arrays.values())


def test_shipped_bundle_has_plain_arrays_only():
    bundle = Bundle.open()
    for name in bundle.manifest["members"]:
        if name.endswith(".npz"):
            assert bundle.arrays(name)
