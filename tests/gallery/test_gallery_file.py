"""Export and import: complete, repeatable, and closed to whatever is not a sound export."""

from __future__ import annotations

import json
import zipfile
from hashlib import sha256

import numpy as np
import pytest

from edgeface.errors import GalleryError, GalleryFormatError, GalleryModelError
from edgeface.gallery import ImportReport
from tests.gallery.conftest import MODEL


@pytest.fixture
def exported(tmp_path, gallery, unit):
    """An export of Ann (3 templates) and Zoë (1)."""
    gallery.enroll("Zo\u00eb", unit(1, seed=2))
    gallery.enroll("Ann", unit(3, seed=1))
    gallery.export_file(tmp_path / "all.efg")
    return tmp_path / "all.efg"


@pytest.fixture
def other(tmp_path, open_gallery):
    """A second, empty gallery."""
    return open_gallery(tmp_path / "other.db")


@pytest.fixture
def forge(tmp_path, unit):
    """Write an export with chosen flaws."""

    def write(rows=None, *, members=(), **changes):
        data = (unit(2) if rows is None else rows).astype("<f4").tobytes()
        people = [{"name": "Ann", "enrolled_at": "2026-01-31T12:00:00Z", "templates": 2}]
        index = {
            "format": 1,
            "model_id": MODEL,
            "dim": 512,
            "people": people,
            "templates_sha256": sha256(data).hexdigest(),
            **changes,
        }
        files = {"gallery.json": json.dumps(index), "templates.f32": data, **dict(members)}
        with zipfile.ZipFile(tmp_path / "forged.efg", "w") as archive:
            for name, content in files.items():
                if content is not None:
                    archive.writestr(name, content)
        return tmp_path / "forged.efg"

    return write


def test_import_brings_back_everybody_with_times_and_templates(exported, gallery, other, unit):
    assert other.import_file(exported) == ImportReport(2, 4, 0)
    assert other.people() == gallery.people()
    for row in unit(3, seed=1):
        assert other.verify("Ann", row, threshold=0.9999)


def test_importing_twice_changes_nothing(exported, other):
    other.import_file(exported)
    before = other.people()
    assert other.import_file(exported) == ImportReport(0, 0, 4)
    assert other.people() == before


def test_import_adds_templates_to_people_of_the_same_name(exported, other, unit):
    other.enroll("Ann", unit(3, seed=1)[:1])
    other.enroll("Ann", unit(2, seed=7))
    assert other.import_file(exported) == ImportReport(1, 3, 1)
    assert [(person.name, person.templates) for person in other.people()] == [
        ("Ann", 5),
        ("Zo\u00eb", 1),
    ]


def test_export_of_an_import_has_the_same_bytes(tmp_path, exported, other):
    other.import_file(exported)
    other.export_file(tmp_path / "again.efg")
    assert (tmp_path / "again.efg").read_bytes() == exported.read_bytes()


def test_empty_gallery_can_be_exported_and_imported(tmp_path, gallery, other):
    gallery.export_file(tmp_path / "none.efg")
    assert other.import_file(tmp_path / "none.efg") == ImportReport(0, 0, 0)


def test_export_is_for_its_owner_only_and_leaves_no_rubbish(tmp_path, exported, gallery):
    gallery.close()
    assert exported.stat().st_mode & 0o077 == 0
    assert {entry.name for entry in tmp_path.iterdir()} == {"gallery.db", "all.efg"}


def test_export_is_read_without_edgeface_as_the_document_says(exported, unit):
    with zipfile.ZipFile(exported) as archive:
        index = json.loads(archive.read("gallery.json"))
        rows = np.frombuffer(archive.read("templates.f32"), "<f4").reshape(-1, index["dim"])
    assert [(person["name"], person["templates"]) for person in index["people"]] == [
        ("Ann", 3),
        ("Zo\u00eb", 1),
    ]
    np.testing.assert_array_equal(rows, np.concatenate([unit(3, seed=1), unit(1, seed=2)]))


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_gallery_is_never_overwritten_by_its_own_export(gallery, unit, suffix):
    gallery.enroll("Ann", unit(1))
    with pytest.raises(GalleryError, match="is the gallery itself: export to another file"):
        gallery.export_file(f"{gallery.path}{suffix}")
    assert len(gallery) == 1


