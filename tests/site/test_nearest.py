"""Who is most alike: exactly, by the index, and the index's life."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from edgeface.errors import SiteError
from edgeface.site.nearest import INDEX, build_index, nearest
from tests.site.people import BY, SmallSite, faces


@pytest.fixture
def site(database) -> SmallSite:
    """A database of its own: indexes stay where tests share one."""
    return SmallSite(database)


@pytest.fixture
def crowd(site) -> dict[str, np.ndarray]:
    """60 people of one to four templates: uid -> (T, 8)."""
    made = {}
    for number in range(60):
        rows = faces(1 + number % 4, seed=number)
        made[site.people.enrol(f"person {number}", rows, by=BY).uid] = rows
    return made


def brute(crowd: dict[str, np.ndarray], probe: np.ndarray, count: int) -> list[tuple[str, float]]:
    best = {uid: float((rows @ probe).max()) for uid, rows in crowd.items()}
    return sorted(best.items(), key=lambda pair: -pair[1])[:count]


def valid(database) -> bool:
    with database.transaction() as connection:
        sql = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
        found = connection.execute(sql, (INDEX,)).fetchone()
    return found is not None and found[0]


@pytest.mark.parametrize("way", ["all", "bits", "index"])
def test_people_are_ranked_by_their_best_template(database, crowd, way, monkeypatch):
    if way == "index":
        build_index(database)
    if way == "bits":
        monkeypatch.setattr("edgeface.site.nearest.SMALL", 10)
    for probe in faces(20, seed=99):
        found = nearest(database, probe, count=5, candidates=1000)
        assert [uid for uid, _ in found] == [uid for uid, _ in brute(crowd, probe, 5)]
        assert [score for _, score in found] == pytest.approx(
            [score for _, score in brute(crowd, probe, 5)], abs=1e-6
        )


@pytest.mark.parametrize("way", ["bits", "index"])
def test_few_candidates_give_whom_they_are_of_in_the_right_order_with_right_scores(
    database, crowd, way, monkeypatch
):
    monkeypatch.setattr("edgeface.site.nearest.SMALL", 10)
    if way == "index":
        build_index(database)
    for probe in faces(20, seed=98):
        order = brute(crowd, probe, len(crowd))
        found = nearest(database, probe, count=5, candidates=6)
        places = [next(i for i, (uid, _) in enumerate(order) if uid == one.uid) for one in found]
        assert places == sorted(places)
        assert [one.score for one in found] == pytest.approx(
            [order[place][1] for place in places], abs=1e-6
        )


def test_exact_search_is_exact_also_where_there_is_an_index(database, crowd):
    build_index(database)
    for probe in faces(20, seed=97):
        found = nearest(database, probe, count=3, candidates=1, exact=True)
        assert [uid for uid, _ in found] == [uid for uid, _ in brute(crowd, probe, 3)]


@pytest.mark.parametrize("way", ["bits", "index"])
def test_newcomers_are_found_and_the_erased_are_not(database, site, crowd, way, monkeypatch):
    monkeypatch.setattr("edgeface.site.nearest.SMALL", 10)
    if way == "index":
        build_index(database)
    newcomer = faces(1, seed=500)
    uid = site.people.enrol("newcomer", newcomer, by=BY).uid
    assert nearest(database, newcomer[0], count=1)[0] == (uid, pytest.approx(1.0))
    site.people.erase(uid, by=BY)
    assert uid not in [one.uid for one in nearest(database, newcomer[0], count=61)]
    assert site.count("SELECT count(*) FROM template_bits") == sum(map(len, crowd.values()))


def test_more_people_than_there_are_gives_all_of_them(database, crowd):
    assert len(nearest(database, faces(1)[0], count=1000)) == len(crowd)


def test_site_without_people_has_nobody_alike(database, site):
    assert nearest(database, faces(1)[0], count=3) == ()
    build_index(database)
    assert nearest(database, faces(1)[0], count=3) == ()


def test_site_without_a_model_has_nothing_to_compare(database):
    with pytest.raises(SiteError, match="no model yet"):
        nearest(database, faces(1)[0], count=3)


def test_wrong_questions_are_refused(database, site):
    with pytest.raises(ValueError, match="expected \\(8,\\)"):
        nearest(database, np.ones(4, np.float32) / 2, count=3)
    with pytest.raises(ValueError, match="1 to 1000"):
        nearest(database, faces(1)[0], count=3, candidates=1001)
    with pytest.raises(ValueError, match="at least 1"):
        nearest(database, faces(1)[0], count=0)


def test_index_that_was_interrupted_is_not_used_and_is_built_anew(database, crowd):
    build_index(database)
    with database.transaction() as connection:
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", (INDEX,)
        )
    probe = faces(1, seed=96)[0]
    found = nearest(database, probe, count=3, candidates=1)
    assert [uid for uid, _ in found] == [uid for uid, _ in brute(crowd, probe, 3)]
    build_index(database)
    assert valid(database)


def test_index_is_built_once_by_one_at_a_time(database, crowd):
    build_index(database)
    build_index(database)
    with database.session() as connection:
        connection.execute(f"DROP INDEX {INDEX}")
        connection.execute("SELECT pg_advisory_lock(%s)", (0x6564_6768,))
        with pytest.raises(SiteError, match="by somebody else"):
            build_index(database)
    build_index(database)
    assert valid(database)


def test_people_can_be_enrolled_while_the_index_is_built(database, site, crowd):
    thread = threading.Thread(target=build_index, args=(database,))
    thread.start()
    uids = [site.people.enrol(f"late {n}", faces(1, seed=700 + n), by=BY).uid for n in range(20)]
    thread.join()
    for number, uid in enumerate(uids):
        assert nearest(database, faces(1, seed=700 + number)[0], count=1)[0].uid == uid


def test_templates_of_a_face_stay_in_their_rows(database):
    with database.transaction() as connection:
        connection.execute("ALTER TABLE template ALTER COLUMN embedding TYPE vector(512)")
        connection.execute(
            "INSERT INTO person (uid, version, name, sort_key, enrolled_at, groups, blocked) "
            "VALUES ('u', 1, 'n', 'n', '', '{}', false)"
        )
        connection.execute(
            "INSERT INTO template (uid, digest, embedding) VALUES ('u', '', %s)",
            (str(np.random.default_rng(0).normal(size=512).tolist()),),
        )
        aside = connection.execute(
            "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE relname = 'template'"
        ).fetchone()
    assert aside == (0,)
