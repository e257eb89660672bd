"""Serving a site by uvicorn: one process, TLS as it should be, no log of who asked for what."""

from __future__ import annotations

import ssl
from typing import Any

import uvicorn

from edgeface.console.app import create_app
from edgeface.errors import SiteError
from edgeface.site.config import SiteConfig
from edgeface.site.site import Site
from edgeface.stop_signal import stop_by

_PORT = 8443
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # forward secrecy and authenticated, for TLS 1.2
_MOST_CONNECTIONS = 2000


def make_server(site: Site) -> uvicorn.Server:
    """Return the server of an open site, as site.toml says; ``run`` serves until it is ended.

    Raises
    ------
    SiteError
        The certificate or its key cannot be used.
    """
    table = site.config.table("server")
    settings = uvicorn.Config(
        create_app(site, names=table.get("names", ())),
        host=table.get("bind", "127.0.0.1"),
        port=table.get("port", _PORT),
        log_level="warning",
        access_log=False,  # URLs hold names that people are searched by
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=3,
        lifespan="on",
        **_tls(site.config),
    )
    try:
        settings.load()
    except (OSError, ssl.SSLError) as error:
        raise SiteError(f"[server] certificate and key of {site.config.path}: {error}") from error
    if settings.ssl is not None:
        settings.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return uvicorn.Server(settings)


def serve(site: Site) -> None:
    """Serve until SIGINT or SIGTERM; in the main thread."""
    # uvicorn ends on them, and then raises them again: the site is still to be closed.
    with stop_by(lambda: None):
        make_server(site).run()


def _tls(config: SiteConfig) -> dict[str, Any]:
    table = config.table("server")
    if "certificate" not in table:
        return {}
    config.secret(table["key"])  # a key that others may read is refused
    return {
        "ssl_certfile": str(config.file(table["certificate"])),
        "ssl_keyfile": str(config.file(table["key"])),
        "ssl_ciphers": _CIPHERS,
    }
