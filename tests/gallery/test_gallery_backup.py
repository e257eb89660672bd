"""Backups while the gallery is in use, the check of a whole gallery, bad disks."""

from __future__ import annotations

import fcntl
import resource
import signal
import sqlite3
import threading

import pytest

from edgeface.errors import GalleryError, GalleryFormatError, GalleryKeyError
from edgeface.gallery import Gallery
from tests.faults import in_child, small_disk
from tests.gallery.conftest import KEY, MODEL, OTHER, on_disk, pieces
from tests.gallery.test_gallery_disk import limit_files


def test_backup_opens_with_the_same_key_and_holds_everybody(tmp_path, sealed, open_gallery, unit):
    sealed.enroll("Ann", unit(3), groups=("staff",))
    sealed.backup(tmp_path / "copy.db")
    assert not on_disk(tmp_path, *pieces(unit(3)), b"Ann", b"staff")
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    with pytest.raises(GalleryKeyError):
        open_gallery(tmp_path / "copy.db", key=OTHER)
    copy = open_gallery(tmp_path / "copy.db", key=KEY)
    assert copy.people() == sealed.people() and copy.check().templates == 3


def test_backup_is_one_file_and_leaves_nothing_beside_it(tmp_path, gallery, unit):
    gallery.enroll("Ann", unit(1))
    gallery.backup(tmp_path / "copy.db")
    gallery.backup(tmp_path / "copy.db")
    assert [path for path, _ in gallery.backups()] == [str(tmp_path / "copy.db")]
    gallery.close()
    assert {entry.name for entry in tmp_path.iterdir()} == {"gallery.db", "copy.db"}


def test_backup_is_of_one_moment_while_another_process_enrols(tmp_path, gallery, unit):
    for person in range(60):
        gallery.enroll(f"p{person:03}", unit(8, seed=person))
    stop = threading.Event()
    enrolled = []

    def enrol() -> None:
        with Gallery.open(gallery.path, model_id=MODEL) as mine:
            while not stop.is_set():
                mine.enroll(f"q{len(enrolled):03}", unit(8, seed=1000 + len(enrolled)))
                enrolled.append(1)

    thread = threading.Thread(target=enrol)
    thread.start()
    try:
        for i in range(5):
            before = len(enrolled)
            gallery.backup(tmp_path / f"copy{i}.db")
            with Gallery.open(tmp_path / f"copy{i}.db", model_id=MODEL) as copy:
                people = copy.people()
            assert {person.templates for person in people} == {8}
            assert 60 + before <= len(people) <= 60 + len(enrolled) + 1
    finally:
        stop.set()
        thread.join()
    assert enrolled


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_gallery_is_never_overwritten_by_its_backup(gallery, unit, suffix):
    gallery.enroll("Ann", unit(1))
    with pytest.raises(GalleryError, match="is the gallery itself"):
        gallery.backup(f"{gallery.path}{suffix}")
    assert gallery.check().people == 1


def test_backup_into_a_missing_directory_or_a_full_disk_leaves_no_half(tmp_path, unit):
    path = tmp_path / "gallery.db"
    with Gallery.open(path, model_id=MODEL) as gallery:
        for person in range(60):
            gallery.enroll(f"p{person}", unit(8, seed=person))
        with pytest.raises(GalleryError, match="No such file or directory"):
            gallery.backup(tmp_path / "no" / "copy.db")

    def back_up() -> None:
        with Gallery.open(path, model_id=MODEL) as gallery:
            with pytest.raises(GalleryError, match="full"):
                gallery.backup(tmp_path / "copy.db")

    assert in_child(back_up, prepare=limit_files) == ("", "")
    with Gallery.open(path, model_id=MODEL) as gallery:
        assert len(gallery) == 60
    assert {entry.name for entry in tmp_path.iterdir()} == {"gallery.db"}


def test_backup_that_failed_leaves_the_earlier_one(tmp_path, gallery, unit):
    gallery.enroll("Ann", unit(1))
    gallery.backup(tmp_path / "copy.db")
    with sqlite3.connect(gallery.path) as db:  # damage that SQLite finds while copying
        db.execute("PRAGMA user_version=9")
    db.close()
    with pytest.raises(GalleryFormatError):
        gallery.backup(tmp_path / "copy.db")
    with Gallery.open(tmp_path / "copy.db", model_id=MODEL) as copy:
        assert len(copy) == 1


