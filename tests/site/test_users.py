"""Users, sessions, tokens: who gets in, how often somebody may try, and what ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pyotp
import pytest

from edgeface.errors import SiteConflictError, SiteError, UnknownEntryError
from edgeface.site.database import Database
from edgeface.site.session import Sessions
from edgeface.site.token import Tokens
from edgeface.site.users import Users
from edgeface.site.users_guess import Guesses
from tests.site.postgres import Postgres

KEY = bytes(range(32))
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def migrated(postgres: Postgres) -> Iterator[Database]:
    with Database(postgres.create(), most=4) as opened:
        yield opened


@pytest.fixture
def database(migrated: Database) -> Database:
    """One for all tests of this file, emptied: making one takes longer than most of them."""
    run(migrated, "TRUNCATE site_user, site_session, site_guess, site_token CASCADE")
    return migrated


@pytest.fixture
def users(database: Database) -> Users:
    return Users(database, key=KEY)


def authenticator(uri: str) -> pyotp.TOTP:
    parsed = pyotp.parse_uri(uri)
    assert isinstance(parsed, pyotp.TOTP)
    return parsed


def run(database: Database, sql: str, *values: object) -> None:
    with database.transaction() as connection:
        connection.execute(sql, values)


def test_user_gets_in_with_password_and_code_and_the_same_code_works_once(users):
    totp = authenticator(users.add("ada", password=PASSWORD, role="owner"))
    code = totp.now()
    assert users.check("ada", password=PASSWORD, code="000000") is None
    assert users.check("ada", password="wrong horse battery", code=code) is None
    found = users.check("ada", password=PASSWORD, code=code)
    assert found is not None and (found.name, found.role) == ("ada", "owner")
    assert users.check("ada", password=PASSWORD, code=code) is None, "a code was taken twice"


def test_code_of_one_step_ago_is_taken_and_of_an_older_one_is_not(users):
    totp = authenticator(users.add("ada", password=PASSWORD, role="owner"))
    now = time.time()
    if now % 30 > 25:  # the step must not end in the middle
        time.sleep(31 - now % 30)
    now = int(time.time())
    assert users.check("ada", password=PASSWORD, code=totp.at(now - 90)) is None
    assert users.check("ada", password=PASSWORD, code=totp.at(now - 30)) is not None
    assert users.check("ada", password=PASSWORD, code=totp.at(now)) is not None
    assert users.check("ada", password=PASSWORD, code=totp.at(now - 30)) is None, "went back"


def test_one_code_at_the_same_time_lets_in_once(users):
    code = authenticator(users.add("ada", password=PASSWORD, role="owner")).now()
    found = []
    threads = [
        threading.Thread(
            target=lambda: found.append(users.check("ada", password=PASSWORD, code=code))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([user for user in found if user]) == 1


def test_unknown_user_takes_as_long_as_a_wrong_password(users):
    users.add("ada", password=PASSWORD, role="owner")

    def spent(name: str) -> float:
        best = []
        for _ in range(3):
            start = time.perf_counter()
            assert users.check(name, password="wrong horse battery", code="123456") is None
            best.append(time.perf_counter() - start)
        return min(best)

    # Without the hash of nobody it would be hundreds of times quicker.
    assert 0.3 < spent("nobody") / spent("ada") < 3


def test_disabled_user_is_refused_and_all_sessions_end(database, users):
    users.add("ada", password=PASSWORD, role="owner")
    code = authenticator(users.add("bob", password=PASSWORD, role="auditor")).now()
    sessions = Sessions(database)
    cookie = sessions.open("bob")
    assert sessions.get(cookie) is not None
    users.change("bob", enabled=False)
    assert sessions.get(cookie) is None
    assert users.check("bob", password=PASSWORD, code=code) is None


@pytest.mark.parametrize("change", [{"enabled": False}, {"role": "operator"}, None])
def test_tokens_of_an_owner_who_is_none_any_more_are_void(database, users, change):
    users.add("ada", password=PASSWORD, role="owner")
    users.add("bob", password=PASSWORD, role="owner")
    tokens = Tokens(database)
    texts = {name: tokens.add(name, scopes=SCOPE, by=f"user:{name}")[1] for name in ("ada", "bob")}
    users.change("bob", password=PASSWORD + " and more")
    assert tokens.authenticate(texts["bob"]) is not None
    users.remove("bob") if change is None else users.change("bob", **change)
    assert tokens.authenticate(texts["bob"]) is None
    assert tokens.authenticate(texts["ada"]) is not None


def test_last_owner_stays_owner(users):
    users.add("ada", password=PASSWORD, role="owner")
    users.add("bob", password=PASSWORD, role="operator")
    for take_away in (
        lambda: users.remove("ada"),
        lambda: users.change("ada", role="operator"),
        lambda: users.change("ada", enabled=False),
    ):
        with pytest.raises(SiteConflictError, match="owner"):
            take_away()
    users.change("bob", role="owner")
    users.remove("ada")
    assert [user.name for user in users.all()] == ["bob"]


@pytest.mark.parametrize(
    ("name", "password", "role"),
    [
        ("Ada", PASSWORD, "owner"),
        ("ada", "short", "owner"),
        ("ada", "aaaaaaaaaaaaaaaa", "owner"),
        ("ada", "my name is ada here", "owner"),
        ("ada", PASSWORD, "king"),
    ],
)
def test_name_password_or_role_that_cannot_be_is_refused(users, name, password, role):
    with pytest.raises(SiteError):
        users.add(name, password=password, role=role)


def test_second_user_of_a_name_and_unknown_ones_are_errors(users):
    users.add("ada", password=PASSWORD, role="owner")
    with pytest.raises(SiteConflictError):
        users.add("ada", password=PASSWORD, role="owner")
    for unknown in (
        lambda: users.get("bob"),
        lambda: users.remove("bob"),
        lambda: users.change("bob", role="owner"),
        lambda: users.renew_authenticator("bob"),
    ):
        with pytest.raises(UnknownEntryError):
            unknown()


def test_database_holds_neither_password_nor_authenticator_nor_cookie(database, users):
    totp = authenticator(users.add("ada", password=PASSWORD, role="owner"))
    cookie = Sessions(database).open("ada")
    _, token = Tokens(database).add("backup", scopes=["people:read"], by="user:ada")
    with database.transaction() as connection:
        held = "".join(
            str(connection.execute(f"SELECT * FROM {table}").fetchall())
            for table in ("site_user", "site_session", "site_token")
        )
    for secret in (PASSWORD, totp.secret, cookie, token, token.rpartition("_")[2]):
        assert secret not in held


def test_another_sites_key_opens_no_authenticator(database, users):
    users.add("ada", password=PASSWORD, role="owner")
    with pytest.raises(SiteError, match="another key"):
        Users(database, key=bytes(32)).check("ada", password=PASSWORD, code="123456")


@pytest.mark.parametrize(
    ("idle", "age", "lives"), [(14, 600, True), (16, 20, False), (1, 12 * 60 + 1, False)]
)
def test_session_ends_by_idleness_and_by_age(database, users, idle, age, lives):
    users.add("ada", password=PASSWORD, role="owner")
    sessions = Sessions(database)
    cookie = sessions.open("ada")
    run(
        database,
        "UPDATE site_session SET seen_at = now() - make_interval(mins => %s), "
        "created_at = now() - make_interval(mins => %s)",
        idle,
        age,
    )
    assert (sessions.get(cookie) is not None) == lives


def test_watching_does_not_keep_a_session_alive_and_doing_does(database, users):
    users.add("ada", password=PASSWORD, role="owner")
    sessions = Sessions(database)
    cookie = sessions.open("ada")
    for touch, left in ((False, 14), (True, 0)):
        run(database, "UPDATE site_session SET seen_at = now() - interval '14 minutes'")
        assert sessions.get(cookie, touch=touch) is not None
        with database.transaction() as connection:
            idle = connection.execute("SELECT now() - seen_at FROM site_session").fetchone()[0]
        assert idle.total_seconds() == pytest.approx(left * 60, abs=5)


def test_five_hundred_guesses_are_looked_at_less_than_twenty_times(database):
    guesses, looked = Guesses(database), 0
    for _ in range(500):
        if guesses.count(address="192.0.2.7", account="ada") is None:
            looked += 1
    assert looked < 20


def test_guesses_at_the_same_time_and_from_many_addresses_are_counted_one_by_one(database):
    looked = []

    def guess(number: int) -> None:
        guesses = Guesses(database)
        for turn in range(25):
            address = f"192.0.2.{number * 25 + turn}"
            looked.append(guesses.count(address=address, account="ada") is None)

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(looked) <= 8


def test_address_that_tries_many_accounts_is_slowed_down(database):
    guesses = Guesses(database)
    looked = [guesses.count(address=f"2001:db8::{i}", account=f"a{i}") is None for i in range(99)]
    assert sum(looked) <= 13, "a /64 counts as one address"


def test_right_password_frees_the_account_and_a_day_frees_all(database):
    guesses = Guesses(database)
    for _ in range(5):
        assert guesses.count(address="192.0.2.1", account="ada") is None
    refusal = guesses.count(address="192.0.2.1", account="ada")
    assert refusal is not None and 0 < refusal.wait_s <= 2
    assert Guesses(database).count(address="192.0.2.2", account="ada") is not None, "restart"
    guesses.forget(address="192.0.2.1", account="ada")
    assert guesses.count(address="192.0.2.1", account="ada") is None
    run(
        database,
        "UPDATE site_guess SET failures = 90, next_at = now() - interval '1 minute', "
        "last_at = now() - interval '25 hours'",
    )
    assert guesses.count(address="192.0.2.1", account="ada") is None
    assert guesses.count(address="192.0.2.1", account="ada") is None


def test_token_is_found_by_its_text_only_until_it_is_removed_or_over(database):
    tokens = Tokens(database)
    token, text = tokens.add("backup", scopes=["people:read"], by="user:ada")
    found = tokens.authenticate(text)
    assert found is not None and found.scopes == ("people:read",)
    assert tokens.all()[0].used_at is not None
    flipped = text[:-1] + ("A" if text[-1] != "A" else "B")
    for other in ("", flipped, text[:-1], text + "A", f"efs_{'0' * 12}_{'A' * 43}"):
        assert tokens.authenticate(other) is None
    tokens.remove(token.id)
    assert tokens.authenticate(text) is None
    soon = datetime.now(timezone.utc) - timedelta(seconds=1)
    assert tokens.authenticate(tokens.add("x", scopes=SCOPE, by="y", expires_at=soon)[1]) is None


SCOPE = ["events:read"]


@pytest.mark.parametrize("scopes", [[], ["people:all"]])
def test_token_needs_scopes_that_there_are(database, scopes):
    with pytest.raises(SiteError, match="people:read"):
        Tokens(database).add("x", scopes=scopes, by="user:ada")
