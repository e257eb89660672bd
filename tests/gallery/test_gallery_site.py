"""A gallery as a site's copy: all of what is told or nothing, exactly that, and nobody's else."""

from __future__ import annotations

import os
import random
import signal
import time

import numpy as np
import pytest

from edgeface.errors import GalleryError
from edgeface.gallery import Gallery, SiteEntry
from edgeface.gallery_key import GalleryKey
from edgeface.gallery_person import PersonRecord, decode, encode
from tests.faults import forked
from tests.gallery.conftest import MODEL

NOTHING = {"groups": (), "consent_at": None, "expires_at": None, "card": None, "blocked": False}


def uid_of(person: int) -> str:
    return f"{person:032x}"


def rows_of(person: int, count: int = 2) -> np.ndarray:
    rows = np.random.default_rng(person).standard_normal((count, 512)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def told(person: int, *, version: int = 1, name: str = "", count: int = 2, **changes) -> SiteEntry:
    return SiteEntry(
        uid_of(person),
        version,
        name or f"p{person}",
        {**NOTHING, **changes},
        rows_of(person, count),
        copy=f"copy {version}",
    )


def gone(person: int, *, version: int = 9) -> SiteEntry:
    return SiteEntry(uid_of(person), version)


def names(gallery: Gallery) -> list[str]:
    return [person.name for person in gallery.people()]


def test_person_told_is_recognised_and_has_what_the_site_says(open_gallery):
    gallery = open_gallery()
    assert gallery.apply([told(1, groups=("staff",), card=(7, 8), blocked=True)], cursor="c1")
    (person,) = gallery.people()
    assert (person.name, person.groups, person.card, person.blocked) == (
        "p1",
        ("staff",),
        (7, 8),
        True,
    )
    assert (person.site_id, person.site_version, person.site_copy) == (uid_of(1), 1, "copy 1")
    assert person.templates == 2 and gallery.verify("p1", rows_of(1)[1], threshold=0.99)
    assert gallery.holding().site.cursor == "c1"


def test_templates_are_replaced_exactly_and_the_name_changes(open_gallery):
    gallery = open_gallery()
    gallery.apply([told(1, count=3)], cursor="c1")
    gallery.apply([told(1, version=2, name="Ada", count=1)], cursor="c2")
    holding = gallery.holding()
    assert [(p.name, p.templates) for p in holding.people] == [("Ada", 1)]
    assert np.array_equal(holding.rows[0], rows_of(1, 1))
    assert gallery.check().templates == 1 and not gallery.check().traces


def test_who_goes_is_erased_with_a_receipt(open_gallery):
    gallery = open_gallery()
    gallery.apply([told(1), told(2)], cursor="c1")
    gallery.apply([gone(1), gone(7)], cursor="c2")
    assert names(gallery) == ["p2"]
    receipt = gallery.erasure_of("p1")
    assert receipt.templates == 2 and gallery.erasures() == (receipt,)


def test_whole_answer_takes_who_is_not_in_it_but_nobody_of_this_gallery_alone(open_gallery, unit):
    gallery = open_gallery()
    gallery.enroll("Local", unit(1))
    gallery.apply([told(1), told(2)], cursor="c1")
    gallery.apply([told(2, version=4), told(3)], cursor="c2", whole=True)
    assert names(gallery) == ["Local", "p2", "p3"]


def test_names_and_cards_that_go_round_arrive(open_gallery):
    gallery = open_gallery()
    gallery.apply([told(1, card=(1, 1)), told(2, card=(1, 2)), told(3)], cursor="c1")
    exchanged = [told(1, name="p2", card=(1, 2)), told(2, name="p1", card=(1, 1))]
    gallery.apply(exchanged, cursor="c2")
    assert {p.name: (p.site_id, p.card) for p in gallery.people()} == {
        "p2": (uid_of(1), (1, 2)),
        "p1": (uid_of(2), (1, 1)),
        "p3": (uid_of(3), None),
    }


def test_name_given_to_another_is_his_at_once_and_the_other_waits_under_another_name(open_gallery):
    gallery = open_gallery()
    gallery.apply([told(1, card=(1, 1)), told(2)], cursor="c1")
    gallery.apply([told(2, version=2, name="p1", card=(1, 1))], cursor="c2")
    first, second = sorted(gallery.people(), key=lambda person: person.site_id)
    assert (second.name, second.card) == ("p1", (1, 1))
    assert first.name.startswith("p1 (") and first.card is None and first.site_version is None


def test_somebody_of_the_gallery_alone_becomes_the_site_s_person_of_that_name(open_gallery, unit):
    gallery = open_gallery()
    gallery.enroll("p1", unit(2), groups=("old",))
    enrolled_at = gallery.people()[0].enrolled_at
    gallery.apply([told(1, groups=("new",))], cursor="c1")
    (person,) = gallery.people()
    assert (person.site_id, person.groups, person.templates) == (uid_of(1), ("new",), 2)
    assert person.enrolled_at == enrolled_at
    assert np.array_equal(gallery.holding().rows[0], rows_of(1))


def test_name_that_is_another_s_id_takes_nothing_from_that_one(open_gallery):
    gallery = open_gallery()
    gallery.apply([told(1)], cursor="c1")
    gallery.apply([told(2, name=uid_of(1))], cursor="c2")
    assert {person.name: person.site_id for person in gallery.people()} == {
        "p1": uid_of(1),
        uid_of(1): uid_of(2),
    }


def test_gallery_that_somebody_changed_meanwhile_is_left_alone(open_gallery, unit):
    gallery = open_gallery()
    gallery.apply([told(1)], cursor="c1")
    seen = gallery.holding()
    with Gallery.open(gallery.path, model_id=MODEL) as other:
        other.describe("p1", blocked=True)
    assert not gallery.apply([told(1, version=2)], cursor="c2", seen=seen)
    assert gallery.people()[0].blocked and gallery.holding().site.cursor == "c1"
    assert gallery.apply([told(1, version=2)], cursor="c2", seen=gallery.holding())
    assert not gallery.people()[0].blocked


def test_what_is_taken_out_here_is_noted_until_the_site_was_told(open_gallery, unit):
    gallery = open_gallery()
    gallery.enroll("Local", unit(1))
    gallery.apply([told(1), told(2, version=5), told(3)], cursor="c1")
    gallery.remove("p1")
    gallery.erase("p2")
    gallery.remove("Local")
    assert gallery.holding().site.removed == ((uid_of(1), 1), (uid_of(2), 5))
    gallery.settle_removed(uid_of(1))
    assert gallery.holding().site.removed == ((uid_of(2), 5),)
    gallery.apply([gone(3)], cursor="c2")
    assert gallery.holding().site.removed == ((uid_of(2), 5),)
    gallery.apply([], cursor="c3", whole=True)
    assert gallery.holding().site.removed == ()


def test_link_is_for_somebody_of_this_gallery_alone_and_changes_nothing_else(open_gallery, unit):
    gallery = open_gallery()
    gallery.enroll("Local", unit(1), groups=("staff",))
    assert gallery.link("Local", uid=uid_of(4), version=2, copy="x")
    assert not gallery.link("Local", uid=uid_of(5), version=2, copy="x")
    assert not gallery.link("Nobody", uid=uid_of(5), version=2, copy="x")
    (person,) = gallery.people()
    assert (person.site_id, person.site_version, person.groups) == (uid_of(4), 2, ("staff",))


def test_enrolment_on_its_way_that_is_removed_meanwhile_is_noted(open_gallery, unit):
    gallery = open_gallery()
    gallery.enroll("Local", unit(1))
    assert gallery.sending("Local", "note") and not gallery.sending("Nobody", "note")
    gallery.erase("Local")
    assert gallery.holding().site.removed == (("note", -1),)
    gallery.settle_removed("note", known_as=(uid_of(3), 7))
    assert gallery.holding().site.removed == ((uid_of(3), 7),)


@pytest.mark.parametrize(
    "entries",
    [
        [told(1), told(2, name="p1")],
        [told(1), told(1, name="other")],
        [told(1), told(2, name=" ")],
        [told(1), told(2, groups=("no group",))],
        [told(1), SiteEntry(uid_of(2), 1, "p2", NOTHING, np.ones((1, 512), np.float32))],
    ],
)
def test_one_entry_that_cannot_be_leaves_everything_as_it_was(open_gallery, entries):
    gallery = open_gallery()
    gallery.apply([told(9)], cursor="c1")
    with pytest.raises((ValueError, TypeError, GalleryError)):
        gallery.apply(entries, cursor="c2")
    assert names(gallery) == ["p9"] and gallery.holding().site.cursor == "c1"


def test_site_stays_with_an_encrypted_gallery_whose_key_and_rows_change(tmp_path):
    keys = [GalleryKey(bytes([n]) * 32, source="file") for n in range(3)]
    with Gallery.open(tmp_path / "g.db", model_id=MODEL) as gallery:
        gallery.apply([told(1), told(2)], cursor="c1")
        gallery.remove("p2")
        gallery.encrypt(keys[0])
        gallery.rekey(keys[1])
        gallery.rekey(keys[2], reseal_rows=True)
        assert uid_of(1).encode() not in (tmp_path / "g.db").read_bytes()
    with Gallery.open(tmp_path / "g.db", model_id=MODEL, key=keys[2]) as gallery:
        site = gallery.holding().site
        assert (site.cursor, site.removed) == ("c1", ((uid_of(2), 1),))


def test_gallery_without_a_site_is_written_as_before_sites_were_known():
    record = PersonRecord("Ada", "2026-01-31T12:00:00Z", groups=("staff",))
    assert b"site" not in encode(record) and decode(encode(record)) == record
    known = PersonRecord("Ada", "2026-01-31T12:00:00Z", site_id=uid_of(1), site_version=1)
    assert decode(encode(known)) == known


def test_killed_at_any_moment_holds_what_one_cursor_says(tmp_path):
    path = tmp_path / "gallery.db"
    moments = random.Random(0)
    with Gallery.open(path, model_id=MODEL) as gallery:
        gallery.apply([], cursor="0", whole=True)

    def answer(number: int) -> list[SiteEntry]:
        """Three people each time: one new, one changed, one who goes."""
        changed = told(number - 1, version=number, name=f"n{number}", count=1)
        return [told(number, version=number), changed, gone(number - 2)]

    def take_for_ever(acknowledge) -> None:
        with Gallery.open(path, model_id=MODEL) as mine:
            number = int(mine.holding().site.cursor)
            while True:
                number += 1
                mine.apply(answer(number), cursor=str(number))
                acknowledge(b".")

    for _ in range(15):
        with forked(take_for_ever) as child:
            child.read(1)
            time.sleep(moments.uniform(0, 0.03))
            os.kill(child.pid, signal.SIGKILL)
        with Gallery.open(path, model_id=MODEL) as gallery:
            last = int(gallery.holding().site.cursor)
            found = {p.name: (p.site_id, p.templates) for p in gallery.people()}
            assert found == {f"p{last}": (uid_of(last), 2), f"n{last}": (uid_of(last - 1), 1)}
            assert len(gallery.erasures()) == last - 1
    assert last > 15
