"""Edits that collide: the same access in every order, and never more than one of them alone."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.gallery_person import PersonRecord
from edgeface.site.merge import NO_GROUP, edited, groups_within, members_of, merge

START = PersonRecord("Ada", "2026-01-01T00:00:00Z", groups=("staff", "night"))
TIMES = st.sampled_from([None, "2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"])
GROUPS = st.lists(st.sampled_from(["staff", "night", "lab", "default"]), max_size=3, unique=True)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "blocked": st.booleans(),
        "expires_at": TIMES,
        "groups": GROUPS,
        "consent_at": TIMES,
        "card": st.sampled_from([None, (1, 2), (1, 3)]),
        "name": st.sampled_from(["Ada", "Ada L.", "A. Lovelace"]),
    },
)


def together(record: PersonRecord, edits: list[dict]) -> PersonRecord:
    """What the site has after edits that all began from one record, in this order."""
    touched: set[str] = set()
    for changes in edits:
        record = merge(record, changes, touched=touched).record
        touched |= set(changes)
    return record


def access(record: PersonRecord) -> tuple:
    return record.blocked, record.expires_at, members_of(record.groups)


def lets_in_no_more(record: PersonRecord, other: PersonRecord) -> bool:
    expires, other_expires = record.expires_at or "~", other.expires_at or "~"
    no_more_groups = members_of(record.groups) - {NO_GROUP} <= members_of(other.groups)
    return record.blocked >= other.blocked and expires <= other_expires and no_more_groups


@given(st.lists(CHANGES, min_size=2, max_size=4))
def test_edits_of_one_beginning_give_the_same_access_in_every_order(edits):
    assert len({access(together(START, list(order))) for order in permutations(edits)}) == 1


@given(st.lists(CHANGES, min_size=2, max_size=4))
def test_access_after_edits_is_within_each_of_those_that_set_it(edits):
    found = together(START, edits)
    for changes in edits:
        alone = edited(START, changes)
        # Where an edit said nothing of a field, it asked for nothing.
        wanted = edited(found, {field: getattr(alone, field) for field in changes})
        assert lets_in_no_more(found, wanted)


@given(CHANGES, CHANGES)
def test_what_opens_nothing_is_as_the_last_edit_says(first, last):
    found = together(START, [first, last])
    for field in {"name", "card", "consent_at"} & set(last):
        assert getattr(found, field) == getattr(edited(START, last), field)


@given(CHANGES, st.sets(st.sampled_from(["blocked", "groups", "name", "card"])))
def test_conflicts_are_the_fields_on_which_both_say_something_else(changes, touched):
    merged = merge(START, changes, touched=touched)
    differ = {f for f in changes if access_of(edited(START, changes), f) != access_of(START, f)}
    assert set(merged.conflicts) == differ & touched


def access_of(record: PersonRecord, field: str) -> object:
    return members_of(record.groups) if field == "groups" else getattr(record, field)


def test_edit_that_knows_the_newest_may_let_in_more():
    blocked = edited(START, {"blocked": True, "expires_at": "2027-01-01"})
    merged = merge(blocked, {"blocked": False, "expires_at": None}, touched=())
    assert not merged.record.blocked and merged.record.expires_at is None and not merged.conflicts


def test_no_common_group_is_nobodys_group_and_not_the_group_of_those_without():
    found = together(START, [{"groups": ["staff"]}, {"groups": ["lab"]}])
    assert found.groups == (NO_GROUP,) and members_of(found.groups) != members_of(())


def test_setting_a_value_that_was_there_counts_against_later_edits():
    blocked = edited(START, {"blocked": True})
    assert together(blocked, [{"blocked": True}, {"blocked": False}]).blocked
    assert together(blocked, [{"blocked": False}, {"blocked": True}]).blocked


@given(GROUPS, GROUPS, st.sets(st.sampled_from(["lab", "visitors", "default"])))
def test_door_grants_no_group_but_its_own(groups, own, grantable):
    granted = members_of(groups_within(groups, own=own, grantable=grantable))
    assert granted - {NO_GROUP} <= members_of(own) | grantable
    assert granted - {NO_GROUP} <= members_of(groups)


@pytest.mark.parametrize("changes", [{"name": ""}, {"groups": ["a b"]}, {"expires_at": "soon"}])
def test_values_that_no_gallery_takes_are_refused(changes):
    with pytest.raises(ValueError):
        merge(START, changes, touched=())
