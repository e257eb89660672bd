"""Doors' own edits: taken once, merged, and never more than the door may grant."""

from __future__ import annotations

from itertools import permutations
from uuid import uuid4

import numpy as np
import pytest

from edgeface.errors import SiteError
from edgeface.site import wire
from edgeface.site.merge import NO_GROUP
from tests.site.people import BY, DoorCopy, SmallSite, faces


def checked(answer: dict) -> dict:
    return wire.checked(answer, wire.EDITED, what="answer")


def test_enrolment_at_a_door_reaches_the_other_doors(site):
    front, back = site.door("front", "staff"), site.door("back", "staff")
    back.ask()
    answer = checked(
        front.edit("enrol", name="Ada", templates=faces(2), changes={"groups": ["staff"]})
    )
    assert answer["outcome"] == "applied" and answer["conflicts"] == []
    back.ask()
    assert back.names == ["Ada"] and np.array_equal(back.people[answer["uid"]].templates, faces(2))
    assert back.people[answer["uid"]].version == answer["version"]


def test_edit_sent_twice_is_one_edit_with_one_answer(site):
    front = site.door("front", "staff")
    edit = {"name": "Ada", "templates": faces(1), "changes": {"groups": ["staff"]}}
    first = front.edit("enrol", edit_id="a" * 32, **edit)
    version = site.count("SELECT version FROM site_version")
    assert front.edit("enrol", edit_id="a" * 32, **edit) == first
    # As another edit, by a door that forgot: the same person, and nothing new.
    assert front.edit("enrol", edit_id="b" * 32, **edit)["uid"] == first["uid"]
    assert site.count("SELECT version FROM site_version") == version
    assert site.people.get(first["uid"]).templates == 1


def test_same_name_with_another_face_is_refused(site):
    front = site.door("front", "staff")
    site.enrol("Ada", groups=["vault", "staff"])
    answer = checked(front.edit("enrol", name="Ada", templates=faces(1, seed=9)))
    assert answer["outcome"] == "refused" and "of that name" in answer["text"]
    assert len(site.people) == 1


def test_door_grants_none_but_its_own_groups(site):
    front, vault = site.door("front", "staff"), site.door("vault", "vault")
    ada = site.enrol("Ada", groups=["staff"])
    answer = front.edit(
        "change", uid=ada.uid, base=ada.version, changes={"groups": ["staff", "vault"]}
    )
    assert answer["outcome"] == "merged" and answer["conflicts"] == ["groups"]
    bob = front.edit("enrol", name="Bob", templates=faces(1), changes={"groups": ["vault"]})
    assert site.people.get(bob["uid"]).groups == (NO_GROUP,)
    vault.ask()
    assert vault.names == []


def test_enrolment_without_a_group_is_of_the_group_default_only_where_the_door_has_it(site):
    front, main = site.door("front", "staff"), site.door("main", "default")
    first = front.edit("enrol", name="Ada", templates=faces(1))
    second = main.edit("enrol", name="Bob", templates=faces(1))
    assert site.people.get(first["uid"]).groups == (NO_GROUP,)
    assert site.people.get(second["uid"]).groups == ()
    main.ask()
    assert main.names == ["Bob"]


def test_door_edits_nobody_whom_it_may_not_know(site):
    front = site.door("front", "staff")
    bob = site.enrol("Bob", groups=["lab"])
    for kind, fields in (("change", {"changes": {"blocked": False}}), ("erase", {})):
        answer = checked(front.edit(kind, uid=bob.uid, base=0, **fields))
        assert answer["outcome"] == "refused" and "may know" in answer["text"]
    assert site.people.get(bob.uid) == bob


def test_block_by_a_door_that_has_not_heard_that_the_person_left_still_counts(site):
    front = site.door("front", "staff")
    ada = site.enrol("Ada", groups=["staff"])
    front.ask()
    site.people.change(ada.uid, {"groups": ["lab"]}, by=BY)
    answer = front.edit("change", uid=ada.uid, base=ada.version, changes={"blocked": True})
    assert answer["outcome"] == "applied" and site.people.get(ada.uid).blocked


def test_door_lets_nobody_in_again_whom_other_doors_have_too(site):
    front = site.door("front", "staff")
    ada = site.enrol("Ada", groups=["staff", "vault"], blocked=True, expires_at="2027-01-01")
    base = {"uid": ada.uid, "base": ada.version}
    changes = {"blocked": False, "expires_at": None}
    more = {"name": "Ada B.", "templates": faces(1, seed=9)}
    answer = checked(front.edit("change", **base, changes=changes, **more))
    assert answer["conflicts"] == ["blocked", "expires_at", "templates"]
    entry = site.people.get(ada.uid)
    assert entry.blocked and entry.expires_at == ada.expires_at and entry.templates == 1
    assert entry.name == "Ada B." and entry.version == answer["version"]
    own = site.enrol("Bob", groups=["staff"], blocked=True)
    answer = front.edit(
        "change", uid=own.uid, base=own.version, changes={"blocked": False}, templates=faces(1)
    )
    assert answer["outcome"] == "applied" and site.people.get(own.uid).templates == 2


