"""A person's own data: set, kept, exported; expired people; the person's own copy."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from edgeface.errors import GalleryError, UnknownIdentityError
from edgeface.gallery import Gallery, ImportReport
from edgeface.gallery_template import Valid
from tests.gallery.conftest import KEY, MODEL

ALL = {
    "consent_at": "2026-01-31",
    "expires_at": "2099-12-31T18:00:00Z",
    "groups": ("staff", "night"),
    "card": (12, 34567),
    "blocked": True,
}
KEPT = {**ALL, "consent_at": "2026-01-31T00:00:00Z"}


def own_data(person) -> dict:
    return {key: getattr(person, key) for key in ALL}


@pytest.mark.parametrize("key", [None, KEY])
def test_own_data_is_kept_and_what_is_not_named_stays(open_gallery, unit, key):
    gallery = open_gallery(key=key)
    gallery.enroll("Ann", unit(2))
    assert own_data(gallery.people()[0]) == dict(
        consent_at=None, expires_at=None, groups=(), card=None, blocked=False
    )
    person = gallery.describe("Ann", **ALL)
    assert own_data(person) == KEPT and person.templates == 2 and not person.needs_enrolment
    gallery.describe("Ann", blocked=False)
    gallery.close()
    again = open_gallery(key=key)
    assert own_data(again.people()[0]) == {**KEPT, "blocked": False}
    again.enroll("Ann", unit(3))
    assert own_data(again.people()[0]) == {**KEPT, "blocked": False}


def test_own_data_can_be_set_with_the_enrolment(gallery, unit):
    gallery.enroll("Ann", unit(1), **ALL)
    assert own_data(gallery.people()[0]) == KEPT


def test_times_are_taken_in_any_zone(gallery, unit):
    zone = timezone(timedelta(hours=2))
    gallery.enroll("Ann", unit(1), expires_at=datetime(2099, 1, 1, 1, 30, tzinfo=zone))
    assert gallery.people()[0].expires_at == "2098-12-31T23:30:00Z"


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"age": 3}, TypeError, "a person has no 'age'; expected some of consent_at"),
        ({"blocked": "no"}, TypeError, "blocked is True or False, not str"),
        ({"card": 5}, TypeError, r"card is \(facility, number\)"),
        ({"card": (1, True)}, TypeError, r"card is \(facility, number\)"),
        ({"card": (70000, 1)}, ValueError, "a facility of 0 to 65535"),
        ({"card": (1, -1)}, ValueError, "a number of 0 to 4294967295"),
        ({"groups": "staff"}, TypeError, "groups is several texts"),
        ({"groups": ("a b",)}, ValueError, "found 'a b'; expected at most 64 names"),
        ({"groups": [f"g{i}" for i in range(65)]}, ValueError, "found 65; expected at most 64"),
        ({"expires_at": 5}, TypeError, "expires_at is a datetime or text, not int"),
        ({"expires_at": "tomorrow"}, ValueError, "is 'tomorrow'; expected 2026-01-31 or"),
        ({"expires_at": "2026-02-30"}, ValueError, "is '2026-02-30'; expected"),
        ({"consent_at": datetime(2026, 1, 1)}, ValueError, "without its zone: make it aware"),
    ],
)
def test_other_data_is_refused_and_nothing_changed(gallery, unit, changes, kind, text):
    gallery.enroll("Ann", unit(1), **ALL)
    with pytest.raises(kind, match=text):
        gallery.describe("Ann", **{"blocked": False, **changes})
    with pytest.raises(kind, match=text):
        gallery.enroll("Bob", unit(1, seed=1), **changes)
    assert [own_data(person) for person in gallery.people()] == [KEPT]


def test_people_are_the_same_tuple_until_the_gallery_changes(gallery, unit):
    gallery.enroll("Ann", unit(1))
    before = gallery.people()
    gallery.identify(unit(1)[0], threshold=0.5, margin=0)
    assert gallery.people() is before
    gallery.describe("Ann", blocked=True)
    assert gallery.people() is not before and gallery.people()[0].blocked


def test_card_belongs_to_one_person(gallery, unit):
    gallery.enroll("Ann", unit(1), card=(1, 2))
    with pytest.raises(GalleryError, match=r"card \(1, 2\) would be that of 'Ann' and of 'Bob'"):
        gallery.enroll("Bob", unit(1, seed=1), card=(1, 2))
    gallery.describe("Ann", card=(1, 2))
    gallery.describe("Ann", card=None)
    gallery.enroll("Bob", unit(1, seed=1), card=(1, 2))
    assert [person.card for person in gallery.people()] == [None, (1, 2)]


def test_nobody_unknown_is_described(gallery):
    with pytest.raises(UnknownIdentityError, match=r"nobody is enrolled as 'Ann' .*\(0 people\)"):
        gallery.describe("Ann", blocked=True)


def test_import_gives_nobody_anothers_card(tmp_path, gallery, open_gallery, unit):
    gallery.enroll("Ann", unit(1), card=(1, 2))
    gallery.export_file(tmp_path / "all.efg")
    other = open_gallery(tmp_path / "other.db")
    other.enroll("Bob", unit(1, seed=1), card=(1, 2))
    with pytest.raises(GalleryError, match="that of 'Bob' and of 'Ann'.*nothing was changed"):
        other.import_file(tmp_path / "all.efg")
    assert [person.name for person in other.people()] == ["Bob"]


# Expiry


def test_expired_person_is_not_recognised_and_stays_listed(gallery, unit):
    ann, bob = unit(1, seed=1), unit(1, seed=2)
    gallery.enroll("Ann", ann, expires_at="2020-01-01")
    gallery.enroll("Bob", bob)
    answer = gallery.identify(ann[0], threshold=0.5, margin=0)
    assert answer.identity is None and [c.name for c in answer.candidates] == ["Bob"]
    check = gallery.verify("Ann", ann[0], threshold=0.5)
    assert not check and check.expired and check.score > 0.99
    assert [person.name for person in gallery.people()] == ["Ann", "Bob"]
    gallery.describe("Ann", expires_at=None)
    assert gallery.identify(ann[0], threshold=0.5, margin=0).identity == "Ann"
    assert gallery.verify("Ann", ann[0], threshold=0.5)


def test_expired_person_is_named_to_who_asks_where_nobody_else_is_recognised(gallery, unit):
    ann, bob = unit(1, seed=1), unit(1, seed=2)
    gallery.enroll("Ann", ann, expires_at="2020-01-01")
    gallery.enroll("Bob", bob)
    asked = {"threshold": 0.5, "margin": 0, "expired": True}
    answer = gallery.identify(ann[0], **asked)
    assert answer.identity == "Ann" and [c.name for c in answer.candidates] == ["Ann", "Bob"]
    stranger = gallery.identify(unit(1, seed=3)[0], **asked)
    assert stranger.identity is None and [c.name for c in stranger.candidates] == ["Bob"]
    gallery.enroll("Ann Lee", ann)  # enrolled anew under another name
    assert gallery.identify(ann[0], **asked).identity == "Ann Lee"


def test_person_expires_while_the_gallery_is_open(gallery, unit):
    soon = datetime.now(timezone.utc) + timedelta(seconds=2)
    gallery.enroll("Ann", unit(1), expires_at=soon)
    ends = gallery.people()[0].expires_at
    seen = []
    while datetime.now(timezone.utc) < soon + timedelta(seconds=0.2):
        before = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        known = gallery.identify(unit(1)[0], threshold=0.5, margin=0).identity is not None
        seen.append(known)
        assert known or before >= ends or datetime.now(timezone.utc) >= soon.replace(microsecond=0)
    assert seen[0] and not seen[-1]


def test_clock_that_goes_back_makes_a_new_choice(gallery, unit):
    gallery.enroll("Ann", unit(1), expires_at="2020-01-01")
    whole = gallery._current()
    valid = Valid.now(whole)
    assert valid.holds(whole) and len(valid.templates.owners) == 0
    earlier = Valid(whole, valid.templates, since="2099-01-01T00:00:00Z", until="~")
    assert not earlier.holds(whole)


def test_everybody_expired_is_an_empty_gallery(gallery, unit):
    gallery.enroll("Ann", unit(1), expires_at="2020-01-01")
    assert gallery.identify(unit(1)[0], threshold=0.5, margin=0).reason == "empty_gallery"


# Exports


def test_export_and_import_keep_own_data_and_blocks(tmp_path, gallery, open_gallery, unit):
    gallery.enroll("Ann", unit(2), **ALL)
    gallery.enroll("Bob", unit(1, seed=1))
    gallery.export_file(tmp_path / "all.efg")
    with open_gallery(tmp_path / "other.db", key=KEY) as other:
        assert other.import_file(tmp_path / "all.efg") == ImportReport(2, 3, 0)
        assert other.people() == gallery.people()
        other.describe("Ann", groups=("visitors",))
        other.import_file(tmp_path / "all.efg")
        assert other.people()[0].groups == ("visitors",)


@pytest.mark.parametrize("templates", [False, True])
def test_person_gets_everything_that_is_held(tmp_path, sealed, unit, templates):
    sealed.enroll("Zo\u00eb", unit(2), **ALL)
    sealed.enroll("Bob", unit(1, seed=1))
    sealed.backup(tmp_path / "copy.db")
    place = tmp_path / "zoe.json"
    sealed.export_person("Zoe\u0308", place, templates=templates)
    account = json.loads(place.read_text("utf-8"))
    assert account["person"]["name"] == "Zo\u00eb" and "Bob" not in place.read_text("utf-8")
    assert account["person"]["groups"] == ["staff", "night"]
    assert account["templates"] == {MODEL: 2}
    assert account["backups"][0]["path"] == str(tmp_path / "copy.db")
    assert place.stat().st_mode & 0o077 == 0
    assert ("template_values" in account) == templates
    if templates:
        values = [np.float32(entry["values"]) for entry in account["template_values"]]
        np.testing.assert_array_equal(values, unit(2))


def test_account_is_of_somebody_known_and_never_over_the_gallery(tmp_path, gallery, unit):
    gallery.enroll("Ann", unit(1))
    with pytest.raises(UnknownIdentityError):
        gallery.export_person("Bob", tmp_path / "bob.json")
    with pytest.raises(GalleryError, match="is the gallery itself"):
        gallery.export_person("Ann", gallery.path)
    with pytest.raises(GalleryError, match="cannot write .*No such file"):
        gallery.export_person("Ann", tmp_path / "no" / "ann.json")
    with Gallery.open(gallery.path, model_id=MODEL) as again:
        assert len(again) == 1
