"""The site's PostgreSQL: connections, its schema by numbered migrations, notifications.

The database needs the extension pgvector. Everything else of a site asks this module for
connections, and writes SQL with parameters only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING

from edgeface.errors import SiteError, SiteUnavailableError

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

_MIGRATION_LOCK = 0x6564_6765  # any number, the same for everybody who migrates


class Database:
    """A pool of connections to one site's database. Threads may share it.

    Parameters
    ----------
    conninfo
        As PostgreSQL's libpq reads it: ``postgresql://user@host/name`` or ``host=... dbname=...``.
    most
        How many connections there are at most.
    timeout_s
        How long to wait for one, seconds.

    Raises
    ------
    SiteError
        It cannot be reached, lacks pgvector, or was migrated by a newer edgeface.
    """

    def __init__(self, conninfo: str, *, most: int = 10, timeout_s: float = 10.0) -> None:
        self.conninfo = conninfo
        self._pool = _pool(conninfo, most=most, timeout_s=timeout_s)
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Lend a connection inside one transaction: all of it, or nothing.

        Raises
        ------
        SiteUnavailableError
            The database cannot be reached, or the connection broke on the way. What the database
            says of wrong SQL or broken constraints (`psycopg.Error`) passes as it is.
        """
        with _answering(), self._pool.connection() as connection:
            yield connection

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Lend a connection made for this and closed after it, each of whose statements is alone.

        Settings and locks of the session end with it. Errors as `transaction`.
        """
        import psycopg

        with _answering(), psycopg.connect(self.conninfo, autocommit=True) as connection:
            yield connection

    def close(self) -> None:
        """Close every connection; closing twice is harmless."""
        self._pool.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _migrate(self) -> None:
        known = _migrations()
        with self.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
            connection.execute("CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY)")
            done = {name for (name,) in connection.execute("SELECT name FROM migration")}
            newer = sorted(done - set(known))
            if newer:
                raise SiteError(
                    f"the site's database has {newer[0]}, which this edgeface does not know: "
                    "install the edgeface that made it, or a newer one"
                )
            for name in sorted(set(known) - done):
                connection.execute(known[name])
                connection.execute("INSERT INTO migration (name) VALUES (%s)", (name,))


@contextmanager
def _answering() -> Iterator[None]:
    import psycopg
    from psycopg_pool import PoolTimeout

    try:
        yield
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise SiteUnavailableError(
            f"the site's database does not answer: {_first_line(error)}"
        ) from error


def _migrations() -> dict[str, bytes]:
    folder = resources.files("edgeface.site") / "migrations"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(".sql")}


def _pool(conninfo: str, *, most: int, timeout_s: float) -> ConnectionPool:
    try:
        from psycopg_pool import ConnectionPool, PoolTimeout
    except ImportError as error:
        raise SiteError(
            "psycopg is not installed, which a site needs: pip install 'edgeface[site]'"
        ) from error
    pool = ConnectionPool(conninfo, min_size=1, max_size=most, timeout=timeout_s, open=False)
    try:
        pool.open(wait=True, timeout=timeout_s)
    except PoolTimeout as error:
        pool.close()
        raise SiteUnavailableError(
            f"no connection to the site's database within {timeout_s:g} s: is PostgreSQL running, "
            "and may this user log in?"
        ) from error
    return pool


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
