"""A whole door as its unit runs it: its system calls against the filter, and a door that hangs.

systemd is not run. strace lists the calls of the door and of its helper processes (relay guard,
OSDP) over a visit, `systemd-analyze` says what the unit's filter allows, and a socket of ours hears
what the service manager would.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.door.outputs import wait_until
from tests.door.rtsp import require_rtsp_server

WATCHDOG_S = 2.0
HUNG_S = 3.0
PULSE_S = 10.0
AS_ROOT_ONLY = {"fchown"}
"""SQLite gives its files to the owner of the database where it runs as root, unlike the service."""


@dataclass
class Day:
    """What became of a door with a visitor, which was then hung for a while, and stopped.

    Times are seconds of the monotonic clock; `told` is what the service manager heard, `locked`
    when the relay locked the door after the door's process was stopped at `hung`.
    """

    calls: set[str] = field(default_factory=set)
    told: list[tuple[float, str]] = field(default_factory=list)
    hung: float = 0.0
    locked: float = 0.0
    woken: float = 0.0
    status: int | None = None

    def beats(self, since: float, until: float) -> int:
        """How often the watchdog was told that the door lives."""
        return sum("WATCHDOG=1" in text for at, text in self.told if since < at < until)


def require(program: str, *probe: str) -> None:
    """Skip where a program is missing or may not do its work; fail there in CI."""
    works = shutil.which(program) and subprocess.run([program, *probe], capture_output=True)
    if not works or works.returncode:
        text = f"{program} does not work here: apt-get install {program}, and allow it"
        pytest.fail(text) if "CI" in os.environ else pytest.skip(text)


@contextmanager
def manager(address: Path, told: list[tuple[float, str]]) -> Iterator[None]:
    """Hear what a service manager would at a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mine:
        mine.bind(str(address))

        def hear() -> None:
            while text := mine.recv(4096).decode():
                told.append((time.monotonic(), text))

        thread = threading.Thread(target=hear)
        thread.start()
        yield
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.sendto(b"", str(address))
        thread.join()


@pytest.fixture(scope="module")
def day(tmp_path_factory) -> Day:
    """A door over RTSP, OSDP, MQTT and a relay under strace, for one visit."""
    require("strace", "-f", "-qq", "-c", "-o", "/dev/null", "true")
    require_rtsp_server()
    from tests.door.soak import standing

    folder, day = tmp_path_factory.mktemp("day"), Day()
    with standing(folder, clip_s=8) as (site, file), manager(folder / "notify", day.told):
        settings = file.read_text().replace("pulse_s = 1\n", f"pulse_s = {PULSE_S}\n")
        file.write_text(settings + "\n[liveness.feed]\nloop_s = 2\n")  # the clip is a loop
        environment = {
            **site.gpio.environment,
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": str(round(WATCHDOG_S * 1e6)),
        }
        words = [word for key, value in environment.items() for word in ("-E", f"{key}={value}")]
        words = ["strace", "-f", "-qq", "-c", "-o", str(folder / "calls"), *words]
        command = [sys.executable, "-m", "edgeface", "door", "--config", str(file)]
        process = subprocess.Popen([*words, *command])
        try:
            _live_through(day, site, process)
        finally:
            day.status = _stop(process, site)
    text = (folder / "calls").read_text()
    day.calls = set(re.findall(r"(?m)^ *\d.* (\w+)$", text)) - {"total"}
    return day


def _live_through(day: Day, site, process: subprocess.Popen) -> None:
    from tests.door.panel import KEY, Panel
    from tests.door.soak import PIN

    wait_until(lambda: any("READY=1" in text for _, text in day.told), within_s=60)
    site.panel = Panel(KEY, channel=site.line)
    _join(site.panel)
    chip = next(iter(site.gpio.chips.values()))
    cards = site.panel.events
    wait_until(
        lambda: chip.level(PIN) and site.heard and any("data" in one for _, one in cards),
        within_s=60,
    )
    door = _child(process)
    day.hung = time.monotonic()
    os.kill(door, signal.SIGSTOP)
    wait_until(lambda: not chip.level(PIN), within_s=PULSE_S)
    day.locked = time.monotonic()
    time.sleep(max(0.0, HUNG_S - (day.locked - day.hung)))
    day.woken = time.monotonic()
    os.kill(door, signal.SIGCONT)
    wait_until(lambda: day.beats(day.woken, time.monotonic()) > 0, within_s=10)


