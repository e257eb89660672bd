"""Encrypting a gallery, and exchanging its key: complete, and nothing readable stays."""

from __future__ import annotations

import sqlite3

import pytest

from edgeface.errors import GalleryError, GalleryKeyError
from edgeface.gallery import Gallery
from edgeface.gallery_key import GalleryKey
from tests.faults import in_child
from tests.gallery.conftest import KEY, MODEL, OTHER, on_disk, pieces
from tests.gallery.test_gallery_disk import limit_files


def test_encrypting_keeps_everything_and_leaves_nothing_readable(tmp_path, gallery, unit):
    everything = [unit(7, seed=i) for i in range(30)]
    for i, rows in enumerate(everything):
        gallery.enroll(f"person {i:02}", rows, groups=("staff",))
    secrets = [piece for rows in everything for piece in pieces(rows)] + [b"person 0", b"staff"]
    assert len(on_disk(tmp_path, *secrets)) == len(secrets)
    before = gallery.people()
    gallery.encrypt(KEY)
    assert not on_disk(tmp_path, *secrets)
    assert gallery.encrypted and gallery.people() == before
    gallery.enroll("new", unit(1, seed=99))
    gallery.close()
    assert not on_disk(tmp_path, *secrets)
    with Gallery.open(gallery.path, model_id=MODEL, key=KEY) as again:
        assert len(again) == 31
        assert again.verify("person 29", everything[29][6], threshold=0.999)


def test_gallery_is_encrypted_once(sealed):
    with pytest.raises(GalleryKeyError, match="is encrypted already: change its key with rekey"):
        sealed.encrypt(OTHER)


@pytest.mark.parametrize("reseal_rows", [False, True])
def test_after_another_key_the_old_one_opens_nothing(sealed, open_gallery, unit, reseal_rows):
    sealed.enroll("Ann", unit(3), card=(1, 2))
    sealed.erase("Ann")
    sealed.enroll("Bob", unit(3), card=(1, 2))
    sealed.rekey(OTHER, reseal_rows=reseal_rows)
    sealed.enroll("Eve", unit(1, seed=5))
    with pytest.raises(GalleryKeyError):
        open_gallery(key=KEY)
    again = open_gallery(key=OTHER)
    assert [person.name for person in again.people()] == ["Bob", "Eve"]
    assert again.erasure_of("Ann") is not None
    assert again.check().templates == 4


@pytest.mark.parametrize("reseal_rows", [False, True])
def test_old_wrapped_key_is_nowhere_in_the_file(tmp_path, sealed, unit, reseal_rows):
    sealed.enroll("Ann", unit(3))
    with sqlite3.connect(sealed.path) as db:
        old = db.execute("SELECT value FROM setting WHERE key = 'key'").fetchone()[0]
        row = db.execute("SELECT embedding FROM template").fetchone()[0]
    db.close()
    wrapped = old.partition('"wrapped": "')[2][:40].encode()
    assert on_disk(tmp_path, wrapped)
    sealed.rekey(OTHER, reseal_rows=reseal_rows)
    assert not on_disk(tmp_path, wrapped)
    assert bool(on_disk(tmp_path, row[:40])) != reseal_rows


def test_other_processes_notice_an_exchanged_key(sealed, unit):
    sealed.enroll("Ann", unit(1))

    def rekey(to: GalleryKey, reseal_rows: bool):
        def action() -> None:
            with Gallery.open(sealed.path, model_id=MODEL, key=KEY) as mine:
                mine.rekey(to, reseal_rows=reseal_rows)

        return action

    assert in_child(rekey(KEY, True)) == ("", "")
    assert sealed.identify(unit(1)[0], threshold=0.5, margin=0).identity == "Ann"
    sealed.enroll("Bob", unit(1, seed=1))
    assert in_child(rekey(OTHER, False)) == ("", "")
    with pytest.raises(GalleryKeyError, match="rekey changes it"):
        sealed.identify(unit(1)[0], threshold=0.5, margin=0)
    with pytest.raises(GalleryKeyError):
        sealed.enroll("Eve", unit(1, seed=2))


def test_process_that_has_it_open_without_a_key_writes_nothing_readable_after(gallery, unit):
    gallery.enroll("Ann", unit(1))

    def encrypt() -> None:
        with Gallery.open(gallery.path, model_id=MODEL) as mine:
            mine.encrypt(KEY)

    assert in_child(encrypt) == ("", "")
    with pytest.raises(GalleryKeyError, match="is encrypted and no key is given"):
        gallery.enroll("Bob", unit(1, seed=1))
    with pytest.raises(GalleryKeyError, match="is encrypted and no key is given"):
        gallery.people()


def test_encrypting_needs_its_package_and_says_which(tmp_path, unit):
    def without() -> None:
        import sys

        sys.modules["cryptography"] = None
        with Gallery.open(tmp_path / "gallery.db", model_id=MODEL) as gallery:
            gallery.enroll("Ann", unit(1))  # a plain gallery does without
            gallery.encrypt(KEY)

    kind, text = in_child(without)
    assert kind == "GalleryKeyError" and "pip install 'edgeface[door]'" in text
    with Gallery.open(tmp_path / "gallery.db", model_id=MODEL) as gallery:
        assert len(gallery) == 1


def test_nothing_shows_a_key(sealed):
    shown = repr(KEY) + str(vars(sealed)) + repr(sealed._store)
    assert "kkkk" not in shown and repr(KEY) == "GalleryKey(source='file')"


def test_gallery_whose_wrapped_key_is_damaged_is_refused(sealed, open_gallery):
    sealed.close()
    for text in ("{}", "{", '{"source": "passphrase", "wrapped": "%s"}' % ("A" * 80)):
        with sqlite3.connect(sealed.path) as db:
            db.execute("UPDATE setting SET value = ? WHERE key = 'key'", (text,))
        db.close()
        with pytest.raises(GalleryKeyError, match="wrapped key is damaged .*restore a backup"):
            open_gallery(key=KEY)


def test_full_disk_while_encrypting_changes_nothing(tmp_path, unit):
    path = tmp_path / "gallery.db"
    with Gallery.open(path, model_id=MODEL) as gallery:
        for person in range(20):
            gallery.enroll(f"p{person}", unit(8, seed=person))

    def encrypt() -> None:
        with Gallery.open(path, model_id=MODEL) as gallery:
            with pytest.raises(GalleryError, match="full"):
                gallery.encrypt(KEY)
            assert not gallery.encrypted and len(gallery) == 20

    assert in_child(encrypt, prepare=limit_files) == ("", "")
    with Gallery.open(path, model_id=MODEL) as gallery:
        assert gallery.check().people == 20
