"""libosdp in its own process: what it is kept from, and that it may die alone."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from edgeface.door.osdp import Osdp
from edgeface.door.osdp_process import MemoryLine
from edgeface.door.osdp_remote import PanelProcess
from edgeface.door.osdp_session import PanelSession, PanelSignal
from edgeface.errors import ActuatorError
from tests.door.outputs import opening, wait_until
from tests.door.panel import KEY, Panel, to
from tests.fuzz.osdp_target import frame_of

LAMP = bytes([0x69, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0])  # then the colours, on and off


def children() -> list[int]:
    """Processes that libosdp runs in, of this one."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == os.getpid() and b"edgeface.door.osdp_process" in words:
            found.append(int(entry.name))
    return found


def process(line: MemoryLine, *, key: bytes | None = KEY) -> PanelProcess:
    return PanelProcess(
        line,
        address=0,
        key=key,
        take_key=None,
        on_signal=lambda _: None,
        on_sent=lambda _: None,
    )


def test_frame_that_breaks_libosdp_ends_its_process_only() -> None:
    """0x89 is no command: libosdp 3.2.9 reads from address 0, and the framer keeps it from that."""
    line = MemoryLine()
    found = process(line)
    line.frame = frame_of(4, b"\x61\x00")
    found.refresh()
    assert line.answer[5:6] == b"\x45"  # it said who it is
    line.frame = frame_of(5, b"\x89")
    with pytest.raises(ActuatorError, match="process ended"):
        found.refresh()
    found.close()
    found.close()
    assert not children()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_process_that_ends_or_hangs_is_replaced(
    how: signal.Signals, door: Osdp, panel: Panel
) -> None:
    [first] = children()
    os.kill(first, how)
    wait_until(lambda: door.fault() is not None)
    with pytest.raises(ActuatorError, match="told nothing"):
        door.handle(opening())
    wait_until(lambda: children() and children() != [first])
    time.sleep(0.3)
    panel.restart()
    wait_until(lambda: door.fault() is None and panel.secure)
    door.handle(opening())
    wait_until(panel.cards)
    assert len(panel.cards()) == 1


def test_process_that_cannot_be_started_now_is_started_later(
    door: Osdp, panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setattr(sys, "executable", "/nowhere/python")
        os.kill(children()[0], signal.SIGKILL)
        wait_until(lambda: "cannot be started" in (door.fault() or ""))
    wait_until(lambda: children() and "cannot be started" not in (door.fault() or ""))
    panel.restart()
    wait_until(lambda: door.fault() is None and panel.secure)


def test_closed_door_leaves_no_process(panel: Panel) -> None:
    door = to(panel)
    wait_until(children)
    door.close()
    assert not children()


def test_process_is_small(door: Osdp) -> None:
    [pid] = children()
    status = Path(f"/proc/{pid}/status").read_text()
    resident_mb = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    sys.stdout.write(f"\nlibosdp's process: {resident_mb:.1f} MB\n")
    assert resident_mb < 40


def test_thousands_of_commands_leak_nothing_and_end_nothing() -> None:
    """libosdp's binding gives back one reference too many for each: decision 0031."""
    signals: list[PanelSignal] = []
    line = MemoryLine()
    session = PanelSession(
        line, address=0, key=None, take_key=None, on_signal=signals.append, on_sent=print
    )

    def commands(count: int) -> None:
        for number in range(count):
            line.frame = frame_of(4 + number % 3 + 1, LAMP + bytes([1 + number % 2, 0]))
            line.answer = b""
            session.refresh()
        signals.clear()

    line.frame = frame_of(4, b"\x60")
    session.refresh()
    commands(300)
    before, blocks = sys.getrefcount(None), sys.getallocatedblocks()
    commands(9000)  # None has some 5000 references: without the cure Python would end here
    assert abs(sys.getrefcount(None) - before) < 2000  # other threads take and give some
    assert sys.getallocatedblocks() - blocks < 2000


def test_sessions_one_after_the_other_leak_nothing() -> None:
    def sessions(count: int) -> int:
        for _ in range(count):
            PanelSession(
                MemoryLine(), address=0, key=KEY, take_key=None, on_signal=print, on_sent=print
            )
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4

    sessions(100)
    before = sessions(1)
    grown_kb = sessions(1000) - before
    sys.stdout.write(f"\n1000 sessions: {grown_kb} kB\n")
    assert grown_kb < 8000
