"""A site of 20 000 people: bits and index find whom an exact search finds; `make site-million`."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

from edgeface.site.bulk import import_people
from edgeface.site.database import Database
from edgeface.site.nearest import build_index, nearest
from edgeface.site.people import People
from tests.bench.site_million import DIM, Exact, make_probes, moving_in
from tests.bench.site_people import plain_crowd

PEOPLE, PROBES = 20_000, 25
INDEXED = 4_000  # building the graph takes most of the time


@contextmanager
def site_of(postgres, migrated, count: int):
    """The people, what is exact of probes of each kind, and where each kind is."""
    made = postgres.create(like=migrated)
    with Database(made, most=2) as database:
        people, crowd = People(database, model_id="large", dim=DIM), plain_crowd()
        probes = make_probes(crowd, PROBES)
        exact = Exact(probes.all())
        import_people(people, moving_in(crowd, count, exact=exact), by="user:anna")
        yield people, exact, probes.kinds()
    postgres.drop(made)


def recall(people: People, exact: Exact, kinds: dict[str, slice]) -> float:
    """How often the first is whom an exact search names; scores and order are always right."""
    same = []
    for probe, best in zip(exact.probes, exact.score):
        found = nearest(people.database, probe, count=5)
        scores = [one.score for one in found]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] <= best + 1e-6  # nobody is more alike than the most alike
        assert people.templates(found[0].uid)[0] @ probe == pytest.approx(scores[0], abs=1e-6)
        same.append(scores[0] == pytest.approx(best, abs=1e-6))
    assert np.mean(same[kinds["view"]]) == 1
    return float(np.mean(same))


def test_bits_find_whom_an_exact_search_finds_in_no_other_order(postgres, migrated, monkeypatch):
    with site_of(postgres, migrated, PEOPLE) as (people, exact, kinds):
        for probe, best in zip(exact.probes[::20], exact.score[::20]):
            (found,) = nearest(people.database, probe, count=1, exact=True)
            assert found.score == pytest.approx(best, abs=1e-6)
        monkeypatch.setattr("edgeface.site.nearest.SMALL", 1000)
        assert recall(people, exact, kinds) > 0.97


def test_index_finds_whom_an_exact_search_finds_in_no_other_order(postgres, migrated):
    with site_of(postgres, migrated, INDEXED) as (people, exact, kinds):
        build_index(people.database, workers=1)
        assert recall(people, exact, kinds) > 0.95
