"""How a webhook is signed, and how its receiver checks that."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeface.errors import ActuatorError
from edgeface.schema import JsonError, parse_json

SIGNATURE_HEADER = "X-Edgeface-Signature"
TIMESTAMP_HEADER = "X-Edgeface-Timestamp"
EVENT_HEADER = "X-Edgeface-Event"
WINDOW_S = 300.0
_SCHEME = "sha256="
_LONGEST_TIMESTAMP = 12


def signature_of(body: bytes, *, timestamp: str, secret: bytes) -> str:
    """Return the header's value: HMAC-SHA256 over the timestamp, a full stop and the body."""
    digest = hmac.new(secret, timestamp.encode("ascii") + b"." + body, hashlib.sha256)
    return _SCHEME + digest.hexdigest()


def verify_signature(
    body: bytes,
    *,
    signature: str,
    timestamp: str,
    secret: bytes,
    now: float,
    window_s: float = WINDOW_S,
) -> bool:
    """Say whether a webhook was sent by who has the secret, and lately; in constant time.

    Parameters
    ----------
    body
        The request's body as it arrived, before anything reads it as JSON.
    signature, timestamp
        The values of X-Edgeface-Signature and X-Edgeface-Timestamp, from a stranger.
    secret
        What the door's `secret_file` holds, without white space around it.
    now
        Seconds since 1970, of the receiver's clock.
    window_s
        How far the timestamp may be from `now`, seconds. What was recorded and sent again later
        is refused; within the window the event's id says that it was there before.
    """
    plain = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _LONGEST_TIMESTAMP
    if not plain or not signature.isascii():
        return False
    expected = signature_of(body, timestamp=timestamp, secret=secret)
    genuine = hmac.compare_digest(expected.encode("ascii"), signature.encode("ascii"))
    return genuine and abs(now - int(timestamp)) <= window_s


@dataclass(frozen=True)
class Received:
    """A webhook that is genuine.

    Attributes
    ----------
    event
        The message, as docs/actuators.md has it.
    repeated
        True when an event of this id was received before: the door did not get the answer and
        sent it again, or somebody replays it. Answer 200 and do nothing.
    """

    event: Mapping[str, Any]
    repeated: bool


class WebhookReceiver:
    """The receiving side, for servers in Python. Threads may share one.

    Parameters
    ----------
    secret
        The door's secret.
    window_s
        How old a request may be, seconds.
    remembered
        How many event ids are kept to know a repeated one; more than arrive within the window.
    """

    def __init__(
        self, secret: bytes, *, window_s: float = WINDOW_S, remembered: int = 10000
    ) -> None:
        self._secret, self._window_s, self._remembered = secret.strip(), window_s, remembered
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def receive(self, body: bytes, *, headers: Mapping[str, str], now: float) -> Received:
        """Check a request and return what it says.

        Parameters
        ----------
        body
            The request's body as it arrived.
        headers
            Its headers; names in any case.
        now
            Seconds since 1970.

        Raises
        ------
        ActuatorError
            Forged, changed, too old, or not one of ours: answer 401.
        """
        found = {name.lower(): value for name, value in headers.items()}
        genuine = verify_signature(
            body,
            signature=found.get(SIGNATURE_HEADER.lower(), ""),
            timestamp=found.get(TIMESTAMP_HEADER.lower(), ""),
            secret=self._secret,
            now=now,
            window_s=self._window_s,
        )
        if not genuine:
            raise ActuatorError(
                "webhook: its signature does not hold, or its time is too far from ours; compare "
                "the secrets and the clocks of door and receiver"
            )
        event = _event(body)
        return Received(event, self._known(event["event_id"]))

    def _known(self, event_id: str) -> bool:
        with self._lock:
            known = event_id in self._seen
            self._seen[event_id] = None
            if len(self._seen) > self._remembered:
                self._seen.popitem(last=False)
            return known


def _event(body: bytes) -> dict[str, Any]:
    """Return a genuine message; another program with our secret may have sent anything."""
    try:
        event = parse_json(body)
    except JsonError as error:
        raise ActuatorError(f"webhook: its body is no JSON of ours: {error}") from error
    if not isinstance(event, dict) or not isinstance(event.get("event_id"), str):
        raise ActuatorError('webhook: its body has no text "event_id": no door of ours sent it')
    return event
