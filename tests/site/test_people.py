"""The site's people: kept exactly, found, and gone without a trace when erased."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edgeface.errors import SiteConflictError, SiteError, UnknownEntryError
from edgeface.site.events import Events
from edgeface.site.people import People
from tests.site.door_logs import PEOPLE, arrivals, write_log
from tests.site.people import BY, DIM, MODEL, SmallSite, faces


def everything(site: SmallSite) -> str:
    """All rows of all tables, as text."""
    with site.database.transaction() as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        rows = [connection.execute(f"SELECT * FROM {table}").fetchall() for (table,) in tables]
    return repr(rows)


def test_person_is_as_enrolled_and_templates_are_bit_for_bit(site):
    changes = {"groups": ["staff"], "card": (7, 2**32 - 1), "consent_at": "2026-01-31"}
    entry = site.people.enrol("Zoe\u0308", faces(3), by=BY, changes=changes)
    assert entry.name == "Zoë" and entry.groups == ("staff",) and entry.card == (7, 2**32 - 1)
    assert entry.consent_at == "2026-01-31T00:00:00Z" and entry.templates == 3
    assert site.people.get(entry.uid) == entry == site.people.by_name("Zoe\u0308")
    assert np.array_equal(site.people.templates(entry.uid), faces(3))


def test_known_name_gets_more_templates_and_identical_ones_are_kept_once(site):
    first = site.people.enrol("Ada", faces(2), by=BY)
    again = site.people.enrol("Ada", faces(2), by=BY)
    assert again == first
    more = site.people.enrol("Ada", faces(3), by=BY)
    assert more.uid == first.uid and more.templates == 3 and more.version > first.version


def test_request_sent_twice_is_one_enrolment(site):
    first = site.people.enrol("Ada", faces(1), by=BY, request_id="r1")
    assert site.people.enrol("Ada B.", faces(2), by=BY, request_id="r1") == first
    site.people.erase(first.uid, by=BY)
    with pytest.raises(UnknownEntryError):
        site.people.enrol("Ada", faces(1), by=BY, request_id="r1")
    assert len(site.people) == 0


def test_card_or_name_of_somebody_else_is_refused_and_nothing_changes(site):
    site.enrol("Ada", card=(1, 2))
    bob = site.enrol("Bob")
    with pytest.raises(SiteConflictError, match="card"):
        site.people.change(bob.uid, {"card": (1, 2), "blocked": True}, by=BY)
    with pytest.raises(SiteConflictError, match="name"):
        site.people.change(bob.uid, {"name": "Ada"}, by=BY)
    with pytest.raises(SiteConflictError, match="card"):
        site.enrol("Carl", card=(1, 2))
    assert site.people.get(bob.uid) == bob and len(site.people) == 2
    assert site.count("SELECT version FROM site_version") == bob.version


@pytest.mark.parametrize("rows", [faces(1)[0], faces(1) * 2, faces(1).astype(float), faces(0)])
def test_templates_that_are_none_are_refused(site, rows):
    with pytest.raises((ValueError, TypeError)):
        site.people.enrol("Ada", rows, by=BY)


def test_edit_of_an_older_version_is_merged_and_says_on_what_they_differ(site):
    ada = site.enrol("Ada", groups=["staff", "night"])
    site.people.change(ada.uid, {"groups": ["staff"], "name": "Ada B."}, by=BY)
    edit = {"groups": ["night", "staff", "lab"], "blocked": True}
    edited = site.people.change(ada.uid, edit, by=BY, base=ada.version)
    assert edited.conflicts == ("groups",)
    assert edited.entry.groups == ("staff",) and edited.entry.blocked
    assert edited.entry.name == "Ada B."
    newest = site.people.change(ada.uid, edit, by=BY, base=edited.entry.version)
    assert newest.conflicts == () and set(newest.entry.groups) == {"night", "staff", "lab"}


def test_people_are_found_by_part_of_the_name_whatever_case_and_accents(site):
    for name in ("Jürgen", "Åsa", "anna", "Bob_%"):
        site.enrol(name)
    found = site.people.find(text="JURG").entries
    assert [entry.name for entry in found] == ["Jürgen"]
    assert [entry.name for entry in site.people.find(text="_%").entries] == ["Bob_%"]
    everybody = [entry.name for entry in site.people.find().entries]
    assert everybody == ["anna", "Åsa", "Bob_%", "Jürgen"]


def test_pages_show_everybody_once(site):
    names = sorted(f"p{number:02}" for number in range(23))
    for name in reversed(names):
        site.enrol(name)
    found, after = [], None
    for _ in range(5):
        page = site.people.find(limit=5, after=after)
        found += [entry.name for entry in page.entries]
        after = page.next
    assert found == names and after is None
    last = site.people.find(limit=1)
    site.people.erase(last.next, by=BY)
    with pytest.raises(SiteConflictError, match="first page"):
        site.people.find(after=last.next)


def test_people_are_found_by_group_and_state(site):
    site.enrol("none")
    site.enrol("old", expires_at="2020-01-01", groups=["staff"])
    site.enrol("bad", expires_at="2020-01-01", blocked=True)
    site.enrol("new", expires_at="2999-01-01", groups=["staff", "default"])

    def names(**asked: str) -> list[str]:
        return [entry.name for entry in site.people.find(**asked).entries]

    assert names(state="valid") == ["new", "none"]
    assert names(state="expired") == ["old"] and names(state="blocked") == ["bad"]
    assert names(group="staff") == ["new", "old"] and names(group="default") == ["bad", "none"]
    with pytest.raises(ValueError, match="valid, expired, blocked"):
        names(state="gone")


def test_account_has_all_that_is_held_and_is_json(site):
    site.doors.add("front", groups=["staff"], by=BY)
    ada = site.people.enrol("Ada", faces(2), by=BY, changes={"groups": ["staff"]})
    site.people.change(ada.uid, {"blocked": True}, by="user:bo")
    account = json.loads(json.dumps(site.people.account(ada.uid)))
    assert account["person"]["name"] == "Ada" and account["doors"] == ["front"]
    assert account["site_id"] == site.people.site_id
    values = np.array([row["values"] for row in account["templates"]], np.float32)
    assert np.array_equal(values, faces(2))
    assert [change["by"] for change in account["changes"]] == [BY, "user:bo"]


def test_account_has_the_events_about_the_person_and_nobody_else(site, tmp_path):
    ada = site.enrol("Ada Lovelace")
    bob = site.enrol("Bob")
    sent = arrivals(write_log(tmp_path / "log", visits=6))
    people = {pseudonym: ada.uid for pseudonym in PEOPLE}
    Events(site.database).receive_all([replace(line, people=people) for line in sent])
    events = site.people.account(ada.uid)["events"]
    assert [event["reason"] for event in events] == ["recognised"] * 4
    assert json.dumps(events) and not any("person" in event for event in events)
    assert site.people.account(bob.uid)["events"] == []


def test_erased_person_leaves_a_number_and_a_receipt_only(site):
    ada = site.people.enrol("Ada Lovelace", faces(2), by=BY, changes={"card": (7, 4711)})
    receipt = site.people.erase(ada.uid, by=BY)
    assert receipt.uid == ada.uid and receipt.templates == 2 and receipt.complete
    left = everything(site)
    assert ada.uid in left
    assert not any(text in left.casefold() for text in ("ada l", "4711", str(faces(2)[0, 0])))
    for ask in (site.people.get, site.people.account):
        with pytest.raises(UnknownEntryError):
            ask(ada.uid)
    assert site.people.erase(ada.uid, by=BY) == receipt
    assert site.enrol("Ada Lovelace", card=(7, 4711)).uid != ada.uid


def test_chain_of_receipts_shows_what_was_taken_out_or_changed(site):
    for name in ("a", "b", "c"):
        site.people.erase(site.enrol(name).uid, by=BY)
    receipts = site.people.receipts()
    assert [receipt.previous for receipt in receipts[1:]] == [r.head for r in receipts[:-1]]
    with site.database.transaction() as connection:
        connection.execute("DELETE FROM erased WHERE uid = %s", (receipts[1].uid,))
    with pytest.raises(SiteError, match="receipt 1"):
        site.people.receipts()


@pytest.mark.parametrize(("model_id", "dim"), [("model-b", DIM), (MODEL, DIM + 1)])
def test_site_of_another_model_is_refused(site, model_id, dim):
    with pytest.raises(SiteError, match="model-a.*8"):
        People(site.database, model_id=model_id, dim=dim)
    assert People(site.database, model_id=MODEL, dim=DIM).site_id == site.people.site_id


def test_unknown_person_is_an_error_that_names_nobody(site):
    for ask in (site.people.get, site.people.account):
        with pytest.raises(UnknownEntryError):
            ask("0" * 32)
    with pytest.raises(UnknownEntryError):
        site.people.change("0" * 32, {"blocked": True}, by=BY)
    with pytest.raises(UnknownEntryError):
        site.people.erase("0" * 32, by=BY)
    with pytest.raises(UnknownEntryError):
        site.people.add("0" * 32, faces(1), by=BY)
    assert site.people.by_name("Ada") is None and len(site.people.templates("0" * 32)) == 0
