"""Who of a large site is most alike: candidates by their bits, scores by our own kernels.

Of each template the database knows which numbers are positive, a bit each. The people whose bits
are most alike are then compared as a door compares them: what can go wrong is only that somebody
is not among them. At a small site, and when asked for, every template is compared. An index, a
graph to walk along (HNSW, of pgvector), is quicker than reading all bits, and misses more.
Decision 0041 has what each finds and costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface import _native
from edgeface.errors import SiteError
from edgeface.gallery_template import require_probe
from edgeface.site.database import Database
from edgeface.site.people_row import vector_row

if TYPE_CHECKING:
    from psycopg import Connection

INDEX = "template_nearest"
CANDIDATES = 1000
"""Templates whose bits are most alike, which are then compared."""
SMALL = 20_000
"""Up to so many templates all of them are compared, which is as quick."""
_MOST_CANDIDATES = 1000  # hnsw.ef_search allows no more
_SPARE = 8  # more than asked for: PostgreSQL's sums are rounded in another order than ours
_GRAPH = "m = 32, ef_construction = 128"  # pgvector's own 16 and 64 miss much of a million
_BUILD_LOCK = 0x6564_6768  # whoever builds the index


Found = list[tuple[str, bytes]]
"""Templates: whose, and the vector in pgvector's binary form."""


class Alike(NamedTuple):
    """A person and the cosine of that person's best template, -1 to 1."""

    uid: str
    score: float


def nearest(
    database: Database,
    probe: np.ndarray,
    *,
    count: int,
    exact: bool = False,
    candidates: int = CANDIDATES,
) -> tuple[Alike, ...]:
    """Return the people most alike, best first; expired and blocked ones too.

    Parameters
    ----------
    database
        The site's.
    probe : (dim,) float32 ndarray
        Of unit norm.
    count
        How many people at most, at least 1. Fewer come where the candidates are templates of fewer.
    exact
        Compare every template, however many there are: seconds for a million.
    candidates
        Of how many templates the bits are taken to be right, 1 to 1000: more of them miss less.
    """
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"count is {count!r}; expected a whole number of at least 1")
    if not 1 <= candidates <= _MOST_CANDIDATES:
        raise ValueError(f"candidates is {candidates!r}; expected 1 to {_MOST_CANDIDATES}")
    with database.transaction() as connection:
        dim, indexed, size = _what_there_is(connection)
        probe = require_probe(probe, dim=dim)
        if exact or not indexed and size <= SMALL:
            found = _compare_all(connection, probe, count=count)
        elif indexed:
            found = _walk(connection, probe, candidates=candidates)
        else:
            found = _read_bits(connection, probe, candidates=candidates)
    return _ranked(found, probe)[:count]


def build_index(database: Database, *, memory_mb: int = 1024, workers: int = 2) -> None:
    """Build the index where there is none; people can be enrolled and searched meanwhile.

    Parameters
    ----------
    database
        The site's.
    memory_mb
        What PostgreSQL may take. When the graph does not fit, it goes on slower: a million
        templates of 512 numbers take about 700.
    workers
        Processes beside the one that builds.

    Raises
    ------
    SiteError
        Somebody else is building it, or the database does not answer.
    """
    with database.session() as connection:
        if not connection.execute("SELECT pg_try_advisory_lock(%s)", (_BUILD_LOCK,)).fetchone()[0]:
            raise SiteError("the index is being built by somebody else: wait for it")
        dim, indexed, _ = _what_there_is(connection)
        if indexed:
            return
        # One that was interrupted stays as an index that is not valid.
        connection.execute(f"DROP INDEX IF EXISTS {INDEX}")
        connection.execute(
            "SELECT set_config('maintenance_work_mem', %s, false), "
            "set_config('max_parallel_maintenance_workers', %s, false)",
            (f"{memory_mb}MB", str(workers)),
        )
        connection.execute(
            f"CREATE INDEX CONCURRENTLY {INDEX} ON template "
            f"USING hnsw (({_bits('embedding', dim)}) bit_hamming_ops) WITH ({_GRAPH})"
        )


def _what_there_is(connection: Connection) -> tuple[int, bool, int]:
    """Return how long templates are, whether there is an index that can be used, and how many
    templates there are, counted to one above `SMALL`."""
    found = connection.execute(
        "SELECT dim, coalesce((SELECT indisvalid FROM pg_index "
        "WHERE indexrelid = to_regclass(%s)), false), "
        "(SELECT count(*) FROM (SELECT FROM template_bits LIMIT %s) AS seen) FROM site",
        (INDEX, SMALL + 1),
    ).fetchone()
    if found is None:
        raise SiteError("nobody was ever enrolled at this site, so it has no model yet")
    return found


def _compare_all(connection: Connection, probe: np.ndarray, *, count: int) -> Found:
    """Return all templates of the best people, of everybody's compared."""
    wanted = count + _SPARE
    rows = 4 * wanted
    while True:
        sql = "SELECT uid FROM template ORDER BY embedding <#> %(probe)s::vector LIMIT %(count)s"
        found = _templates(connection, sql, probe, count=rows)
        # As many people as are wanted, or everybody: whoever is not among them is less alike.
        if len({uid for uid, _ in found}) >= wanted or len(found) < rows:
            return found
        rows *= 4


def _walk(connection: Connection, probe: np.ndarray, *, candidates: int) -> Found:
    """Return all templates of whose bits are most alike."""
    # The plan is the index's where one exists: a scan would be right too, and slow.
    connection.execute(
        "SELECT set_config('hnsw.ef_search', %s, true), set_config('enable_seqscan', 'off', true)",
        (str(candidates),),
    )
    dim = len(probe)
    sql = (
        f"SELECT uid FROM template ORDER BY {_bits('embedding', dim)} "  # nosec B608
        f"<~> {_bits('%(probe)s::vector', dim)} LIMIT %(count)s"
    )
    return _templates(connection, sql, probe, count=candidates)


def _read_bits(connection: Connection, probe: np.ndarray, *, candidates: int) -> Found:
    """Return all templates of whose bits are most alike, of everybody's."""
    sql = (
        "SELECT uid FROM template WHERE id IN (SELECT id FROM template_bits "
        "ORDER BY bits <~> binary_quantize(%(probe)s::vector) LIMIT %(count)s)"
    )
    return _templates(connection, sql, probe, count=candidates)


def _templates(connection: Connection, uids: str, probe: np.ndarray, *, count: int) -> Found:
    # Oldest first, so that of people who tie exactly the one enrolled first is named first.
    sql = (
        f"WITH near AS MATERIALIZED ({uids}) SELECT uid, vector_send(embedding) FROM template "  # nosec B608
        "WHERE uid IN (SELECT uid FROM near) ORDER BY id"
    )
    cursor = connection.cursor(binary=True)
    return cursor.execute(sql, {"probe": str(probe.tolist()), "count": count}).fetchall()


def _ranked(found: Found, probe: np.ndarray) -> tuple[Alike, ...]:
    """Return the people of some templates, best first, each with the best of them."""
    if not found:
        return ()
    rows = np.stack([vector_row(data) for _, data in found])
    order, scores = _native.cosine_topk(rows, probe, len(rows))
    best: dict[str, float] = {}
    for index, score in zip(order.tolist(), scores.tolist()):
        best.setdefault(found[index][0], score)
    return tuple(Alike(uid, score) for uid, score in best.items())


def _bits(vector: str, dim: int) -> str:
    """Return SQL of which of a vector's numbers are positive; ``dim`` is a checked int."""
    return f"binary_quantize({vector})::bit({dim})"