def test_door_sets_no_card_of_somebody_whom_other_doors_have_too(site):
    front = site.door("front", "staff")
    ada = site.enrol("Ada", groups=["staff", "vault"], card=(1, 2))
    changes = {"card": [7, 4711], "consent_at": "2026-01-31T00:00:00Z"}
    answer = checked(front.edit("change", uid=ada.uid, base=ada.version, changes=changes))
    assert answer["conflicts"] == ["card"] and answer["version"] > ada.version
    alone = checked(front.edit("change", uid=ada.uid, changes={"card": [7, 4711]}))
    assert alone["conflicts"] == ["card"] and alone["version"] > answer["version"], "told anew"
    entry = site.people.get(ada.uid)
    assert entry.card == (1, 2) and entry.consent_at == "2026-01-31T00:00:00Z"
    base = {"uid": ada.uid, "base": entry.version}
    assert front.edit("change", **base, changes={"card": [1, 2]})["conflicts"] == []
    base = {"uid": ada.uid, "base": site.people.get(ada.uid).version}
    assert front.edit("change", **base, changes={"card": None})["outcome"] == "applied"
    assert site.people.get(ada.uid).card is None
    own = site.enrol("Bob", groups=["staff"])
    assert front.edit("change", uid=own.uid, changes={"card": [7, 4711]})["conflicts"] == []


def test_erasing_at_a_door_erases_everywhere_and_wins_over_every_edit(site):
    front, back = site.door("front", "staff"), site.door("back", "staff")
    ada = site.enrol("Ada", groups=["staff"])
    back.ask()
    site.people.change(ada.uid, {"name": "Ada B."}, by=BY)
    assert front.edit("erase", uid=ada.uid, base=ada.version)["outcome"] == "applied"
    late = back.edit("change", uid=ada.uid, base=ada.version, changes={"blocked": False})
    assert checked(late)["outcome"] == "refused"
    assert front.edit("erase", uid=ada.uid, base=0)["outcome"] == "applied"
    back.ask()
    assert back.names == [] and len(site.people.receipts()) == 1
    assert site.people.receipts()[0].by == "door:front"


def test_card_that_is_somebody_elses_meanwhile_is_left_out_and_the_rest_holds(site):
    front = site.door("front", "staff")
    ada = site.enrol("Ada", groups=["staff"])
    site.enrol("Bob", card=(1, 2))
    changes = {"card": [1, 2], "blocked": True}
    answer = front.edit("change", uid=ada.uid, base=ada.version, changes=changes)
    assert answer["conflicts"] == ["card"] and answer["outcome"] == "merged"
    entry = site.people.get(ada.uid)
    assert entry.blocked and entry.card is None


def test_refused_edit_makes_the_site_tell_the_person_anew(site):
    front = site.door("front", "staff")
    ada = site.enrol("Ada", groups=["staff"])
    front.ask()
    answer = front.edit("change", uid=ada.uid, base=ada.version, changes={"groups": ["a b"]})
    assert answer["outcome"] == "refused" and "groups" in answer["text"]
    assert [person["uid"] for person in front.ask()["people"]] == [ada.uid]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("enrol", {"name": "Ada"}),
        ("enrol", {"name": "Ada", "templates": faces(0)}),
        ("enrol", {"name": " Ada", "templates": faces(1)}),
        ("enrol", {"name": "Ada", "templates": faces(1)[:, :4]}),
        ("change", {"changes": {"blocked": True}}),
        ("change", {"uid": "0" * 32, "changes": {"blocked": True}}),
        ("erase", {}),
    ],
)
def test_edit_that_cannot_be_done_is_refused_in_words(site, kind, fields):
    front = site.door("front", "staff")
    answer = checked(front.edit(kind, **fields))
    assert answer["outcome"] == "refused" and answer["text"]
    assert len(site.people) == 0


def test_what_is_no_edit_is_an_error(site):
    front = site.door("front", "staff")
    with pytest.raises(SiteError, match="kind"):
        front.edit("open")


def test_conflicting_edits_converge_in_every_order(site):
    """Two doors and an operator, each from the same version."""
    doors = [site.door(name, "staff", "night", "lab") for name in ("a", "b")]
    outcomes = {_collide(site, doors, order) for order in permutations(range(3))}
    assert outcomes == {(True, "2027-01-01T00:00:00Z", ("staff",))}


def _collide(site: SmallSite, doors: list[DoorCopy], order: tuple[int, ...]) -> tuple:
    ada = site.enrol(f"Ada {order}", groups=["staff", "night"])
    for door in doors:
        door.ask()
    base = {"uid": ada.uid, "base": ada.version}
    later = {"blocked": False, "groups": ["staff", "night", "lab"], "expires_at": None}
    sooner = {"groups": ["staff", "lab"], "expires_at": "2027-01-01T00:00:00Z"}
    edits = [
        lambda: doors[0].edit("change", **base, changes={"blocked": True, "groups": ["staff"]}),
        lambda: doors[1].edit("change", **base, changes=later),
        lambda: site.people.change(ada.uid, sooner, by=BY, base=ada.version),
    ]
    for number in order:
        edits[number]()
    for door in doors:
        door.ask()
    told = [door.people[ada.uid].record for door in doors]
    assert told[0] == told[1]
    return told[0]["blocked"], told[0]["expires_at"], tuple(told[0]["groups"])


def test_edit_ids_are_each_doors_own(site):
    front, back = site.door("front", "staff"), site.door("back", "staff")
    edit_id = uuid4().hex
    front.edit("enrol", edit_id=edit_id, name="Ada", templates=faces(1))
    answer = back.edit("enrol", edit_id=edit_id, name="Bob", templates=faces(1, seed=4))
    assert site.people.get(answer["uid"]).name == "Bob"
