"""The thread that keeps a session with the panel: opens the line, answers, opens it again."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edgeface.door.event import Card
from edgeface.door.osdp_line import SerialLine
from edgeface.door.osdp_remote import PanelProcess
from edgeface.door.osdp_session import PanelSignal
from edgeface.errors import ActuatorError

_POLL_S = 0.1  # libosdp's own times are seconds; a frame or a card is not waited for
_REOPEN_S = 1.0
_DELAYS_KEPT = 1000


@dataclass(frozen=True)
class Bus:
    """Where the panel is and what it knows of us.

    Attributes
    ----------
    device
        Serial device.
    baud
        Its speed.
    address
        Ours on the bus, 0 to 126.
    card_bits
        Length of the Wiegand frame that cards are sent as, 26 or 34.
    card_age_s
        How long a card may wait for the panel's poll; an older one is dropped, seconds.
    offline_s
        Without a poll for so long the panel counts as gone, seconds.
    """

    device: Path
    baud: int = 9600
    address: int = 0
    card_bits: int = 26
    card_age_s: float = 2.0
    offline_s: float = 5.0


class PanelThread:
    """Runs sessions until it is closed.

    Parameters
    ----------
    bus
        Where the panel is.
    key
        Returns the secure channel's key; None while there is none. Asked for each session.
    secure
        Whether the secure channel is demanded.
    take_key
        As `PanelProcess` has it.
    clock
        Seconds of a monotonic clock.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        key: Callable[[], bytes | None],
        secure: bool,
        take_key: Callable[[bytes], bool] | None,
        clock: Callable[[], float],
    ) -> None:
        self._bus, self._key, self._secure, self._clock = bus, key, secure, clock
        self._take_key = take_key
        self._lock = threading.Lock()
        self._cards: deque[tuple[float, Card]] = deque()  # not yet with libosdp
        self._sent: deque[float] = deque()  # with libosdp: when they were handed over to us
        self._delays: deque[float] = deque(maxlen=_DELAYS_KEPT)
        self._tamper: bool | None = None
        self._answered_at: float | None = None
        self._ready, self._closed, self._expired = False, False, 0
        self._problem: str | None = "the panel has not polled yet"
        self.signal = PanelSignal()
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="edgeface osdp", daemon=True)
        self._thread.start()

    def fault(self) -> str | None:
        """Return why the panel would not get a card now, or None."""
        with self._lock:
            if not self._closed and not self._thread.is_alive():
                return "its thread ended; start the door again"
            silent_s = self._silent_s()
            if self._problem is None and silent_s > self._bus.offline_s:
                return f"the panel has not polled for {silent_s:.0f} s"
            return self._problem

    def send_card(self, card: Card, *, decided_at: float) -> None:
        """Queue a card for the panel's next poll; return at once."""
        with self._lock:
            self._cards.append((decided_at, card))
        self._nudge()

    def report_tamper(self, active: bool) -> None:
        """Queue the tamper contact's state; the last one is told again in a new session."""
        with self._lock:
            self._tamper = active
        self._nudge()

    def delays_s(self) -> tuple[float, ...]:
        """Return how long the last 1000 cards took from the decision to the panel, seconds."""
        with self._lock:
            return tuple(self._delays)

    @property
    def expired(self) -> int:
        """How many cards were dropped because the panel did not fetch them in time."""
        return self._expired

    def close(self) -> None:
        """End the session; cards that wait are dropped."""
        if self._closed:
            return
        self._closed = True
        self._nudge()
        self._thread.join(2.0)
        if not self._thread.is_alive():
            os.close(self._woken)
            os.close(self._wake)

    def _nudge(self) -> None:
        try:
            os.write(self._wake, b"\0")
        except BlockingIOError:  # it has enough to wake up for
            return

    def _silent_s(self) -> float:
        return 0.0 if self._answered_at is None else self._clock() - self._answered_at

    def _run(self) -> None:
        while not self._closed:
            try:
                self._hold_session()  # ends well when the panel set a key: the next has it
            except ActuatorError as error:
                self._note(str(error))
                select.select([self._woken], [], [], _REOPEN_S)
            self._drop_cards()

    def _opened(self) -> SerialLine:
        bus = self._bus
        return SerialLine(bus.device, baud=bus.baud, address=bus.address, clock=self._clock)

    def _hold_session(self) -> None:
        with closing(self._opened()) as line:
            self._serve(line)

    def _serve(self, line: SerialLine) -> None:
        key = self._key()
        session = PanelProcess(
            line,
            address=self._bus.address,
            key=key,
            take_key=self._take_key if key is None else None,
            on_signal=self._show,
            on_sent=self._note_sent,
        )
        with closing(session):
            self._answer(line, session, installing=key is None and self._secure)

    def _answer(self, line: SerialLine, session: PanelProcess, *, installing: bool) -> None:
        told: bool | None = None
        while not self._closed and not session.new_key:
            self._rest(line)
            while line.gather():
                session.refresh()
            session.refresh()  # it has times to keep, too
            if line.broken:
                raise ActuatorError(f"{self._bus.device}: {line.broken}")
            self._judge(line, session, installing=installing)
            told = self._hand_over(session, told)
        session.forget()

    def _rest(self, line: SerialLine) -> None:
        found, _, _ = select.select([line.handle, self._woken], [], [], _POLL_S)
        if self._woken in found:
            os.read(self._woken, 4096)

    def _judge(self, line: SerialLine, session: PanelProcess, *, installing: bool) -> None:
        with self._lock:
            self._answered_at = line.answered_at
            silent = line.answered_at is None or self._silent_s() > self._bus.offline_s
            if installing:
                self._problem = "waits for the panel to set a key (install mode)"
            elif line.answered_at is None:
                self._problem = "the panel has not polled yet"
            elif silent:
                self._problem = f"the panel has not polled for {self._silent_s():.0f} s"
            elif self._secure and not session.secure:
                self._problem = "the panel polls, but has no secure channel: compare the keys"
            else:
                self._problem = None
            self._ready = self._problem is None

    def _hand_over(self, session: PanelProcess, told: bool | None) -> bool | None:
        """Give libosdp what waits, take back what is too old; return the tamper state told."""
        now = self._clock()
        with self._lock:
            late = self._sent and now - self._sent[0] > self._bus.card_age_s
            cards = [item for item in self._cards if now - item[0] <= self._bus.card_age_s]
            self._expired += len(self._cards) - len(cards)
            ready, tamper = self._ready, self._tamper
            self._cards = deque() if ready else deque(cards)
        if late:
            session.forget()
            told = None
        if not ready:
            return told
        for decided_at, card in cards:
            self._sent.append(decided_at)
            session.send_card(card, bits=self._bus.card_bits)
        if tamper is not None and tamper != told:
            session.send_tamper(tamper)
        return tamper

    def _note_sent(self, arrived: bool) -> None:
        with self._lock:
            decided_at = self._sent.popleft() if self._sent else self._clock()
            if arrived:
                self._delays.append(self._clock() - decided_at)
            else:
                self._expired += 1

    def _drop_cards(self) -> None:
        with self._lock:
            self._expired += len(self._cards) + len(self._sent)
            self._cards.clear()
            self._sent.clear()
            self._ready, self._answered_at = False, None

    def _show(self, signal: PanelSignal) -> None:
        self.signal = signal

    def _note(self, problem: str) -> None:
        with self._lock:
            self._problem, self._ready = problem, False