def test_export_into_a_missing_directory_says_so(tmp_path, gallery):
    with pytest.raises(GalleryError, match="cannot write gallery export .*No such file"):
        gallery.export_file(tmp_path / "no" / "all.efg")


def test_export_of_another_model_is_refused(exported, tmp_path, open_gallery):
    other = open_gallery(tmp_path / "other.db", model_id="f" * 16)
    with pytest.raises(
        GalleryModelError, match="templates of model 0123456789abcdef .*in use is f"
    ):
        other.import_file(exported)
    assert len(other) == 0


def test_missing_export_says_what_to_do(tmp_path, gallery):
    with pytest.raises(GalleryError, match="No such file or directory; check the path"):
        gallery.import_file(tmp_path / "none.efg")


def test_gallery_database_is_not_an_export(exported, gallery, other):
    with pytest.raises(GalleryFormatError, match="is not a gallery export: it does not begin like"):
        other.import_file(gallery.path)


def test_damaged_export_is_refused_whole(exported, other):
    whole = exported.read_bytes()
    for offset in range(0, len(whole), 97):
        exported.write_bytes(whole[:offset] + bytes([whole[offset] ^ 0x40]) + whole[offset + 1 :])
        try:
            other.import_file(exported)
        except GalleryError:
            assert len(other) == 0
        else:  # a byte that means nothing, such as a time stamp of the zip
            assert [person.templates for person in other.people()] == [3, 1]
            other.remove("Ann")
            other.remove("Zo\u00eb")


def test_truncated_export_is_refused(exported, other):
    exported.write_bytes(exported.read_bytes()[:-1])
    with pytest.raises(GalleryFormatError, match="is truncated"):
        other.import_file(exported)


PERSON = {"name": "Ann", "enrolled_at": "2026-01-31T12:00:00Z", "templates": 1}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"format": 3}, r"format: found 3, expected one of \[1, 2\] .*upgrade edgeface"),
        ({"people": [{**PERSON, "templates": 3}]}, "has 4096 bytes, expected 6144"),
        ({"people": [PERSON, PERSON]}, "a name appears twice"),
        ({"people": [PERSON, {**PERSON, "name": "A\tB"}]}, "unprintable"),
        ({"people": [{**PERSON, "templates": 0}]}, r"people\[0\].templates: found 0, expected at"),
        ({"people": [{**PERSON, "enrolled_at": "today"}]}, "enrolled_at: .*2026-01-31T12:00:00Z"),
        ({"templates_sha256": "0" * 64}, "has another SHA-256"),
        ({"surprise": 1}, "surprise: there is no such field"),
        ({"members": {"gallery.json": "{}"}}, r"expected the field\(s\) format, model_id"),
        ({"members": {"gallery.json": "{"}}, "is not strict JSON"),
        ({"members": {"more.txt": "x"}}, "its members are gallery.json, more.txt, templates.f32"),
        ({"members": {"templates.f32": None}}, "its members are gallery.json"),
        ({"members": {"../x": "x"}}, "is not a plain file name"),
    ],
)  # fmt: skip
def test_export_with_a_flaw_is_refused_and_nothing_imported(forge, gallery, changes, text):
    with pytest.raises(GalleryFormatError, match=text):
        gallery.import_file(forge(**changes))
    assert len(gallery) == 0


def test_sound_forgery_is_accepted(forge, gallery):
    assert gallery.import_file(forge()) == ImportReport(1, 2, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.0])
def test_export_with_rows_that_are_no_templates_is_refused(forge, gallery, unit, value):
    rows = unit(2)
    rows[1, 3] = value
    with pytest.raises(GalleryFormatError, match="NaN or infinity|norm 2"):
        gallery.import_file(forge(rows))
    assert len(gallery) == 0
