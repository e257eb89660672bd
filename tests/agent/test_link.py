"""The agent's requests: checked, limited in time and size, one connection, no redirects."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edgeface.agent import link as link_module
from edgeface.agent.link import SiteLink
from edgeface.errors import SiteError, SiteForbiddenError, SiteUnavailableError
from tests.door.certificates import Certificates, make_certificates


class Server(ThreadingHTTPServer):
    """Answers as `answer(handler)` does; counts connections."""

    daemon_threads = True

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.connections, self.tokens = 0, []
        self.answer = lambda handler: handler.reply(200, b"{}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.server, certificates.server_key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, *_: object) -> None:
        """Say nothing: broken connections are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        self.server.tokens.append(self.headers["Authorization"])
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.answer(self)

    do_POST = do_GET

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(certificates) -> Iterator[Server]:
    made = Server(certificates)
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def link(server, certificates) -> Iterator[SiteLink]:
    url = f"https://localhost:{server.server_port}/"
    made = SiteLink(url, ca_file=certificates.authority, token=lambda: "secret")
    yield made
    made.close()


def test_requests_go_over_one_connection_with_the_token(server, link):
    for _ in range(3):
        assert link.get("/x") == b"{}" and link.post("/y", b"{}") == b"{}"
    assert server.connections == 1 and set(server.tokens) == {"Bearer secret"}


def test_connection_that_the_server_gave_up_is_made_anew(server, link):
    link.get("/x")
    server.answer = lambda handler: handler.reply(200, b"{}", Connection="close")
    link.get("/x")
    server.answer = lambda handler: handler.reply(200, b"[]")
    assert link.get("/x") == b"[]"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, SiteError),
        (401, SiteForbiddenError),
        (403, SiteForbiddenError),
        (409, SiteError),
        (422, SiteError),
        (429, SiteUnavailableError),
        (500, SiteUnavailableError),
        (503, SiteUnavailableError),
    ],
)
def test_refusal_is_an_error_with_the_site_s_own_text(server, link, status, error):
    body = json.dumps({"error": "code", "text": "because of this"}).encode()
    server.answer = lambda handler: handler.reply(status, body, Location="https://elsewhere.test/")
    with pytest.raises(error, match=f"{status}: because of this") as raised:
        link.get("/x")
    assert raised.type is error


def test_answer_that_never_ends_is_cut_off_in_time(server, link):
    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        for _ in range(600):
            handler.wfile.write(b".")
            time.sleep(0.02)

    server.answer = drip
    began = time.monotonic()
    with pytest.raises(SiteUnavailableError), link.opened("GET", "/x", timeout_s=0.5) as answer:
        answer.read()
    assert time.monotonic() - began < 3


def test_long_answer_over_a_slow_line_arrives_and_silence_in_it_is_its_end(
    server, link, monkeypatch
):
    monkeypatch.setattr(link_module, "_TIMEOUT_S", 0.4)

    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "12")
        handler.end_headers()
        for pause_s in [*[0.1] * 11, pauses.pop()]:
            time.sleep(pause_s)
            handler.wfile.write(b".")

    pauses = [5.0, 0.1]
    server.answer = drip
    assert link.get("/x") == b"." * 12
    began = time.monotonic()
    with pytest.raises(SiteUnavailableError):
        link.get("/x")
    assert time.monotonic() - began < 4


def test_answer_that_is_cut_off_is_no_answer(server, link):
    server.answer = lambda handler: (
        handler.reply(200, b"{}", Content_Length="50")
        or handler.connection.shutdown(socket.SHUT_RDWR)
    )
    with pytest.raises(SiteUnavailableError):
        link.get("/x")
    server.answer = lambda handler: handler.reply(200, b"{}")
    assert link.get("/x") == b"{}"


def test_answer_that_is_too_long_is_refused(server, link, monkeypatch):
    monkeypatch.setattr(link_module, "ANSWER_LIMIT_BYTES", 1000)
    server.answer = lambda handler: handler.reply(200, b"x" * 200_000)
    with pytest.raises(SiteUnavailableError, match="more than 1000 bytes"):
        link.get("/x")


def test_waiting_request_is_cut_from_another_thread(server, link):
    link.get("/x")
    server.answer = lambda handler: time.sleep(5)
    threading.Timer(0.3, link.cut).start()
    began = time.monotonic()
    with pytest.raises(SiteUnavailableError):
        link.get("/x", wait_s=20)
    assert time.monotonic() - began < 3


def test_server_of_another_authority_gets_no_token(server, certificates, tmp_path):
    other = make_certificates(tmp_path / "other").authority
    url = f"https://localhost:{server.server_port}"
    link = SiteLink(url, ca_file=other, token=lambda: "secret")
    with pytest.raises(SiteUnavailableError, match="not trusted"):
        link.get("/x")
    assert not server.tokens


def test_server_under_another_name_gets_no_token(server, certificates):
    link = SiteLink(
        f"https://127.0.0.2:{server.server_port}",
        ca_file=certificates.authority,
        token=lambda: "secret",
    )
    with pytest.raises(SiteUnavailableError):
        link.get("/x")
    assert not server.tokens


@pytest.mark.parametrize("url", ["http://site.example", "ftp://x", "https://u:p@x", "site", ""])
def test_url_that_is_not_https_is_refused(url):
    with pytest.raises(SiteError, match="site: "):
        SiteLink(url, ca_file=None, token=lambda: "secret")


@pytest.mark.parametrize("url", ["http://localhost.evil.example", "http://127.0.0.1.evil.example"])
def test_plain_http_is_for_this_machine_alone(url):
    with pytest.raises(SiteError, match="not encrypted"):
        SiteLink(url, ca_file=None, token=lambda: "secret")
    SiteLink("http://127.0.0.1:8080", ca_file=None, token=lambda: "secret").close()
