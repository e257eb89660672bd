"""Every answer: headers against browsers' mistakes, errors without insides, hosts, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings

import httpx
import psycopg
import pytest

from edgeface.console.app import create_app
from tests.console.serving import API, Served, wait_until


def test_every_answer_has_the_headers_also_errors(served: Served):
    with served.client() as client:
        answers = [client.get(path) for path in ("/people", "/nothing", "/openapi.json")]
    for answer in answers:
        assert answer.headers["content-security-policy"].startswith("default-src 'self'; ")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers and "x-powered-by" not in answer.headers


def test_errors_are_json_with_a_word_and_a_text(served: Served):
    with served.client() as client:
        for path, status in (("/nothing", 404), ("/people", 401)):
            answer = client.get(path)
            assert answer.status_code == status and set(answer.json()) == {"error", "text"}
        wrong = client.post("/session", json={"name": "x", "password": "secret words", "code": 1})
        assert wrong.status_code == 422 and "secret words" not in wrong.text
        assert client.put("/session", json={}).status_code == 405


def test_database_that_is_away_is_said_and_all_is_well_when_it_is_back(served: Served):
    away = served.site.database.conninfo
    name = away.rpartition("/")[2]
    with psycopg.connect(away.replace(name, "postgres"), autocommit=True) as other:
        with served.user("owner") as client:
            other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            other.execute(ours, (name,))
            answer = client.get("/users")
            other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
            assert wait_until(lambda: client.get("/users").status_code == 200)


def test_change_that_cannot_be_logged_is_no_success(served: Served, owner: httpx.Client):
    log, away = served.folder / "acts", served.folder / "acts.away"
    log.rename(away)
    answer = owner.put("/decision", json={})
    away.rename(log)
    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
    assert owner.put("/decision", json={}).status_code == 204
    assert owner.get("/acts/report").json()["whole"]


def test_mistake_of_ours_shows_no_insides(served: Served):
    app = create_app(served.site)

    @app.get("/broken")
    def broken() -> None:
        raise KeyError("an inner secret")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as client:
            return await client.get("/broken")

    answer = asyncio.run(ask())
    assert answer.status_code == 500 and "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8443", "", "localhost.evil:1"])
def test_request_for_another_host_is_refused(served: Served, host: str):
    with served.client(Host=host) as client:
        assert client.get("/openapi.json").status_code == 421


def test_names_of_the_site_and_loopback_are_its_own(served: Served):
    with served.client() as client:
        for host in ("localhost", f"localhost:{served.port}", "127.0.0.1", "LOCALHOST", "[::1]:1"):
            assert client.get("/openapi.json", headers={"Host": host}).status_code == 200


def handshake(served: Served, **settings: object) -> str | None:
    """The version that both agree on, or None where the server refuses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(served.folder / "ca.pem")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what we ask for
        for name, value in settings.items():
            if name == "ciphers":
                context.set_ciphers(value)
            else:
                setattr(context, name, value)
    try:
        with socket.create_connection(("127.0.0.1", served.port), timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as secure:
                secure.sendall(
                    f"GET {API}/openapi.json HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
                )
                assert secure.recv(12) == b"HTTP/1.1 200"
                return secure.version()
    except (ssl.SSLError, ConnectionError):
        return None


def test_tls_is_1_2_or_newer(served: Served):
    old, new = ssl.TLSVersion, {}
    for version in (old.TLSv1, old.TLSv1_1, old.TLSv1_2, old.TLSv1_3):
        limits = {"minimum_version": version, "maximum_version": version}
        weak = {"ciphers": "ALL:@SECLEVEL=0"} if version < old.TLSv1_2 else {}
        new[version] = handshake(served, **weak, **limits)
    assert list(new.values()) == [None, None, "TLSv1.2", "TLSv1.3"]


@pytest.mark.parametrize(
    ("ciphers", "taken"),
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", True),
        ("ECDHE-ECDSA-AES128-SHA256", False),
        ("ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0", False),
        ("AES128-GCM-SHA256", False),
        ("AES128-SHA:@SECLEVEL=0", False),
        ("eNULL:@SECLEVEL=0", False),
        ("aNULL:@SECLEVEL=0", False),
    ],
)
def test_ciphers_of_tls_1_2_have_forward_secrecy_and_authenticate(served, ciphers, taken):
    limit = ssl.TLSVersion.TLSv1_2
    found = handshake(served, ciphers=ciphers, maximum_version=limit)
    assert (found == "TLSv1.2") == taken


def test_plain_http_gets_no_answer(served: Served):
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            assert b"HTTP" not in plain.recv(100)
        except ConnectionError:
            pass