def test_half_copy_of_a_process_that_was_killed_goes_with_the_next_erasure(tmp_path, gallery, unit):
    gallery.enroll("Ann", unit(1))
    gallery.enroll("Bob", unit(1, seed=1))
    gallery.backup(tmp_path / "copy.db")
    half = tmp_path / ".copy.db.part"
    half.write_bytes(unit(1).tobytes())
    with half.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(GalleryError, match="another process is writing a backup to"):
            gallery.backup(tmp_path / "copy.db")
        gallery.erase("Bob")
        assert half.exists()
    (tmp_path / "copy.db").unlink()
    gallery.erase("Ann")
    assert not on_disk(tmp_path, *pieces(unit(1)))


def test_check_says_what_there_is(sealed, unit):
    sealed.enroll("Ann", unit(3))
    sealed.enroll("Bob", unit(2, seed=1))
    sealed.erase("Bob")
    found = sealed.check()
    assert (found.people, found.templates, found.needing_enrolment) == (1, 3, 0)
    assert (found.erasures, found.encrypted, found.traces) == (1, True, False)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("UPDATE template SET digest = zeroblob(16)", "template 1 has another's digest"),
        ("PRAGMA foreign_keys=OFF; DELETE FROM person", "1 rows of nobody"),
        (
            "UPDATE setting SET value = 'ab' WHERE key = 'receipt_key'",
            "its receipt key is not whole",
        ),
        (
            "UPDATE setting SET value = 'x' WHERE key = 'receipt_key'",
            "its receipt key is not whole",
        ),
        ("DELETE FROM setting WHERE key = 'receipt_key'", "its settings are not all there"),
    ],
)
def test_check_finds_what_identification_need_not_know(sealed, unit, sql, text):
    sealed.enroll("Ann", unit(1))
    with sqlite3.connect(sealed.path) as db:
        db.executescript(sql)
    db.close()
    with pytest.raises(GalleryFormatError, match=text):
        sealed.check()


def test_full_disk_loses_nobody_in_an_encrypted_gallery(tmp_path, unit):
    with small_disk(tmp_path / "disk", kib=768) as disk:
        filler = disk / "filler"
        filler.write_bytes(bytes(256 << 10))
        with Gallery.open(disk / "gallery.db", model_id=MODEL, key=KEY) as gallery:
            accepted = 0
            with pytest.raises(GalleryError, match="full"):
                while True:
                    gallery.enroll(f"p{accepted}", unit(8, seed=accepted))
                    accepted += 1
            assert accepted > 3 and gallery.check().people == accepted
            for change in (
                lambda: gallery.rekey(OTHER, reseal_rows=True),
                lambda: gallery.erase("p0"),
                lambda: gallery.backup(disk / "copy.db"),
            ):
                with pytest.raises(GalleryError, match="full"):
                    change()
            assert gallery.identify(unit(8)[0], threshold=0.5, margin=0).identity == "p0"
            filler.unlink()
            assert gallery.erase("p0").templates == 8
        with Gallery.open(disk / "gallery.db", model_id=MODEL, key=KEY) as gallery:
            assert gallery.check().people == accepted - 1


def test_disk_that_takes_nothing_any_more_stops_no_identification(tmp_path, unit):
    # As a card that turned read-only while the door runs; nothing can be remounted under SQLite.
    def run() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with Gallery.open(tmp_path / "gallery.db", model_id=MODEL, key=KEY) as gallery:
            gallery.enroll("Ann", unit(1))
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
            for change in (
                lambda: gallery.enroll("Bob", unit(1, seed=1)),
                lambda: gallery.describe("Ann", blocked=True),
                lambda: gallery.erase("Ann"),
                lambda: gallery.rekey(OTHER),
            ):
                with pytest.raises(GalleryError, match="full"):
                    change()
                assert gallery.identify(unit(1)[0], threshold=0.5, margin=0).identity == "Ann"
            assert not gallery.people()[0].blocked

    assert in_child(run) == ("", "")
    with Gallery.open(tmp_path / "gallery.db", model_id=MODEL, key=KEY) as gallery:
        assert [person.name for person in gallery.people()] == ["Ann"]
        assert gallery.erasures() == ()
