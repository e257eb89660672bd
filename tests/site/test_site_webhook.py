"""The site's webhook: every event in order, signed, kept while the receiver is away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeface.door.webhook import WebhookReceiver
from edgeface.door.webhook_post import Target
from edgeface.errors import SiteError
from edgeface.site.database import Database
from edgeface.site.events import Events
from edgeface.site.events_arrival import Notice
from edgeface.site.site_webhook import SiteWebhook
from edgeface.site.watch import Watch
from tests.door.certificates import Certificates, make_certificates
from tests.door.outputs import wait_until
from tests.door.web_server import Server

SECRET = b"a secret of the site's"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def happen(events: Events, *details: str) -> None:
    for detail in details:
        events.notice(Notice("front", "gap", detail, detail))


def details(server: Server) -> list[str]:
    return [json.loads(body)["detail"] for _, body, _ in list(server.requests)]


def opened(database: Database, watch: Watch, url: str, ca_file: Path) -> SiteWebhook:
    target = Target.of(url, ca_file=ca_file, timeout_s=2.0)
    events = Events(database)
    return SiteWebhook(database, events, watch, url=url, target=target, secret=SECRET)


def test_events_reach_the_receiver_in_order_signed_and_after_every_failure(database, certificates):
    server, events = Server(certificates), Events(database)
    happen(events, "before the webhook was set up")
    with Watch(database) as watch:
        with opened(database, watch, server.url, certificates.authority) as webhook:
            server.statuses[:] = [503, 429]
            happen(events, "one", "two")
            wait_until(lambda: details(server) == ["one", "one", "one", "two"])
            wait_until(lambda: webhook.problem() is None)
        headers, body, _ = server.requests[-1]
        received = WebhookReceiver(SECRET).receive(
            body, headers=headers, now=int(headers["X-Edgeface-Timestamp"])
        )
        assert received.event["door"] == "front" and received.event["event_type"] == "gap"
        happen(events, "while the site was down")
        with opened(database, watch, server.url, certificates.authority):
            wait_until(lambda: details(server)[-1] == "while the site was down")
        assert details(server).count("two") == 1, "told once"
    server.stop()


def test_receiver_that_is_down_loses_nothing_and_one_that_refuses_is_passed(database, certificates):
    server, events = Server(certificates), Events(database)
    url, port = server.url, server.server_port
    with Watch(database) as watch:
        with opened(database, watch, url, certificates.authority) as webhook:
            server.stop()
            happen(events, "kept", "refused", "last")
            wait_until(lambda: "no answer" in (webhook.problem() or ""))
            server = Server(certificates, port=port)
            server.statuses[:] = [200, 400]
            wait_until(lambda: details(server) == ["kept", "refused", "last"])
    server.stop()


def test_short_secret_is_refused(database):
    target = Target.of("https://receiver.example/")
    with pytest.raises(SiteError, match="16"):
        SiteWebhook(
            database, Events(database), None, url="https://x", target=target, secret=b"short"
        )
