"""Bad disks and bad files: read-only, full, damaged, foreign, newer."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3

import pytest

from edgeface.errors import GalleryError, GalleryFormatError
from edgeface.gallery import Gallery
from tests.faults import in_child, remount_read_only, small_disk, unprivileged
from tests.gallery.conftest import MODEL


def enroll_one(path, rows, name="Ann") -> None:
    with Gallery.open(path, model_id=MODEL) as gallery:
        gallery.enroll(name, rows)


# Read-only


def test_read_only_disk_is_named_when_opening_and_when_creating(tmp_path, unit):
    with small_disk(tmp_path / "disk", kib=1024) as disk:
        enroll_one(disk / "gallery.db", unit(1))
        remount_read_only(disk)
        with pytest.raises(GalleryError, match="unable to open database file: the disk or the dir"):
            Gallery.open(disk / "gallery.db", model_id=MODEL)
        with pytest.raises(
            GalleryError, match="Read-only file system: the disk is read-only; make"
        ):
            Gallery.open(disk / "new.db", model_id=MODEL)


def test_directory_that_may_not_be_written_is_named(tmp_path, unit):
    path = tmp_path / "gallery.db"
    enroll_one(path, unit(1))
    path.chmod(0o644)
    tmp_path.chmod(0o555)
    kind, text = unprivileged(lambda: Gallery.open(path, model_id=MODEL), reach=path)
    assert kind == "GalleryError" and "the directory" in text and "read-only" in text
    kind, text = unprivileged(lambda: enroll_one(tmp_path / "new.db", unit(1)), reach=path)
    assert kind == "GalleryError" and "Permission denied: check the path and its perm" in text


def test_file_that_may_not_be_written_is_readable_and_says_why_it_takes_nobody(tmp_path, unit):
    path = tmp_path / "gallery.db"
    enroll_one(path, unit(1))
    path.chmod(0o444)
    tmp_path.chmod(0o777)

    def identify() -> None:
        with Gallery.open(path, model_id=MODEL) as gallery:
            assert gallery.identify(unit(1)[0], threshold=0.5, margin=0).identity == "Ann"

    assert unprivileged(identify, reach=path) == ("", "")
    kind, text = unprivileged(lambda: enroll_one(path, unit(1, seed=1)), reach=path)
    assert kind == "GalleryError"
    assert "readonly database: the disk, the directory or the file is read-only" in text


def test_file_that_may_not_be_read_is_refused(tmp_path, unit):
    path = tmp_path / "gallery.db"
    enroll_one(path, unit(1))
    path.chmod(0)
    kind, text = unprivileged(lambda: Gallery.open(path, model_id=MODEL), reach=path)
    assert kind == "GalleryError" and "unable to open database file" in text


# Full


def fill(gallery: Gallery, unit) -> int:
    """Enrol until the disk refuses; return how many people were accepted."""
    for person in range(10_000):
        try:
            gallery.enroll(f"p{person}", unit(8, seed=person))
        except GalleryError as error:
            assert "full" in str(error)
            return person
    raise AssertionError("the disk never filled")


def test_full_disk_is_named_and_everybody_enrolled_before_stays(tmp_path, unit):
    with small_disk(tmp_path / "disk", kib=512) as disk:
        with Gallery.open(disk / "gallery.db", model_id=MODEL) as gallery:
            accepted = fill(gallery, unit)
            assert accepted > 3
            assert len(gallery) == accepted
            answer = gallery.identify(unit(8, seed=2)[5], threshold=0.5, margin=0)
            assert answer.identity == "p2"
        with Gallery.open(disk / "gallery.db", model_id=MODEL) as gallery:
            assert {person.templates for person in gallery.people()} == {8}
            assert len(gallery) == accepted
            with pytest.raises(GalleryError, match="gallery export .*No space left on device"):
                gallery.export_file(disk / "all.efg")
            gallery.export_file(tmp_path / "all.efg")
        assert not list(disk.glob(".*"))  # no half export
    with Gallery.open(tmp_path / "restored.db", model_id=MODEL) as restored:
        assert restored.import_file(tmp_path / "all.efg").people_added == accepted


def test_creating_on_a_full_disk_is_refused_and_leaves_nothing(tmp_path):
    with small_disk(tmp_path / "disk", kib=16) as disk:
        with pytest.raises(GalleryError, match="full"):
            Gallery.open(disk / "gallery.db", model_id=MODEL)
        assert not list(disk.iterdir())


def limit_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400 << 10, 400 << 10))


def test_size_limit_is_named_and_everybody_enrolled_before_stays(tmp_path, unit):
    # As a full disk, but without the right to mount one.
    path = tmp_path / "gallery.db"

    def fill_up() -> None:
        with Gallery.open(path, model_id=MODEL) as gallery:
            accepted = fill(gallery, unit)
            assert len(gallery) == accepted > 3

    assert in_child(fill_up, prepare=limit_files) == ("", "")
    with Gallery.open(path, model_id=MODEL) as gallery:
        assert {person.templates for person in gallery.people()} == {8}


def test_import_that_does_not_fit_imports_nobody(tmp_path, unit):
    with Gallery.open(tmp_path / "large.db", model_id=MODEL) as large:
        for person in range(60):
            large.enroll(f"p{person}", unit(8, seed=person))
        large.export_file(tmp_path / "all.efg")
    enroll_one(tmp_path / "gallery.db", unit(1))

    def import_all() -> None:
        with Gallery.open(tmp_path / "gallery.db", model_id=MODEL) as gallery:
            with pytest.raises(GalleryError, match="full"):
                gallery.import_file(tmp_path / "all.efg")
            assert [person.name for person in gallery.people()] == ["Ann"]
            gallery.enroll("Bob", unit(1, seed=1))

    assert in_child(import_all, prepare=limit_files) == ("", "")
    with Gallery.open(tmp_path / "gallery.db", model_id=MODEL) as gallery:
        assert [person.name for person in gallery.people()] == ["Ann", "Bob"]


# Not a gallery, or no longer


@pytest.mark.parametrize("content", [b"x", b"GIF89a" * 2000, b"SQLite format 3\0" + bytes(4080)])
def test_file_that_is_no_database_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "photo.gif"
    path.write_bytes(content)
    with pytest.raises(GalleryFormatError, match="damaged or not a gallery|of another program"):
        Gallery.open(path, model_id=MODEL)
    assert path.read_bytes() == content


def test_empty_file_is_a_loss_and_not_a_new_gallery(tmp_path):
    path = tmp_path / "gallery.db"
    path.touch()
    with pytest.raises(GalleryFormatError, match=r"damaged or not a gallery \(0 bytes\): restore"):
        Gallery.open(path, model_id=MODEL)


def test_log_without_its_gallery_is_not_thrown_away(tmp_path):
    (tmp_path / "gallery.db-wal").write_bytes(b"the last enrolments")
    with pytest.raises(GalleryError, match="is missing but its log .* put the gallery back"):
        Gallery.open(tmp_path / "gallery.db", model_id=MODEL)
    assert (tmp_path / "gallery.db-wal").read_bytes() == b"the last enrolments"


def test_directory_is_refused(tmp_path):
    with pytest.raises(GalleryFormatError, match="is not a regular file"):
        Gallery.open(tmp_path, model_id=MODEL)


def test_database_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "browser.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(GalleryFormatError, match="is a database of another program"):
        Gallery.open(path, model_id=MODEL)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        (
            "PRAGMA user_version=3",
            "has schema version 3, this edgeface reads 1 and 2: upgrade edgef",
        ),
        ("PRAGMA user_version=0", "has schema version 0"),
        ("CREATE TRIGGER t AFTER INSERT ON person BEGIN DELETE FROM person; END", "its tables are"),
        ("ALTER TABLE person ADD COLUMN badge TEXT", "its tables are not those of a gallery"),
        ("DELETE FROM setting", "belongs to model None"),
        ("UPDATE template SET embedding=zeroblob(2048)", "template 1 is not whole"),
        ("UPDATE template SET embedding=x'00'", "template 1 is not whole"),
        ("UPDATE person SET record=zeroblob(99)", "person 1 is not whole"),
        ("UPDATE person SET uid=zeroblob(16)", "person 1 is not whole"),
        ("UPDATE person SET tag=zeroblob(16)", "person 1 has another's tag"),
        ("UPDATE template SET person_id=9", "template 1 is not whole"),
    ],
)
def test_gallery_changed_from_outside_is_refused_and_never_deleted(tmp_path, unit, sql, text):
    path = tmp_path / "gallery.db"
    enroll_one(path, unit(1))
    with sqlite3.connect(path) as db:
        db.execute(sql)
    db.close()
    before = path.read_bytes()
    with pytest.raises(GalleryError, match=text):
        Gallery.open(path, model_id=MODEL)
    assert path.read_bytes() == before


def test_damage_at_any_place_is_refused_or_harmless(tmp_path, unit):
    path = tmp_path / "gallery.db"
    with Gallery.open(path, model_id=MODEL) as gallery:
        for person in range(6):
            gallery.enroll(f"person {person}", unit(3, seed=person))
        gallery.remove("person 2")
        sound = gallery._current()
    places = random.Random(0)
    size = path.stat().st_size
    refused = 0
    for _ in range(250):
        offset, bit = places.randrange(size), 1 << places.randrange(8)
        flip(path, offset, bit)
        try:
            with Gallery.open(path, model_id=MODEL) as gallery:
                found = gallery._current()
            assert found.names == sound.names
            assert found.embeddings.tobytes() == sound.embeddings.tobytes()
        except GalleryError:
            refused += 1
        flip(path, offset, bit)
    assert refused > 30
    assert Gallery.open(path, model_id=MODEL)._current().names == sound.names


def flip(path, offset: int, bit: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(offset)
        byte = stream.read(1)[0]
        stream.seek(offset)
        stream.write(bytes([byte ^ bit]))


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_truncated_gallery_is_refused(tmp_path, unit, kept):
    path = tmp_path / "gallery.db"
    enroll_one(path, unit(40))
    os.truncate(path, int(path.stat().st_size * kept))
    with pytest.raises(GalleryFormatError, match="damaged or not a gallery"):
        Gallery.open(path, model_id=MODEL)
