"""``python -m tests.bench.site_million``: a site of a million people, in a real PostgreSQL.

People move in, the index is built, and probes are searched by the index and exactly. What is
exact is computed beside the database, by the kernels over every template. Prints the tables of
docs/site-large.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgeface import _native
from edgeface.gallery_person import PersonRecord
from edgeface.site.bulk import AT_ONCE, Incoming, import_people
from edgeface.site.database import Database
from edgeface.site.nearest import INDEX, build_index, nearest
from edgeface.site.people import People
from tests.bench.gallery import CACHE, DIM, data_folder, unit
from tests.bench.site_people import Crowd, measured_crowd, plain_crowd
from tests.site.postgres import Postgres

SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "4GB", "effective_cache_size": "6GB"}
BY = "user:bench"
TIME = "2026-11-28T12:00:00Z"
CANDIDATES = (100, 200, 400, 1000)
SCORES = (0.4, 0.5, 0.6)
EXACT_PROBES = 10
ENROLLED = 100
_VIEW_NOISE = (0.75, 1.5)  # of views: cosines of 0.8 to 0.55 to the template


@dataclass
class Exact:
    """The best template of all that went by, for probes (Q, D): whose, and how alike."""

    probes: np.ndarray
    owner: np.ndarray = field(init=False)
    score: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.owner = np.full(len(self.probes), -1)
        self.score = np.full(len(self.probes), -2.0, np.float32)

    def see(self, rows: np.ndarray, *, first: int) -> None:
        """Compare rows, whose owners are numbered from ``first`` on."""
        found, scores = (part[:, 0] for part in _native.cosine_topk_batch(rows, self.probes, 1))
        better = scores > self.score
        self.owner[better], self.score[better] = found[better] + first, scores[better]


@dataclass(frozen=True)
class Probes:
    """Kinds of probes, each (Q, D): of the first Q people another photo, or a view; strangers."""

    photo: np.ndarray
    view: np.ndarray
    stranger: np.ndarray

    def all(self) -> np.ndarray:
        """One kind after the other."""
        return np.concatenate([self.photo, self.view, self.stranger])

    def kinds(self) -> dict[str, slice]:
        """Where each kind is in `all`."""
        size = len(self.photo)
        return {kind: slice(i * size, (i + 1) * size) for i, kind in enumerate(vars(self))}


def make_probes(crowd: Crowd, count: int) -> Probes:
    """Return probes of the first people of `moving_in`."""
    people, templates = _people(crowd, 0, count)
    random = np.random.default_rng(4)
    noise = random.standard_normal((count, DIM), np.float32) @ crowd.within.T
    noise *= random.uniform(*_VIEW_NOISE, (count, 1)) / np.sqrt(np.square(crowd.within).sum())
    return Probes(
        crowd.photos(people, seed=3),
        unit(templates + noise.astype(np.float32)),
        crowd.photos(crowd.people(count, seed=5), seed=6),
    )


def moving_in(crowd: Crowd, count: int, *, exact: Exact) -> Iterator[Incoming]:
    """Yield so many people, one template each; ``exact`` sees them as they go by."""
    for first in range(0, count, AT_ONCE):
        _, rows = _people(crowd, first, min(AT_ONCE, count - first))
        exact.see(rows, first=first)
        for number, row in enumerate(rows, start=first):
            yield Incoming(PersonRecord(f"person {number}", TIME), row[None])


def _people(crowd: Crowd, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """People from number ``first`` on, `AT_ONCE` from one seed, and their templates."""
    seed = 1000 + 2 * (first // AT_ONCE)
    people = crowd.people(AT_ONCE, seed=seed)[:count]
    return people, crowd.photos(crowd.people(AT_ONCE, seed=seed), seed=seed + 1)[:count]


def figures(
    people: People, exact: Exact, kinds: dict[str, slice], *, way: str, numbers: Sequence[int]
) -> list[dict]:
    """Search all probes with each number of candidates; a row for each and each kind of probe.

    Kinds are those given, and probes of all kinds by how alike the most alike really is.
    """
    uids = _uids(people.database)
    ranges = list(zip((-1.0, *SCORES), (*SCORES, 2.0)))
    alike = {f"{low:g} to {high:g}": _between(exact.score, low, high) for low, high in ranges}
    rows = []
    for candidates in numbers:
        found = np.array([_search(people.database, probe, candidates) for probe in exact.probes])
        right = found[:, 0] == np.array([uids[n] for n in exact.owner])
        for kind, where in {**kinds, **alike}.items():
            times = 1000 * found[where, 1].astype(float)
            row = {"way": way, "candidates": candidates, "probes": kind, "count": len(times)}
            row["recall"] = float(right[where].mean())
            row |= {"p50_ms": float(np.median(times)), "p99_ms": float(np.quantile(times, 0.99))}
            rows.append(row)
            print("|", " | ".join(_shown(value) for value in row.values()), "|", flush=True)
    return rows


def _search(database: Database, probe: np.ndarray, candidates: int) -> tuple[str, float]:
    """Who is found, and the seconds that it took."""
    start = time.perf_counter()
    found = nearest(database, probe, count=5, candidates=candidates)
    taken = time.perf_counter() - start
    return found[0].uid, taken


def _between(scores: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.flatnonzero((scores >= low) & (scores < high))


def exact_figures(people: People, exact: Exact) -> dict:
    """Search a few probes exactly in the database; they must find what the kernels found."""
    uids, times = _uids(people.database), []
    for probe, owner, score in list(zip(exact.probes, exact.owner, exact.score))[:EXACT_PROBES]:
        start = time.perf_counter()
        found = nearest(people.database, probe, count=5, exact=True)
        times.append(time.perf_counter() - start)
        assert found[0].uid == uids[owner] and abs(found[0].score - score) < 1e-6
    return {"p50_ms": 1000 * float(np.median(times)), "probes": len(times)}


def _uids(database: Database) -> dict[int, str]:
    with database.transaction() as connection:
        found = connection.execute("SELECT name, uid FROM person")
        return {int(name.split()[1]): uid for name, uid in found if name.startswith("person ")}


def sizes(database: Database) -> dict[str, int]:
    """Bytes on the disk by what they are for."""
    queries = {
        "templates": "pg_table_size('template')",
        "their bits": "pg_total_relation_size('template_bits')",
        "index (graph) of their bits": f"pg_relation_size('{INDEX}')",
        "other indexes of templates": f"pg_indexes_size('template') - pg_relation_size('{INDEX}')",
        "people and their indexes": "pg_total_relation_size('person')",
        "who changed what": "pg_total_relation_size('person_change')",
        "the whole database": "pg_database_size(current_database())",
    }
    with database.transaction() as connection:
        return {
            what: connection.execute(f"SELECT {query}").fetchone()[0]
            for what, query in queries.items()
        }


def enrol_rate(people: People, crowd: Crowd) -> float:
    """People per second who are enrolled one by one; they are erased again."""
    rows = crowd.photos(crowd.people(ENROLLED, seed=7), seed=8)
    start = time.perf_counter()
    uids = [people.enrol(f"new {n}", row[None], by=BY).uid for n, row in enumerate(rows)]
    rate = ENROLLED / (time.perf_counter() - start)
    for uid in uids:
        people.erase(uid, by=BY)
    return rate


def measure(server: Postgres, crowd: Crowd, *, count: int, probes: int) -> dict:
    """Do all of it; return the figures."""
    made = make_probes(crowd, probes)
    exact = Exact(made.all())
    with Database(server.create()) as database:
        people = People(database, model_id="bench", dim=DIM)
        seconds = _timed(lambda: import_people(people, moving_in(crowd, count, exact=exact), by=BY))
        found = {"people": count, "import_s": seconds, "import_per_s": count / seconds}
        _say(found)
        with database.session() as connection:
            connection.execute("VACUUM ANALYZE")
        kinds = made.kinds()
        found["searches"] = figures(people, exact, kinds, way="bits", numbers=CANDIDATES[-1:])
        found["enrol_per_s"] = {"without index": enrol_rate(people, crowd)}
        found["index_s"] = _timed(lambda: build_index(database, memory_mb=2048, workers=1))
        _say(found)
        found["bytes"] = sizes(database)
        _say(found)
        found["owner_found"] = {
            kind: float(np.mean(exact.owner[where] == np.arange(probes)))
            for kind, where in kinds.items()
        }
        found["searches"] += figures(people, exact, kinds, way="index", numbers=CANDIDATES)
        found["exact"] = exact_figures(people, exact)
        found["enrol_per_s"]["with index"] = enrol_rate(people, crowd)
        return found


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _say(found: dict) -> None:
    print(json.dumps(found), flush=True)


def _shown(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--probes", type=int, default=200, help="of each of three kinds")
    parser.add_argument("--folder", type=Path, default=CACHE / "site_million")
    asked = parser.parse_args()
    data = data_folder()
    crowd, likeness = measured_crowd(data) if data else (plain_crowd(), None)
    print(likeness, flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    server = Postgres(asked.folder, settings=SETTINGS)
    server.start()
    try:
        found = measure(server, crowd, count=asked.people, probes=asked.probes)
        (CACHE / f"site_{asked.people}.json").write_text(json.dumps(found, indent=1))
        print(json.dumps(found, indent=1))
    finally:
        server.stop()
        shutil.rmtree(asked.folder)


if __name__ == "__main__":
    main()
