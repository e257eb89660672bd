"""What doors and the site say to each other: there and back, and nothing strange is taken."""

from __future__ import annotations

import numpy as np
import pytest

from edgeface.errors import SiteError
from edgeface.site import wire

RECORD = {
    "groups": ["staff"],
    "consent_at": None,
    "expires_at": "2030-01-31T00:00:00Z",
    "card": [7, 4711],
    "blocked": False,
}
UID = "0123456789abcdef" * 2


def unit_rows(count: int, dim: int = 512) -> np.ndarray:
    rows = np.random.default_rng(3).normal(size=(count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_person_comes_back_as_sent():
    sent = wire.SitePerson(UID, 3, True, "Ada", RECORD, unit_rows(2))
    got = wire.person_of(wire.person_message(sent), dim=512)
    assert (got.uid, got.version, got.name, got.record) == (UID, 3, "Ada", RECORD)
    assert np.array_equal(got.templates, sent.templates)


def test_person_who_is_gone_is_a_number_only():
    assert wire.person_message(wire.SitePerson(UID, 9, False)) == {
        "uid": UID,
        "version": 9,
        "present": False,
    }


@pytest.mark.parametrize("broken", ["####", "AAAA", "AAAAAAAA"])
def test_template_that_is_none_is_refused(broken):
    entry = wire.person_message(wire.SitePerson(UID, 3, True, "Ada", RECORD, unit_rows(1)))
    with pytest.raises(SiteError, match="template 0"):
        wire.person_of({**entry, "templates": [broken]}, dim=512)


def test_template_with_nan_is_refused():
    bad = unit_rows(1)
    bad[0, 5] = np.nan
    with pytest.raises(SiteError, match="unit norm"):
        wire.decode_templates(wire.encode_templates(bad), dim=512)


def test_message_with_a_field_too_many_or_too_few_is_refused_and_named():
    edit = {"edit_id": UID, "kind": "change", "made_at": "2030-01-31T00:00:00Z"}
    assert wire.checked(edit, wire.EDIT, what="edit") == edit
    with pytest.raises(SiteError, match="edit: .*secret"):
        wire.checked({**edit, "secret": 1}, wire.EDIT, what="edit")
    with pytest.raises(SiteError, match="kind"):
        wire.checked({**edit, "kind": "open"}, wire.EDIT, what="edit")
    with pytest.raises(SiteError, match="edit"):
        wire.parsed(b"{", wire.EDIT, what="edit")
