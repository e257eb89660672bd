"""Erasure: nothing is left, and a receipt says so without saying who."""

from __future__ import annotations

import json
import random
import sqlite3
from dataclasses import asdict

import pytest

from edgeface.errors import GalleryError, GalleryFormatError, UnknownIdentityError
from edgeface.gallery import Gallery
from tests.faults import in_child
from tests.gallery.conftest import KEY, MODEL, OTHER, on_disk, pieces


def test_erased_person_is_in_no_file_of_the_gallery(tmp_path, gallery, unit):
    ann, bob = unit(9, seed=1), unit(9, seed=2)
    gallery.enroll("Ann Onymous", ann, groups=("secret-group",))
    gallery.enroll("Bob", bob)
    secrets = [*pieces(ann), b"Onymous", b"secret-group"]
    assert on_disk(tmp_path, *secrets) == secrets
    receipt = gallery.erase("Ann Onymous")
    assert receipt.templates == 9 and receipt.models == (MODEL,) and receipt.backups == ()
    assert not on_disk(tmp_path, *secrets)
    assert len(on_disk(tmp_path, *pieces(bob))) == 9
    gallery.close()
    assert not on_disk(tmp_path, *secrets)


def test_erased_ciphertext_is_in_no_file_either(tmp_path, sealed, unit):
    sealed.enroll("Ann", unit(9))
    sealed.enroll("Bob", unit(9, seed=1))
    with sqlite3.connect(sealed.path) as db:
        rows = db.execute("SELECT embedding FROM template WHERE person_id = 1").fetchall()
        rows += db.execute("SELECT record FROM person WHERE id = 1").fetchall()
    db.close()
    secrets = [row[0][20:52] for row in rows]
    assert on_disk(tmp_path, *secrets) == secrets
    sealed.erase("Ann")
    assert not on_disk(tmp_path, *secrets)


@pytest.mark.parametrize("how", ["remove", "erase"])
def test_nothing_is_left_after_any_order_of_coming_and_going(tmp_path, gallery, unit, how):
    # Pages split and merge: rows that moved must leave nothing where they were.
    chance = random.Random(7)
    here, gone = {}, []
    for step in range(150):
        name = f"person-{step:03}-name"
        here[name] = unit(chance.randrange(1, 9), seed=step)
        gallery.enroll(name, here[name])
        if chance.random() < 0.6:
            leaver = chance.choice(sorted(here))
            gone += [*pieces(here.pop(leaver)), leaver.encode()]
            getattr(gallery, how)(leaver)
    assert len(gone) > 300 and len(gallery) == len(here)
    assert not on_disk(tmp_path, *gone)


def test_listed_backups_are_those_made_while_the_person_was_there(tmp_path, gallery, unit):
    gallery.enroll("Ann", unit(3))
    gallery.backup(tmp_path / "copy.db")
    receipt = gallery.erase("Ann")
    assert [path for path, _ in receipt.backups] == [str(tmp_path / "copy.db")]
    # The receipt is right: it is there, and nowhere else.
    (tmp_path / "copy.db").unlink()
    assert not on_disk(tmp_path, *pieces(unit(3)), b"Ann")


def test_receipt_names_nobody_and_is_found_by_the_name(tmp_path, open_gallery, unit):
    for name, key in (("plain.db", None), ("sealed.db", KEY)):
        with open_gallery(tmp_path / name, key=key) as gallery:
            gallery.enroll("Zoe\u0308", unit(2))
            receipt = gallery.erase("Zo\u00eb")
            assert "Zo" not in receipt.to_json()
            assert json.loads(receipt.to_json()) == json.loads(json.dumps(asdict(receipt)))
            assert gallery.erasure_of("Zoe\u0308") == receipt
            assert gallery.erasure_of("Ann") is None
    with open_gallery(tmp_path / "sealed.db", key=KEY) as gallery:
        gallery.rekey(OTHER, reseal_rows=True)
        assert gallery.erasure_of("Zoe\u0308") == receipt


def test_two_galleries_name_one_person_by_different_digests(tmp_path, open_gallery, unit):
    subjects = set()
    for name in ("one.db", "two.db"):
        with open_gallery(tmp_path / name) as gallery:
            gallery.enroll("Ann", unit(1))
            subjects.add(gallery.erase("Ann").subject)
    assert len(subjects) == 2


TAMPERINGS = [
    "DELETE FROM erasure WHERE id = 1",
    "DELETE FROM erasure WHERE id = 2",
    "UPDATE erasure SET receipt = replace(receipt, '\"templates\": 1', '\"templates\": 2')",
    "UPDATE erasure SET receipt = (SELECT receipt FROM erasure WHERE id = 3) WHERE id = 2",
    "UPDATE erasure SET receipt = '{}' WHERE id = 3",
    "UPDATE erasure SET receipt = '[' WHERE id = 3",
]


@pytest.mark.parametrize("sql", TAMPERINGS)
def test_receipts_are_a_chain_that_shows_what_was_done_to_it(gallery, unit, sql):
    for i, name in enumerate(("Ann", "Bob", "Eve")):
        gallery.enroll(name, unit(1, seed=i))
        gallery.erase(name)
    receipts = gallery.erasures()
    assert [r.previous for r in receipts[1:]] == [r.head for r in receipts[:-1]]
    assert gallery.check().erasures == 3
    with sqlite3.connect(gallery.path) as db:
        db.execute(sql)
    db.close()
    with pytest.raises(GalleryFormatError, match="receipt . (does not follow|is no receipt)"):
        gallery.erasures()
    with pytest.raises(GalleryFormatError):
        gallery.check()


def test_nobody_unknown_is_erased_and_no_receipt_written(gallery, unit):
    gallery.enroll("Ann", unit(1))
    with pytest.raises(UnknownIdentityError, match="nobody is enrolled as 'Bob'"):
        gallery.erase("Bob")
    assert gallery.erasures() == () and len(gallery) == 1


def test_somebody_erased_can_come_back(gallery, unit):
    for _ in range(2):
        gallery.enroll("Ann", unit(1))
        last = gallery.erase("Ann")
    assert gallery.erasure_of("Ann") == last and len(gallery.erasures()) == 2


def test_erasing_while_another_process_reads_says_that_a_trace_is_left_and_ends_it_later(
    tmp_path, gallery, open_gallery, unit
):
    gallery.enroll("Ann", unit(1))
    gallery._store.db.execute("PRAGMA busy_timeout=50")  # the real one would take 10 s
    reader = sqlite3.connect(gallery.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM template").fetchall()
    with pytest.raises(GalleryError, match="is erased, and old bytes may be left in its log"):
        gallery.erase("Ann")
    assert len(gallery) == 0 and gallery.erasure_of("Ann") is not None and gallery.check().traces
    reader.close()
    assert open_gallery().check().traces is False
    assert not on_disk(tmp_path, *pieces(unit(1)))


def test_traces_of_a_process_that_was_killed_are_overwritten_at_the_next_opening(tmp_path, unit):
    path = tmp_path / "gallery.db"

    def die() -> None:
        gallery = Gallery.open(path, model_id=MODEL)
        gallery.enroll("Ann", unit(5))
        with gallery._store.writing():
            gallery._store.remove("Ann")

    assert in_child(die) == ("", "")  # ends without closing anything
    assert on_disk(tmp_path, *pieces(unit(5)))
    with Gallery.open(path, model_id=MODEL) as gallery:
        assert len(gallery) == 0 and not on_disk(tmp_path, *pieces(unit(5)))
