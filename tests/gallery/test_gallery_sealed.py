"""Encrypted galleries: nothing readable on the disk, no row exchanged, no wrong key."""

from __future__ import annotations

import sqlite3

import pytest

from edgeface.errors import GalleryFormatError, GalleryKeyError
from edgeface.gallery_key import GalleryKey
from tests.gallery.conftest import KEY, OTHER, on_disk, pieces


def test_nothing_about_a_person_is_readable_in_an_encrypted_gallery(tmp_path, sealed, unit):
    rows = unit(20)
    sealed.enroll("Ann Onymous", rows, groups=("staff",), card=(12, 54321), consent_at="2026-02-03")
    secrets = [*pieces(rows), b"Ann", b"Onymous", b"staff", b"54321", b"2026-02-03"]
    assert not on_disk(tmp_path, *secrets)
    sealed.close()
    assert not on_disk(tmp_path, *secrets)


def test_the_same_secrets_are_readable_in_a_plain_gallery(tmp_path, gallery, unit):
    rows = unit(20)
    gallery.enroll("Ann Onymous", rows, groups=("staff",))
    assert len(on_disk(tmp_path, *pieces(rows), b"Ann", b"staff")) == 22


def test_encrypted_gallery_answers_as_a_plain_one(sealed, open_gallery, tmp_path, unit):
    plain = open_gallery(tmp_path / "plain.db")
    for gallery in (sealed, plain):
        gallery.enroll("Ann", unit(5, seed=1), blocked=True)
        gallery.enroll("Bob", unit(5, seed=2))
        gallery.remove("Bob")
        gallery.enroll("Zoe\u0308", unit(5, seed=3))
        gallery.enroll("Zo\u00eb", unit(8, seed=3)[4:])
    probe = unit(5, seed=3)[4]
    assert sealed.identify(probe, threshold=0.5, margin=0.1) == plain.identify(
        probe, threshold=0.5, margin=0.1
    )
    assert [(p.name, p.templates, p.blocked) for p in sealed.people()] == [
        ("Ann", 5, True),
        ("Zo\u00eb", 8, False),
    ]


def test_key_opens_it_again_and_no_other_does(tmp_path, sealed, open_gallery, unit):
    sealed.enroll("Ann", unit(1))
    sealed.close()
    before = sealed.path.read_bytes()
    with pytest.raises(GalleryKeyError, match="is encrypted and no key is given: name its key"):
        open_gallery()
    with pytest.raises(GalleryKeyError, match="is not opened by this file: give the key"):
        open_gallery(key=OTHER)
    with pytest.raises(GalleryKeyError, match="opened by a key file or command, found a passphr"):
        open_gallery(key=GalleryKey.from_passphrase("correct horse battery"))
    with pytest.raises(GalleryKeyError):
        open_gallery(key=OTHER, migrate=True, model_id="f" * 16)
    assert sealed.path.read_bytes() == before
    assert [person.name for person in open_gallery(key=KEY).people()] == ["Ann"]


def test_plain_gallery_in_place_of_an_encrypted_one_is_refused(tmp_path, open_gallery, unit):
    # Else whoever can write the file puts his own face into a gallery that needs no key.
    open_gallery().enroll("Mallory", unit(1))
    with pytest.raises(GalleryKeyError, match="which is not encrypted: encrypt it with"):
        open_gallery(key=KEY)


def test_passphrase_opens_it_and_another_does_not(tmp_path, open_gallery, unit):
    passphrase = GalleryKey.from_passphrase("correct horse battery")
    open_gallery(key=passphrase).enroll("Ann", unit(1))
    assert len(open_gallery(key=passphrase)) == 1
    with pytest.raises(GalleryKeyError, match="is not opened by this passphrase"):
        open_gallery(key=GalleryKey.from_passphrase("correct horse batteries"))


def test_key_of_one_gallery_copied_into_another_opens_nothing(tmp_path, open_gallery, unit):
    for name in ("one.db", "two.db"):
        with open_gallery(tmp_path / name, key=KEY) as gallery:
            gallery.enroll("Ann", unit(1))
    with sqlite3.connect(tmp_path / "one.db") as one, sqlite3.connect(tmp_path / "two.db") as two:
        wrapped = one.execute("SELECT value FROM setting WHERE key = 'key'").fetchone()
        two.execute("UPDATE setting SET value = ? WHERE key = 'key'", wrapped)
    with pytest.raises(GalleryKeyError):
        open_gallery(tmp_path / "two.db", key=KEY)


FORGERIES = {
    "templates of two people exchanged": """UPDATE template SET person_id = 3 - person_id""",
    "one template given to another": "UPDATE template SET person_id = 2 WHERE id = 1",
    "records of two people exchanged": """UPDATE person SET record =
        (SELECT record FROM person AS other WHERE other.id != person.id)""",
    "uids and tags exchanged": "UPDATE person SET tag = randomblob(16) WHERE id = 1",
    "a template of zeros": "UPDATE template SET embedding = zeroblob(length(embedding))",
    "an empty template": "UPDATE template SET embedding = x''",
    "a person of another's uid": "UPDATE person SET uid = randomblob(16) WHERE id = 1",
    "a plain record": "UPDATE person SET record = x'7b7d' WHERE id = 1",
}


@pytest.mark.parametrize("told", FORGERIES)
def test_rows_exchanged_or_forged_are_refused(sealed, open_gallery, unit, told):
    sealed.enroll("Ann", unit(1, seed=1))
    sealed.enroll("Mallory", unit(1, seed=2))
    sealed.close()
    with sqlite3.connect(sealed.path) as db:
        db.execute(FORGERIES[told])
    db.close()
    with pytest.raises(GalleryFormatError, match="damaged or not a gallery"):
        open_gallery(key=KEY)


def test_row_of_another_gallery_under_the_same_key_is_refused(tmp_path, open_gallery, unit):
    for name in ("one.db", "two.db"):
        with open_gallery(tmp_path / name, key=KEY) as gallery:
            gallery.enroll("Ann", unit(1))
    with sqlite3.connect(tmp_path / "one.db") as db:
        db.execute("ATTACH ? AS two", (str(tmp_path / "two.db"),))
        for table in ("person", "template"):
            db.execute(f"DELETE FROM main.{table}")
            db.execute(f"INSERT INTO main.{table} SELECT * FROM two.{table}")
    db.close()
    with pytest.raises(GalleryFormatError):
        open_gallery(tmp_path / "one.db", key=KEY)


def test_template_of_somebody_erased_cannot_be_given_to_who_comes_next(sealed, open_gallery, unit):
    sealed.enroll("Mallory", unit(1, seed=1))
    with sqlite3.connect(sealed.path) as db:
        old = db.execute("SELECT * FROM template").fetchone()
    db.close()
    sealed.erase("Mallory")
    sealed.enroll("Ann", unit(1, seed=2))  # gets the same row number
    with sqlite3.connect(sealed.path) as db:
        assert db.execute("SELECT id FROM person").fetchall() == [(old[1],)]
        db.execute("INSERT INTO template VALUES (99, ?, ?, ?, ?)", old[1:])
    db.close()
    with pytest.raises(GalleryFormatError, match="template 99 is not whole"):
        sealed.identify(unit(1, seed=1)[0], threshold=0.5, margin=0)


def test_template_passed_off_as_another_models_is_found_by_check(sealed, unit):
    sealed.enroll("Ann", unit(1))
    with sqlite3.connect(sealed.path) as db:
        db.execute("UPDATE template SET model_id = 'other'")
    db.close()
    with pytest.raises(GalleryFormatError, match="template 1 is not whole"):
        sealed.check()
