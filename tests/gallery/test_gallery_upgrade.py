"""Galleries of schema 1, and of another model: read, taken over, nothing deleted."""

from __future__ import annotations

import sqlite3
from hashlib import blake2b

import numpy as np
import pytest

from edgeface.errors import GalleryError, GalleryFormatError, GalleryKeyError, GalleryModelError
from edgeface.gallery import Gallery
from tests.faults import in_child, unprivileged
from tests.gallery.conftest import KEY, MODEL, on_disk, pieces
from tests.gallery.test_gallery_disk import limit_files

NEW = "f" * 16
# As edgeface wrote them before; spelt out here, for nobody is to change it.
SCHEMA_1 = """
PRAGMA page_size=8192;
PRAGMA journal_mode=WAL;
PRAGMA application_id=0x45464731;
PRAGMA user_version=1;
CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE person (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        enrolled_at TEXT NOT NULL);
CREATE TABLE template (
        id INTEGER PRIMARY KEY,
        person_id INTEGER NOT NULL REFERENCES person(id) ON DELETE CASCADE,
        model_id TEXT NOT NULL,
        embedding BLOB NOT NULL,
        digest BLOB NOT NULL,
        UNIQUE (person_id, digest));
"""


def write_schema_1(path, people: dict[str, np.ndarray]) -> None:
    with sqlite3.connect(path) as db:
        db.executescript(SCHEMA_1)
        db.executemany("INSERT INTO setting VALUES (?, ?)", [("model_id", MODEL), ("dim", "512")])
        for number, (name, rows) in enumerate(people.items(), 1):
            db.execute("INSERT INTO person VALUES (?, ?, '2025-05-05T05:05:05Z')", (number, name))
            for blob in (row.tobytes() for row in rows):
                digest = blake2b(name.encode() + b"\0" + blob, digest_size=16).digest()
                sql = (
                    "INSERT INTO template (person_id, model_id, embedding, digest) VALUES (?,?,?,?)"
                )
                db.execute(sql, (number, MODEL, blob, digest))
    db.close()


@pytest.fixture
def old(tmp_path, unit):
    write_schema_1(tmp_path / "gallery.db", {"Zo\u00eb": unit(3, seed=1), "Ann": unit(2, seed=2)})
    return tmp_path / "gallery.db"


def version(path) -> int:
    with sqlite3.connect(path) as db:
        found = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return found


EVERYBODY = [("Ann", 2, "2025-05-05T05:05:05Z"), ("Zo\u00eb", 3, "2025-05-05T05:05:05Z")]


def listed(gallery) -> list[tuple]:
    return [(p.name, p.templates, p.enrolled_at) for p in gallery.people()]


def test_schema_1_is_read_and_left_as_it_is(tmp_path, old, open_gallery, unit):
    before = old.read_bytes()
    with open_gallery() as gallery:
        assert listed(gallery) == EVERYBODY and not gallery.encrypted
        assert gallery.identify(unit(3, seed=1)[2], threshold=0.9, margin=0).identity == "Zo\u00eb"
        assert gallery.check().templates == 5 and gallery.erasures() == ()
        gallery.export_file(tmp_path / "all.efg")
    assert old.read_bytes() == before and version(old) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda gallery, unit: gallery.enroll("Bob", unit(1, seed=9)),
        lambda gallery, unit: gallery.describe("Ann", blocked=True),
        lambda gallery, unit: gallery.encrypt(KEY),
    ],
)
def test_first_change_upgrades_it_and_keeps_a_backup(tmp_path, old, open_gallery, unit, change):
    gallery = open_gallery()
    change(gallery, unit)
    assert listed(gallery)[0] == EVERYBODY[0] and listed(gallery)[-1] == EVERYBODY[1]
    assert version(old) == 2 and gallery.check().people == len(gallery)
    assert gallery.identify(unit(3, seed=1)[2], threshold=0.9, margin=0).identity == "Zo\u00eb"
    [backup] = tmp_path.glob("gallery.db.schema1-*")
    assert version(backup) == 1 and backup.stat().st_mode & 0o077 == 0
    with open_gallery(backup) as kept:
        assert listed(kept) == EVERYBODY
    # Whoever asks to be erased learns of it.
    assert [path for path, _ in gallery.erase("Ann").backups] == [str(backup)]


def test_process_that_had_schema_1_open_goes_on_with_schema_2(old, open_gallery, unit):
    gallery = open_gallery()

    def enroll() -> None:
        with Gallery.open(old, model_id=MODEL) as mine:
            mine.enroll("Bob", unit(1, seed=9))

    assert in_child(enroll) == ("", "")
    assert gallery.identify(unit(1, seed=9)[0], threshold=0.9, margin=0).identity == "Bob"
    gallery.enroll("Eve", unit(1, seed=10))
    assert len(gallery) == 4


def test_schema_1_on_a_disk_without_space_is_read_and_not_half_upgraded(tmp_path, unit):
    path = tmp_path / "large.db"
    write_schema_1(path, {"Ann": unit(400)})  # twice the size that `limit_files` allows

    def enroll() -> None:
        with Gallery.open(path, model_id=MODEL) as gallery:
            with pytest.raises(GalleryError, match="full"):
                gallery.enroll("Bob", unit(1, seed=999))
            assert [person.templates for person in gallery.people()] == [400]

    assert in_child(enroll, prepare=limit_files) == ("", "")
    assert version(path) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["large.db"]