def _join(panel) -> None:
    """Wait for the secure channel: a panel that finds no reader yet pauses for five minutes."""
    for _ in range(10):
        until = time.monotonic() + 4
        while not panel.secure and time.monotonic() < until:
            time.sleep(0.05)
        if panel.secure:
            return
        panel.restart()
    pytest.fail("the panel and the door found no secure channel")


def _child(process: subprocess.Popen) -> int:
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return int(text.split()[0])


def _stop(process: subprocess.Popen, site) -> int:
    if site.panel is not None:
        site.panel.stop()
    if process.poll() is None:
        os.kill(_child(process), signal.SIGTERM)
    return process.wait(30)


@pytest.fixture(scope="module")
def groups() -> dict[str, set[str]]:
    """systemd's groups of system calls, each with the calls of the groups inside it."""
    require("systemd-analyze", "--version")
    text = subprocess.run(
        ["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        word = line.strip()
        if line.startswith("@"):
            found[word] = []
        elif word and not word.startswith("#") and line.startswith(" "):
            found[list(found)[-1]].append(word)

    def calls(name: str) -> set[str]:
        inside = (calls(one) if one.startswith("@") else {one} for one in found[name])
        return set().union(*inside)

    return {name: calls(name) for name in found}


def filters(repository: Path) -> list[str]:
    """The values of the unit's SystemCallFilter=, in order."""
    text = (repository / "boards/files/edgeface.service").read_text()
    return re.findall(r"(?m)^SystemCallFilter=(.*)$", text)


def allowed(values: Sequence[str], groups: dict[str, set[str]]) -> set[str]:
    """What filters allow, the first of which lists what is allowed: systemd.exec(5)."""
    found: set[str] = set()
    for value in values:
        names = value.lstrip("~").split()
        calls = set().union(*(groups.get(name, {name}) for name in names))
        found = found - calls if value.startswith("~") else found | calls
    return found


def refused(day: Day, calls: set[str]) -> set[str]:
    """What the door used and would not get."""
    return day.calls - calls - AS_ROOT_ONLY


def test_every_system_call_of_a_door_and_its_helpers_is_allowed(day, groups, repository):
    assert {"clone3", "clone", "vfork", "fork"} & day.calls  # its helpers were looked at, too
    assert {"accept4", "connect", "ioctl", "fdatasync", "sched_setscheduler"} <= day.calls
    assert not refused(day, allowed(filters(repository), groups))


@pytest.mark.parametrize(
    "group",
    ["@basic-io", "@file-system", "@io-event", "@ipc", "@network-io", "@process", "@resources"]
    + ["@signal", "@sync", "@clock"],
)
def test_door_needs_each_group_that_its_filter_has(day, groups, repository, group):
    assert refused(day, allowed(filters(repository), groups) - groups[group])


def test_question_for_the_clock_needs_its_own_line_of_the_filter(day, groups, repository):
    values = [value for value in filters(repository) if "clock_adjtime" not in value]
    assert refused(day, allowed(values, groups)) in ({"clock_adjtime"}, {"adjtimex"})


def test_door_that_hangs_tells_the_watchdog_nothing(day):
    told_before = day.beats(day.hung - 2 * WATCHDOG_S, day.hung)
    assert told_before >= 2
    assert day.beats(day.hung + 0.1, day.woken) == 0
    assert day.woken - day.hung > WATCHDOG_S


def test_pulse_of_a_door_that_hangs_is_ended_by_the_guard(day):
    assert 0 < day.locked - day.hung < 2.0 + 1.0 < PULSE_S  # the relay's own watchdog_s


def test_door_that_was_told_to_stop_says_so_and_ends_well(day):
    assert day.told[0][1].startswith("READY=1") and "STOPPING=1" in day.told[-1][1]
    assert day.status == 0
