"""A real HTTPS server that keeps what it received."""

from __future__ import annotations

import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.door.certificates import Certificates


class Server(ThreadingHTTPServer):
    """Keeps what it received, and answers as a test says."""

    daemon_threads = True

    def __init__(self, certificates: Certificates | None, *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.requests: list[tuple[dict[str, str], bytes, str]] = []
        self.statuses: list[int] = []  # of the next answers; then 200
        self.drip_s = 0.0  # between two bytes of an answer that never ends
        if certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.server, certificates.server_key)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        scheme = "https" if certificates else "http"
        self.url = f"{scheme}://localhost:{self.server_port}/door?site=1"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: refused handshakes are part of the tests."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((dict(self.headers), body, self.path))
        if self.server.drip_s:
            self.drip()
            return
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.server.url + "&again=1")
        self.end_headers()

    def drip(self) -> None:
        try:
            for _ in range(1000):
                self.wfile.write(b"H")
                time.sleep(self.server.drip_s)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        """Say nothing."""
