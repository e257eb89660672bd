"""Many people at once: what comes in, what was there, and all of it or nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeface.errors import GalleryModelError, SiteConflictError
from edgeface.gallery import Gallery
from edgeface.gallery_person import PersonRecord
from edgeface.site.bulk import Incoming, Moved, import_gallery_file, import_people
from tests.site.people import BY, DIM, MODEL, faces

TIME = "2026-01-31T12:00:00Z"


def people(count: int, **own) -> list[Incoming]:
    return [
        Incoming(PersonRecord(f"person {n:03}", TIME, **own), faces(1 + n % 3, seed=n))
        for n in range(count)
    ]


def test_people_come_in_as_they_were(site):
    record = PersonRecord(
        *("Ada", TIME, TIME, "2030-01-01T00:00:00Z"),
        groups=("staff",),
        card=(7, 4711),
        blocked=True,
    )
    rows = faces(3, seed=1)
    assert import_people(site.people, [Incoming(record, rows)], by=BY) == Moved(1, 3)
    entry = site.people.by_name("Ada")
    for field in ("enrolled_at", "consent_at", "expires_at", "groups", "card", "blocked"):
        assert getattr(entry, field) == getattr(record, field)
    assert np.array_equal(site.people.templates(entry.uid), rows)


def test_the_same_again_changes_nothing(site):
    assert import_people(site.people, people(40), by=BY) == Moved(40, 79)
    versions = site.count("SELECT version FROM site_version")
    assert import_people(site.people, people(40), by=BY) == Moved(0, 0)
    assert site.count("SELECT version FROM site_version") == versions


def test_somebody_who_is_there_gets_templates_and_keeps_all_else(site):
    before = site.enrol("person 001", groups=("staff",))
    assert import_people(site.people, people(3, groups=("night",)), by=BY) == Moved(2, 6)
    after = site.people.get(before.uid)
    assert (after.groups, after.templates) == (("staff",), 1 + 2)
    assert after.version > before.version


def test_versions_are_each_somebody_s_and_doors_are_told(site, monkeypatch):
    monkeypatch.setattr("edgeface.site.bulk.AT_ONCE", 7)
    door = site.door("front", "default")
    door.ask()
    import_people(site.people, people(30), by=BY)
    while door.ask(limit=10)["more"]:
        pass
    assert door.names == [f"person {n:03}" for n in range(30)]
    assert site.count("SELECT count(DISTINCT version) FROM person") == 30
    assert site.count("SELECT max(version) FROM person") == site.count(
        "SELECT version FROM site_version"
    )


def test_who_did_it_is_written_down(site):
    import_people(site.people, people(1), by="user:mover")
    uid = site.people.by_name("person 000").uid
    (change,) = site.people.account(uid)["changes"]
    assert (change["by"], change["fields"]) == ("user:mover", ["name", "templates"])


@pytest.mark.parametrize("twice", ["name", "card"])
def test_name_or_card_that_comes_twice_moves_nobody(site, twice):
    first, second = people(2)
    same = {"card": (1, 2)} if twice == "card" else {"name": first.record.name}
    pair = [
        replace(first, record=replace(first.record, card=(1, 2))),
        replace(second, record=replace(second.record, **same)),
    ]
    with pytest.raises(SiteConflictError, match=f"a {twice} comes twice"):
        import_people(site.people, pair, by=BY)
    assert len(site.people) == 0


def test_card_of_somebody_else_moves_nobody(site):
    site.enrol("owner", card=(1, 2))
    with pytest.raises(SiteConflictError, match="'person 000' is somebody else's"):
        import_people(site.people, people(1, card=(1, 2)), by=BY)
    assert len(site.people) == 1


def test_gallery_of_a_door_moves_in_whole(site, tmp_path):
    with Gallery.open(tmp_path / "gallery.db", model_id=MODEL, dim=DIM) as gallery:
        for one in people(20):
            gallery.enroll(one.record.name, one.templates, groups=["staff"])
        gallery.export_file(tmp_path / "gallery.efg")
    assert import_gallery_file(site.people, tmp_path / "gallery.efg", by=BY) == Moved(20, 39)
    for one in people(20):
        entry = site.people.by_name(one.record.name)
        assert entry.groups == ("staff",)
        assert np.array_equal(site.people.templates(entry.uid), one.templates)


def test_gallery_of_another_model_is_refused(site, tmp_path):
    with Gallery.open(tmp_path / "gallery.db", model_id="model-b", dim=DIM) as gallery:
        gallery.enroll("Ada", faces(1))
        gallery.export_file(tmp_path / "gallery.efg")
    with pytest.raises(GalleryModelError):
        import_gallery_file(site.people, tmp_path / "gallery.efg", by=BY)
