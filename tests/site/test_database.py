"""The site's database: migrated once, by one at a time, and an error where it is not there."""

from __future__ import annotations

import threading

import pytest

from edgeface.errors import SiteError
from edgeface.site.database import Database
from tests.site.postgres import Postgres


def names(database: Database) -> list[str]:
    with database.transaction() as connection:
        return [name for (name,) in connection.execute("SELECT name FROM migration ORDER BY name")]


def test_database_is_migrated_when_opened_and_vectors_are_there(database):
    with database.transaction() as connection:
        nearness = connection.execute("SELECT '[1,0]'::vector <=> '[0,1]'::vector").fetchone()
    assert "001_vector.sql" in names(database) and nearness == (1.0,)


def test_several_that_open_a_new_database_at_once_migrate_it_once(conninfo):
    def open_once() -> None:
        Database(conninfo, most=1).close()

    threads = [threading.Thread(target=open_once) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Database(conninfo, most=1) as database:
        assert len(names(database)) == len(set(names(database))) > 0


def test_database_of_a_newer_edgeface_is_refused(conninfo):
    with Database(conninfo, most=1) as database, database.transaction() as connection:
        connection.execute("INSERT INTO migration VALUES ('999_future.sql')")
    with pytest.raises(SiteError, match=r"999_future\.sql.*newer"):
        Database(conninfo, most=1)


def test_transaction_that_fails_leaves_nothing(database):
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        connection.execute("INSERT INTO migration VALUES ('000_half.sql')")
        raise ZeroDivisionError
    assert "000_half.sql" not in names(database)


def test_database_that_goes_away_is_an_error_and_works_again_when_it_is_back(tmp_path):
    server = Postgres(tmp_path / "server")
    server.start()
    with Database(server.create(), most=2, timeout_s=1.0) as database:
        server.kill()
        with pytest.raises(SiteError, match="does not answer"):
            names(database)
        server.start()
        assert names(database)
    server.stop()


def test_server_that_is_not_there_is_an_error_that_asks_what_to_look_at():
    with pytest.raises(SiteError, match="is PostgreSQL running"):
        Database("postgresql://site@127.0.0.1:1/none", most=1, timeout_s=0.5)
