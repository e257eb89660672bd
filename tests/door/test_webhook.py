"""Webhooks: against a real HTTPS server on this machine."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.door.sender_queue import Backoff
from edgeface.door.webhook import SETTINGS, Webhook, WebhookReceiver, verify_signature
from edgeface.door.webhook_post import Target
from edgeface.door.webhook_signature import signature_of
from edgeface.errors import ActuatorError, DoorError
from edgeface.schema import first_problem
from tests.door.certificates import Certificates, make_certificates
from tests.door.outputs import NAME, alarm, denial, opening, report_delays, tells_who, wait_until
from tests.door.web_server import Server

SECRET = b"correct horse battery staple"
QUICK = Backoff(first_s=0.02, longest_s=0.1)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("webhook"))


@pytest.fixture
def server(certificates: Certificates) -> Iterator[Server]:
    server = Server(certificates)
    yield server
    server.stop()


@pytest.fixture
def webhook(server: Server, certificates: Certificates) -> Iterator[Webhook]:
    with to(server.url, certificates) as webhook:
        yield webhook


def to(url: str, certificates: Certificates, *, timeout_s: float = 5.0, **more) -> Webhook:
    target = Target.of(url, ca_file=certificates.authority, timeout_s=timeout_s)
    return Webhook(target, secret=SECRET, backoff=QUICK, **more)


def verify(headers: dict[str, str], body: bytes, *, now: float | None = None, **more) -> bool:
    return verify_signature(
        body,
        signature=headers["X-Edgeface-Signature"],
        timestamp=headers["X-Edgeface-Timestamp"],
        secret=more.get("secret", SECRET),
        now=time.time() if now is None else now,
    )


def test_decision_arrives_signed_with_an_event_id(server: Server, webhook: Webhook) -> None:
    webhook.handle(opening())
    wait_until(lambda: webhook.state().delivered == 1)
    headers, body, path = server.requests[0]
    message = json.loads(body)
    assert verify(headers, body) and path == "/door?site=1"
    assert headers["X-Edgeface-Event"] == message["event_id"]
    assert (message["event_type"], message["reason"]) == ("opened", "recognised")
    assert webhook.fault() is None


def test_name_and_card_stay_on_the_door_unless_names_are_asked_for(
    server: Server, certificates: Certificates, webhook: Webhook
) -> None:
    webhook.handle(opening())
    wait_until(lambda: server.requests)
    assert not tells_who(server.requests[0][1])
    with to(server.url, certificates, send_names=True) as telling:
        telling.handle(opening())
        wait_until(lambda: len(server.requests) == 2)
    message = json.loads(server.requests[1][1])
    assert message.pop("person") == NAME and not tells_who(json.dumps(message).encode())


def test_alarms_arrive_in_order_with_decisions(server: Server, webhook: Webhook) -> None:
    for output in (denial(), alarm("tamper"), alarm("tamper", active=False)):
        webhook.handle(output)
    wait_until(lambda: webhook.state().delivered == 3)
    types = [json.loads(body)["event_type"] for _, body, _ in server.requests]
    assert types == ["denied", "alarm", "alarm_over"]


def test_changed_body_or_header_or_secret_is_refused(server: Server, webhook: Webhook) -> None:
    webhook.handle(denial())
    wait_until(lambda: server.requests)
    headers, body, _ = server.requests[0]
    assert verify(headers, body)
    assert not verify(headers, body.replace(b"denied", b"opened"))
    assert not verify(headers, body, secret=SECRET[:-1])
    later = str(int(headers["X-Edgeface-Timestamp"]) + 1)
    assert not verify({**headers, "X-Edgeface-Timestamp": later}, body)
    for bad in ("", "sha256=", "sha256=ü", headers["X-Edgeface-Signature"][:-1]):
        assert not verify({**headers, "X-Edgeface-Signature": bad}, body)
    for bad in ("", "-1", "1e9", "9" * 400, "²"):
        assert not verify({**headers, "X-Edgeface-Timestamp": bad}, body)


def test_replay_after_the_window_is_refused_and_within_it_is_known(
    server: Server, webhook: Webhook
) -> None:
    webhook.handle(opening())
    wait_until(lambda: server.requests)
    headers, body, _ = server.requests[0]
    receiver, now = WebhookReceiver(SECRET), time.time()
    assert not receiver.receive(body, headers=headers, now=now).repeated
    assert receiver.receive(body, headers=headers, now=now + 1).repeated
    for when in (now + 400, now - 400):
        with pytest.raises(ActuatorError, match="time is too far"):
            receiver.receive(body, headers=headers, now=when)


def test_server_that_answers_500_gets_the_same_event_again(
    server: Server, webhook: Webhook
) -> None:
    server.statuses = [500, 503, 429]
    webhook.handle(opening())
    wait_until(lambda: webhook.state().delivered == 1)
    assert len(server.requests) == 4
    assert len({headers["X-Edgeface-Event"] for headers, _, _ in server.requests}) == 1
    assert len({body for _, body, _ in server.requests}) == 1


def test_event_that_the_server_refuses_is_given_up_and_reported(
    server: Server, webhook: Webhook
) -> None:
    server.statuses = [401]
    webhook.handle(opening())
    wait_until(lambda: webhook.state().refused == 1)
    assert "401" in str(webhook.fault())
    webhook.handle(denial())
    wait_until(lambda: webhook.state().delivered == 1)
    assert webhook.fault() is None and len(server.requests) == 2


def test_redirect_is_not_followed(server: Server, webhook: Webhook) -> None:
    server.statuses = [302]
    webhook.handle(opening())
    wait_until(lambda: webhook.state().refused == 1)
    assert "redirects are not followed" in str(webhook.fault())
    assert len(server.requests) == 1


def test_server_that_answers_a_byte_now_and_then_is_cut_off_in_time(
    server: Server, certificates: Certificates
) -> None:
    server.drip_s = 0.05
    with to(server.url, certificates, timeout_s=0.4) as webhook:
        began = time.monotonic()
        webhook.handle(opening())
        assert time.monotonic() - began < 0.05
        wait_until(webhook.fault)
        assert time.monotonic() - began < 2
        server.drip_s = 0.0
        wait_until(lambda: webhook.state().delivered == 1)


def test_server_that_never_answers_the_handshake_is_given_up_in_time(
    certificates: Certificates,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://localhost:{silent.getsockname()[1]}/"
        with to(url, certificates, timeout_s=0.3) as webhook:
            webhook.handle(opening())
            wait_until(webhook.fault, within_s=3)
            assert "no answer within 0.3 s" in str(webhook.fault())


def test_server_that_was_down_gets_the_newest_events_and_the_rest_is_counted(
    server: Server, certificates: Certificates
) -> None:
    port = server.server_port
    server.stop()
    with to(server.url, certificates, queue=3) as webhook:
        for _ in range(10):
            began = time.monotonic()
            webhook.handle(denial())
            assert time.monotonic() - began < 0.05
        webhook.handle(alarm("forced"))
        wait_until(webhook.fault)
        back = Server(certificates, port=port)
        wait_until(lambda: webhook.state().waiting == 0)
        state = webhook.state()
        assert state.delivered + state.dropped == 11 and 3 <= state.delivered <= 4
        assert json.loads(back.requests[-1][1])["alarm"] == "forced"
        assert webhook.fault() is None
        back.stop()


def test_server_of_another_authority_or_name_gets_nothing(
    server: Server, certificates: Certificates, tmp_path: Path
) -> None:
    stranger = make_certificates(tmp_path)
    with to(server.url, stranger) as webhook:
        webhook.handle(opening())
        wait_until(webhook.fault)
        assert "not trusted" in str(webhook.fault())
    misnamed = Server(make_certificates(tmp_path / "other", server="elsewhere.example"))
    other = Certificates(tmp_path / "other" / "ca.pem", Path(), Path())
    with to(misnamed.url, other) as webhook:
        webhook.handle(opening())
        wait_until(webhook.fault)
        assert "not trusted" in str(webhook.fault())
    misnamed.stop()
    assert not server.requests and not misnamed.requests


@pytest.mark.parametrize(
    "url",
    ["http://localhost/", "ftp://x/", "https://", "https://u:p@host/", "https://h:99999/"]
    + ["https://site..example/", f"https://{'x' * 64}.example/"],
)
def test_url_that_is_no_https_is_refused(url: str) -> None:
    with pytest.raises(DoorError, match="expected (https://|a name or an address)|use https://"):
        Target.of(url)


def test_plain_http_works_where_it_is_allowed(tmp_path: Path) -> None:
    server = Server(None)
    table = settings(tmp_path, url=server.url, allow_plain_http=True)
    with Webhook.from_settings(table, base=tmp_path) as webhook:
        webhook.handle(opening())
        wait_until(lambda: webhook.state().delivered == 1)
    assert verify(*server.requests[0][:2])
    server.stop()


def settings(folder: Path, **more) -> dict:
    secret = folder / "secret"
    secret.write_bytes(SECRET + b"\n")
    secret.chmod(0o600)
    table = {"kind": "webhook", "url": "https://localhost/", "secret_file": "secret", **more}
    assert first_problem(table, SETTINGS) is None
    return table


def test_secret_that_others_may_read_or_that_is_short_is_refused(tmp_path: Path) -> None:
    table = settings(tmp_path)
    (tmp_path / "secret").chmod(0o640)
    with pytest.raises(DoorError, match="chmod 600"):
        Webhook.from_settings(table, base=tmp_path)
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "secret").write_bytes(b"short\n")
    with pytest.raises(DoorError, match="at least 16"):
        Webhook.from_settings(table, base=tmp_path)
    (tmp_path / "secret").unlink()
    with pytest.raises(DoorError, match="cannot read"):
        Webhook.from_settings(table, base=tmp_path)


def test_closed_webhook_refuses_and_closes_twice(
    server: Server, certificates: Certificates
) -> None:
    webhook = to(server.url, certificates)
    webhook.handle(opening())
    webhook.close()
    webhook.close()
    assert len(server.requests) == 1  # what waited was sent
    with pytest.raises(ActuatorError, match="closed"):
        webhook.handle(opening())


def test_signature_is_what_the_page_says() -> None:
    # openssl: printf '1700000000.{}' | openssl dgst -sha256 -hmac secret
    assert signature_of(b"{}", timestamp="1700000000", secret=b"secret") == (
        "sha256=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163"
    )


def test_delay_from_handle_to_answer(server: Server, webhook: Webhook) -> None:
    for number in range(50):
        webhook.handle(opening())
        wait_until(lambda number=number: webhook.state().delivered > number)
    assert report_delays("webhook, handle to answer", webhook.delays_s()) < 0.5
