"""libosdp in a process of its own: bytes from outside the building that break it break only this.

The door's process keeps the serial line, frames and cards (`osdp_remote.py`); this one is told of
frames and events, a line of JSON each, and answers each by a line: what to send to the panel, and
what came of it. It ends when its input does.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

from edgeface.door.event import Card
from edgeface.door.osdp_session import PanelSession, PanelSignal
from edgeface.errors import ActuatorError


class MemoryLine:
    """What libosdp reads and writes: one frame in, and the bytes that answer it."""

    id = 0  # libosdp asks for it

    def __init__(self) -> None:
        self.frame = self.answer = b""

    def read(self, most: int) -> bytes:
        """Return the frame, at most so many bytes at a time."""
        data, self.frame = self.frame[:most], self.frame[most:]
        return data

    def write(self, data: bytes) -> int:
        """Keep an answer."""
        self.answer += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


class Served:
    """The session, and what is to be told of it.

    Parameters
    ----------
    settings
        "address"; "key" in hex digits or None; "installs": whether the panel may set a key.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        key = settings["key"]
        self._line = MemoryLine()
        self._news: dict[str, Any] = {"sent": []}
        self._session = PanelSession(
            self._line,
            address=settings["address"],
            key=None if key is None else bytes.fromhex(key),
            take_key=self._take_key if settings["installs"] else None,
            on_signal=self._take_signal,
            on_sent=lambda arrived: self._news["sent"].append(arrived),
        )

    def do(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Carry a request out and return what came of it since the last."""
        if "card" in request:
            self._session.send_card(Card(*request["card"]), bits=request["bits"])
        elif "tamper" in request:
            self._session.send_tamper(request["tamper"])
        elif "forget" in request:
            self._session.forget()
        else:
            self._line.frame = bytes.fromhex(request["frame"])
            self._session.refresh()
        news, self._news = self._news, {"sent": []}
        answer, self._line.answer = self._line.answer.hex(), b""
        return {"answer": answer, "secure": self._session.secure, **news}

    def _take_key(self, key: bytes) -> bool:
        self._news["key"] = key.hex()  # the door stores it before the panel hears that it did
        return True

    def _take_signal(self, signal: PanelSignal) -> None:
        self._news["signal"] = [signal.colour, signal.buzzer]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more, or libosdp cannot go on."""
    served = None
    for line in requests:
        request = json.loads(line)
        try:
            if served is None:
                served, news = Served(request), {}
            else:
                news = served.do(request)
        except ActuatorError as error:
            news = {"failed": str(error)}
        answers.write(json.dumps(news).encode("ascii") + b"\n")
        answers.flush()


def main() -> None:
    """Serve standard input; libosdp's own words do not get into the answers."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)
