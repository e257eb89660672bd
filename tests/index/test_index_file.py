"""Saving and mapping an index: everything comes back, damage is refused, memory is spared."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeface.errors import GalleryError, GalleryFormatError
from edgeface.index import CosineIndex
from edgeface.index_file import PAGE_BYTES
from tests.index.conftest import assert_same, full_scan, unit_rows


@pytest.fixture
def saved(sketched: CosineIndex, tmp_path: Path) -> Path:
    path = tmp_path / "gallery.efi"
    sketched.save(path)
    return path


def test_saved_index_finds_the_same_and_can_only_be_read(saved: Path, sketched_rows) -> None:
    index = CosineIndex.open(saved)
    for threshold in (None, 0.4):
        found = index.search(sketched_rows[9], 5, threshold=threshold)
        assert_same(found, full_scan(sketched_rows, sketched_rows[9], 5, threshold))
    with pytest.raises(GalleryError, match="writable=True"):
        index.remove(3)
    with pytest.raises(GalleryError, match="writable=True"):
        index.add(sketched_rows[0])


@pytest.mark.parametrize("precision", ["int8", "float32"])
@pytest.mark.parametrize("rows", [0, 1, 40])
def test_small_and_empty_indexes_come_back(tmp_path: Path, precision: str, rows: int) -> None:
    gallery = unit_rows(rows, 12)
    CosineIndex.build(gallery, precision=precision).save(tmp_path / "x")
    index = CosineIndex.open(tmp_path / "x")
    assert len(index) == rows and index.dim == 12
    probe = unit_rows(1, 12, seed=2)[0]
    assert_same(index.search(probe, 5), full_scan(gallery, probe, 5, None))


def test_changes_reach_the_file_only_when_saved(saved: Path, sketched_rows) -> None:
    before = saved.read_bytes()
    index = CosineIndex.open(saved, writable=True)
    index.remove(9)
    assert 9 not in index.search(sketched_rows[9], 5).indices
    assert saved.read_bytes() == before
    index.save(saved)
    assert 9 not in CosineIndex.open(saved).search(sketched_rows[9], 5).indices


@pytest.mark.parametrize("place", [0.1, 0.9, 0.995])
def test_one_flipped_bit_is_found(saved: Path, place: float) -> None:
    data = bytearray(saved.read_bytes())
    data[PAGE_BYTES + int((len(data) - 2 * PAGE_BYTES) * place)] ^= 1
    saved.write_bytes(data)
    with pytest.raises(GalleryFormatError, match="damaged"):
        CosineIndex.open(saved)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an index"),
        (b"SQLite format 3\0" + bytes(9000), "not an index of this version"),
        (b"edgeface index 2\n" + bytes(9000), "not an index of this version"),
        (b"edgeface index 1\n{", "header is damaged"),
        (b"edgeface index 1\n[]" + b" " * 5000, "header is damaged"),
        (b'edgeface index 1\n{"dim": 1}' + b" " * 5000, "header is damaged"),
    ],
)
def test_foreign_file_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(GalleryFormatError, match=message):
        CosineIndex.open(tmp_path / "x")


@pytest.mark.parametrize(
    "change",
    [
        ('"size": 4500', '"size": 9999'),
        ("512", "-512"),
        ("4500", "1e99"),
        ("true", "17"),
        ("4500", "4499"),
        ('"size": 4500', '"size": 4100'),
        ('"dim": 512', '"dim": 0'),
    ],
)
def test_header_that_cannot_be_is_refused(saved: Path, change: tuple[str, str]) -> None:
    data = saved.read_bytes()
    header = data[:PAGE_BYTES].decode().replace(*change).encode().rstrip().ljust(PAGE_BYTES)
    saved.write_bytes(header + data[PAGE_BYTES:])
    with pytest.raises(GalleryFormatError):
        CosineIndex.open(saved)


def test_truncated_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-5000])
    with pytest.raises(GalleryFormatError, match="its header says"):
        CosineIndex.open(saved)


def test_missing_file_and_full_disk_are_errors(sketched: CosineIndex, tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="cannot read index"):
        CosineIndex.open(tmp_path / "nothing")
    with pytest.raises(GalleryError, match="cannot write index"):
        sketched.save(tmp_path / "no" / "such" / "folder")


def test_search_of_a_mapped_index_reads_what_it_needs(saved: Path, sketched_rows) -> None:
    # Pages of the file that a search touched can be dropped again; its own memory cannot.
    code = (
        "import sys, numpy as np\n"
        "from edgeface.index import CosineIndex\n"
        "def kilobytes(kind):\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(int(line.split()[1]) for line in lines if line.startswith(kind))\n"
        "probe = np.load(sys.argv[2])\n"
        "before = kilobytes('RssAnon'), kilobytes('RssFile')\n"
        "index = CosineIndex.open(sys.argv[1], verify=False)\n"
        "assert index.search(probe, 1, threshold=0.4).indices.tolist() == [9]\n"
        "print(kilobytes('RssAnon') - before[0], kilobytes('RssFile') - before[1])\n"
    )
    probe = saved.with_name("probe.npy")
    np.save(probe, sketched_rows[9])
    result = subprocess.run(
        [sys.executable, "-c", code, str(saved), str(probe)],
        capture_output=True,
        text=True,
        check=True,
    )
    own, mapped = (int(word) * 1024 for word in result.stdout.split())
    assert own < 2 << 20
    assert mapped < 0.4 * saved.stat().st_size
