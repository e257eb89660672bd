"""The door's side of `osdp_process.py`: a session with the panel that may die without the door."""

from __future__ import annotations

import json
import os
import select
import subprocess  # nosec B404  # our own interpreter and module
import sys
import time
from collections.abc import Callable
from typing import Any

from edgeface.door.event import Card
from edgeface.door.osdp_line import SerialLine
from edgeface.door.osdp_session import PanelSignal
from edgeface.errors import ActuatorError

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
_START += "from edgeface.door.osdp_process import main; main()"
_START_LIMIT_S = 20.0  # a board that boots is busy
_LIMIT_S = 1.0
_LONGEST_ANSWER = 65536


class PanelProcess:
    """A process with one session; only the thread that made it may use it. Close it.

    Parameters
    ----------
    line
        The serial line, whose frames go to the process and whose answers come from there.
    address, key
        As `PanelSession` has them.
    take_key
        Stores a key that the panel sets, and says whether it did; None refuses.
    on_signal, on_sent
        As `PanelSession` has them.

    Raises
    ------
    ActuatorError
        The process did not start; so do all methods when it ended or hangs.
    """

    def __init__(
        self,
        line: SerialLine,
        *,
        address: int,
        key: bytes | None,
        take_key: Callable[[bytes], bool] | None,
        on_signal: Callable[[PanelSignal], None],
        on_sent: Callable[[bool], None],
    ) -> None:
        self.secure = self.new_key = False
        self._line, self._take_key = line, take_key
        self._on_signal, self._on_sent = on_signal, on_sent
        self._process = _started()
        try:
            installs = take_key is not None
            first = {"address": address, "key": key and key.hex(), "installs": installs}
            self._ask(first, limit_s=_START_LIMIT_S)
        except ActuatorError:
            self.close()
            raise

    def refresh(self) -> None:
        """Answer the frame that the line has, if it has one; libosdp keeps its times."""
        frame = self._line.read(_LONGEST_ANSWER)
        self._take(self._ask({"frame": frame.hex()}))

    def send_card(self, card: Card, *, bits: int) -> None:
        """Queue a card read for the panel's next poll."""
        self._take(self._ask({"card": [card.facility, card.number], "bits": bits}))

    def send_tamper(self, active: bool) -> None:
        """Queue a report that the housing is open, or closed again."""
        self._take(self._ask({"tamper": active}))

    def forget(self) -> None:
        """Drop what the panel did not fetch; cards among it count as not sent."""
        self._take(self._ask({"forget": True}))

    def close(self) -> None:
        """End the process; closing twice is harmless."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _take(self, news: dict[str, Any]) -> None:
        self.secure = news["secure"]
        if "key" in news:
            if self._take_key is None or not self._take_key(bytes.fromhex(news["key"])):
                raise ActuatorError("a key that the panel set was not stored, and not confirmed")
            self.new_key = True
        if news["answer"]:
            self._line.write(bytes.fromhex(news["answer"]))
        if "signal" in news:
            self._on_signal(PanelSignal(*news["signal"]))
        for arrived in news["sent"]:
            self._on_sent(arrived)

    def _ask(self, request: dict[str, Any], *, limit_s: float = _LIMIT_S) -> dict[str, Any]:
        ended = "libosdp's process ended, by something on the line or for want of memory"
        try:
            os.write(self._process.stdin.fileno(), json.dumps(request).encode("ascii") + b"\n")
        except OSError as error:
            raise ActuatorError(ended) from error
        answer, until = b"", time.monotonic() + limit_s
        while not answer.endswith(b"\n"):
            left_s = max(0.0, until - time.monotonic())
            if not select.select([self._process.stdout], [], [], left_s)[0]:
                raise ActuatorError(f"libosdp's process did not answer within {limit_s:g} s")
            piece = os.read(self._process.stdout.fileno(), _LONGEST_ANSWER)
            if not piece:
                raise ActuatorError(ended)
            answer += piece
        news: dict[str, Any] = json.loads(answer)
        if "failed" in news:
            raise ActuatorError(news["failed"])
        return news


def _started() -> subprocess.Popen:
    try:
        return subprocess.Popen(  # nosec B603
            [sys.executable, "-I", "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # what interrupts the door does not interrupt it first
        )
    except OSError as error:  # no memory, no process left: later there may be
        raise ActuatorError(f"libosdp's process cannot be started: {error.strerror}") from error
