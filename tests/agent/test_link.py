"""The agent's connection to its site."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edgeface.agent.link import SiteLink
from edgeface.errors import SiteUnavailableError


class Site(BaseHTTPRequestHandler):
    """Answers at once, keeps the connection, and holds /slow back."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.endswith("/slow"):
            time.sleep(5)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_request_that_is_cut_ends_at_once_also_on_a_connection_that_was_kept():
    """A connection that the site gave up is opened again: not one that we cut ourselves."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    link = SiteLink(f"http://127.0.0.1:{server.server_port}", ca_file=None, token=lambda: "t")
    assert link.get("/quick") == b"ok"
    threading.Timer(0.3, link.cut).start()
    began = time.monotonic()
    with pytest.raises(SiteUnavailableError):
        link.get("/slow")
    assert time.monotonic() - began < 3
    assert link.get("/quick") == b"ok"
    server.shutdown()
    server.server_close()