def test_schema_1_that_may_not_be_written_is_read(tmp_path, old, unit):
    old.chmod(0o444)
    tmp_path.chmod(0o777)

    def identify() -> None:
        with Gallery.open(old, model_id=MODEL) as gallery:
            assert gallery.identify(unit(2, seed=2)[0], threshold=0.5, margin=0).identity == "Ann"

    assert unprivileged(identify, reach=old) == ("", "")


def test_damaged_schema_1_is_refused_and_a_key_for_it_too(old, open_gallery):
    with pytest.raises(GalleryKeyError, match="is not encrypted: encrypt it with"):
        open_gallery(key=KEY)
    with sqlite3.connect(old) as db:
        db.execute("UPDATE person SET name = 'Eve' WHERE name = 'Ann'")
    db.close()
    with pytest.raises(GalleryFormatError, match="template 4 is not whole"):
        open_gallery()


def test_encrypting_schema_1_leaves_nothing_readable_but_the_backup(
    tmp_path, old, open_gallery, unit
):
    secrets = [*pieces(unit(3, seed=1)), *pieces(unit(2, seed=2)), b"Ann"]
    gallery = open_gallery()
    assert on_disk(tmp_path, *secrets) == secrets
    gallery.encrypt(KEY)
    [backup] = tmp_path.glob("gallery.db.schema1-*")
    backup.unlink()
    assert not on_disk(tmp_path, *secrets)


# Another model


@pytest.mark.parametrize("key", [None, KEY])
def test_migrating_keeps_everybody_and_asks_for_their_enrolment(open_gallery, unit, key):
    with open_gallery(key=key) as gallery:
        gallery.enroll("Ann", unit(3, seed=1), groups=("staff",))
        gallery.enroll("Bob", unit(2, seed=2))
    with pytest.raises(GalleryModelError, match="edgeface gallery migrate and enrol everybody"):
        open_gallery(model_id=NEW, dim=128, key=key)
    gallery = open_gallery(model_id=NEW, dim=128, key=key, migrate=True)
    assert [(p.name, p.templates, p.needs_enrolment) for p in gallery.people()] == [
        ("Ann", 0, True),
        ("Bob", 0, True),
    ]
    probe = unit(1, seed=5, dim=128)
    assert gallery.identify(probe[0], threshold=0.5, margin=0).reason == "empty_gallery"
    gallery.enroll("Ann", probe)
    assert gallery.identify(probe[0], threshold=0.5, margin=0).identity == "Ann"
    assert gallery.people()[0].groups == ("staff",)
    found = gallery.check()
    assert (found.templates, found.needing_enrolment) == (6, 1)


def test_going_back_to_the_old_model_finds_its_templates(open_gallery, unit):
    open_gallery().enroll("Ann", unit(3))
    open_gallery(model_id=NEW, migrate=True).enroll("Ann", unit(2, seed=1))
    gallery = open_gallery(migrate=True)
    assert gallery.identify(unit(3)[1], threshold=0.9, margin=0).identity == "Ann"
    assert gallery.people()[0].templates == 3


def test_only_what_was_replaced_is_dropped_and_only_when_asked(tmp_path, open_gallery, unit):
    with open_gallery() as gallery:
        gallery.enroll("Ann", unit(3, seed=1))
        gallery.enroll("Bob", unit(2, seed=2))
    gallery = open_gallery(model_id=NEW, migrate=True)
    assert gallery.drop_replaced() == 0
    gallery.enroll("Ann", unit(1, seed=3))
    assert len(on_disk(tmp_path, *pieces(unit(3, seed=1)))) == 3
    assert gallery.drop_replaced() == 3
    assert not on_disk(tmp_path, *pieces(unit(3, seed=1)))
    assert len(on_disk(tmp_path, *pieces(unit(2, seed=2)))) == 2
    assert [p.needs_enrolment for p in gallery.people()] == [False, True]


def test_erasing_reaches_templates_of_every_model(tmp_path, open_gallery, unit):
    open_gallery().enroll("Ann", unit(3))
    gallery = open_gallery(model_id=NEW, migrate=True)
    gallery.enroll("Ann", unit(2, seed=1))
    receipt = gallery.erase("Ann")
    assert receipt.templates == 5 and receipt.models == (MODEL, NEW)
    assert not on_disk(tmp_path, *pieces(unit(3)), *pieces(unit(2, seed=1)))


def test_process_of_the_old_model_is_refused_after_a_migration(open_gallery, unit):
    gallery = open_gallery()
    gallery.enroll("Ann", unit(1))

    def migrate() -> None:
        Gallery.open(gallery.path, model_id=NEW, migrate=True).close()

    assert in_child(migrate) == ("", "")
    with pytest.raises(GalleryModelError, match=f"belongs to model {NEW}"):
        gallery.identify(unit(1)[0], threshold=0.5, margin=0)
    with pytest.raises(GalleryModelError):
        gallery.enroll("Bob", unit(1, seed=1))


def test_schema_1_of_another_model_is_migrated_with_a_backup(tmp_path, old, open_gallery):
    with pytest.raises(GalleryModelError):
        open_gallery(model_id=NEW)
    assert version(old) == 1
    gallery = open_gallery(model_id=NEW, migrate=True)
    assert len(gallery) == 2 and gallery.check().templates == 5
    assert len(list(tmp_path.glob("gallery.db.schema1-*"))) == 1
