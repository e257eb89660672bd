"""A whole site, served over TLS by uvicorn in a thread: real PostgreSQL, real models."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pyotp

from edgeface.console.serve import make_server
from edgeface.site.config import read_config
from edgeface.site.site import Site
from edgeface.site.site_new import make_site

PASSWORD = "correct horse battery"
API = "/api/v1"


@dataclass
class Served:
    """A running site."""

    site: Site
    port: int
    folder: Path
    authenticators: dict[str, pyotp.TOTP] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def client(self, **headers: str) -> httpx.Client:
        """Somebody with neither session nor token."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        return httpx.Client(
            base_url=self.url + API, verify=context, headers=headers, timeout=30, trust_env=False
        )

    def add_user(self, name: str, role: str) -> None:
        uri = self.site.users.add(name, password=PASSWORD, role=role)
        self.authenticators[name] = pyotp.parse_uri(uri)

    def login(self, name: str) -> dict[str, str]:
        """What logs somebody in; a code is taken once, so the database forgets that it was."""
        with self.site.database.transaction() as connection:
            connection.execute("UPDATE site_user SET totp_used = 0 WHERE name = %s", (name,))
        code = self.authenticators[name].now()
        return {"name": name, "password": PASSWORD, "code": code}

    def user(self, name: str) -> httpx.Client:
        """A browser in which somebody is logged in, sending what its pages send."""
        with self.client() as entering:
            answer = entering.post("/session", json=self.login(name))
            assert answer.status_code == 201, answer.text
        client = self.client(Origin=self.url)
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        client.cookies = entering.cookies
        return client

    def token(self, *scopes: str) -> httpx.Client:
        name = f"test {time.monotonic_ns()}"
        _, text = self.site.tokens.add(name, scopes=scopes, by="user:test")
        return self.client(Authorization=f"Bearer {text}")

    def door(self, name: str, *groups: str) -> httpx.Client:
        token = self.site.doors.add(name, groups=groups or ("default",), by="user:test")
        return self.client(Authorization=f"Bearer {token}")


@contextmanager
def serve(
    folder: Path,
    conninfo: str,
    *,
    addresses: Sequence[str] = (),
    bind: str = "127.0.0.1",
    more: str = "",
) -> Iterator[Served]:
    """Make a site with a user of each role, and serve it.

    It answers at `addresses` too, where it listens on all of them, and `more` is added to its
    site.toml.
    """
    port = free_port()
    names = ["localhost", "127.0.0.1", *addresses]
    list(make_site(folder, conninfo=conninfo, names=names, bind=bind))
    settings = folder / "site.toml"
    settings.write_text(settings.read_text().replace("port = 8443", f"port = {port}") + more)
    with Site(read_config(settings)) as site:
        server = make_server(site)
        thread = threading.Thread(target=server.run)
        thread.start()
        served = Served(site, port, folder)
        for role in ("owner", "operator", "auditor"):
            served.add_user(role, role)
        while not server.started:
            assert thread.is_alive(), "the server ended"
            time.sleep(0.01)
        try:
            yield served
        finally:
            server.should_exit = True
            thread.join()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def wait_until(holds: Callable[[], bool], *, limit_s: float = 15.0) -> bool:
    """Whether something came true in time."""
    ends = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
    return True
