"""What a webhook's receiver is sent by strangers."""

from __future__ import annotations

from edgeface.door.webhook import WebhookReceiver
from edgeface.door.webhook_signature import signature_of
from edgeface.errors import ActuatorError

SECRET = b"a secret that no stranger has"
NOW = 1_700_000_000.0


def webhook_seeds() -> tuple[bytes, ...]:
    """Signature, timestamp and body, each on a line."""
    body = b'{"event_id": "1", "event_type": "opened"}'
    good = signature_of(body, timestamp="1700000000", secret=SECRET).encode()
    old = signature_of(body, timestamp="1600000000", secret=SECRET).encode()
    return (
        good + b"\n1700000000\n" + body,
        old + b"\n1600000000\n" + body,
        b"sha256=\n\n{}",
        b"sha256=" + b"0" * 64 + b"\n99999999999999999999\n[[]]",
    )


def check_webhook(data: bytes) -> None:
    """Only what was signed with the secret is received; a genuine body may hold anything."""
    signature, _, rest = data.partition(b"\n")
    timestamp, _, body = rest.partition(b"\n")
    headers = {
        "X-Edgeface-Signature": signature.decode("latin-1"),
        "x-edgeface-timestamp": timestamp.decode("latin-1"),
    }
    try:
        WebhookReceiver(SECRET).receive(body, headers=headers, now=NOW)
    except ActuatorError:
        pass
    else:
        assert data in webhook_seeds(), "a message that was never signed was received"
    _check_genuine(body)


def _check_genuine(body: bytes) -> None:
    timestamp = str(int(NOW))
    signed = signature_of(body, timestamp=timestamp, secret=SECRET)
    headers = {"X-Edgeface-Signature": signed, "X-Edgeface-Timestamp": timestamp}
    receiver = WebhookReceiver(SECRET)
    try:
        first = receiver.receive(body, headers=headers, now=NOW)
    except ActuatorError:
        return
    assert not first.repeated
    assert receiver.receive(body, headers=headers, now=NOW).repeated
