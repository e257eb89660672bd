"""Calibration over the API: what it answers, and that what it suggests can be applied."""

from __future__ import annotations

import numpy as np
import pytest

from edgeface.gallery_person import PersonRecord
from edgeface.site.bulk import Incoming, import_people
from tests.bench.site_people import plain_crowd
from tests.console.serving import Served


@pytest.fixture
def hundred(served: Served):
    """100 people of two templates, for as long as a test takes."""
    crowd = plain_crowd(cosine=0.8)
    who = crowd.people(100, seed=1)
    photos = np.stack([crowd.photos(who, seed=seed) for seed in (2, 3)], axis=1)
    incoming = [
        Incoming(PersonRecord(f"crowd {n}", "2026-11-28T12:00:00Z"), rows)
        for n, rows in enumerate(photos)
    ]
    import_people(served.site.people, incoming, by="user:test")
    yield
    for n in range(100):
        served.site.people.erase(served.site.people.by_name(f"crowd {n}").uid, by="user:test")


def test_suggested_cosine_is_applied_as_a_setting_of_all_doors(operator, hundred):
    found = operator.get("/calibration", params={"target": 0.07}).json()
    assert found["people"] >= 100 and found["text"].startswith("At a cosine of")
    step = found["suggested"]
    assert step["stranger"]["high"] <= 0.07 and step in found["steps"]
    applied = operator.put("/decision", json={"false_accept_target": step["setting"]})
    assert applied.status_code == 204, applied.text
    now = operator.get("/calibration").json()
    assert now["target"] == step["setting"]
    assert step["cosine"] <= now["now"]["cosine"] < step["cosine"] + 0.02
    assert operator.put("/decision", json={}).status_code == 204


def test_site_of_few_people_is_told_how_many_it_takes(operator):
    found = operator.get("/calibration", params={"target": 0.001}).json()
    assert found["suggested"] is None and found["people_needed"] == 5989
    assert "too few" in found["text"]
    assert operator.get("/calibration").json()["target"] == 0.001


@pytest.mark.parametrize("target", ["0", "-1", "0.2", "nan", "inf", "many"])
def test_target_that_no_door_takes_is_refused(operator, target):
    assert operator.get("/calibration", params={"target": target}).status_code == 422
