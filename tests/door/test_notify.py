"""What the service manager hears, on a real socket."""

from __future__ import annotations

import os
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edgeface.door.notify import Notifier


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    """The manager's end: a datagram socket at a path, or an abstract one for @name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mine:
        mine.bind(address.replace("@", "\0", 1))
        mine.setblocking(False)
        yield mine


def heard(mine: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(mine.recv(4096).decode())
        except BlockingIOError:
            return messages


@pytest.fixture(params=["path", "abstract"])
def address(request, tmp_path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@{secrets.token_hex(8)}"


def test_ready_status_and_stopping_are_heard(address):
    with manager(address) as mine, Notifier.from_environment({"NOTIFY_SOCKET": address}) as told:
        told.ready("camera live")
        told.stopping("asked\nto")
        assert heard(mine) == ["READY=1\nSTATUS=camera live", "STOPPING=1\nSTATUS=asked to"]


def test_alive_is_heard_four_times_a_watchdog_period_however_often_it_is_said(address):
    clock = Clock()
    environment = {
        "NOTIFY_SOCKET": address,
        "WATCHDOG_USEC": "4000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    with manager(address) as mine:
        with Notifier.from_environment(environment, clock=clock) as told:
            assert told.watchdog_s == 4.0
            for _ in range(400):
                told.alive("open")
                clock.now += 0.01
        messages = heard(mine)
    assert messages[0] == "WATCHDOG=1\nSTATUS=open"
    assert messages[1:] == ["WATCHDOG=1"] * 3


@pytest.mark.parametrize("value", ["", "0", "-5", "soon", "²"])
def test_watchdog_that_is_not_set_asks_for_nothing(address, value):
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": value}
    with manager(address) as mine, Notifier.from_environment(environment) as told:
        told.alive()
        assert (told.watchdog_s, heard(mine)) == (None, [])


def test_watchdog_of_another_process_is_not_ours(address):
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
    assert Notifier.from_environment(environment).watchdog_s is None


def test_without_a_manager_nothing_happens():
    with Notifier.from_environment({}) as told:
        told.ready("x")
        told.alive("y")
        told.stopping()
    told.close()


def test_manager_that_is_gone_or_deaf_does_not_stop_the_door(address):
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}
    clock = Clock()
    with Notifier.from_environment(environment, clock=clock) as told:
        told.ready("open")  # nobody is there
        with manager(address) as mine:
            told.alive("open")
            assert heard(mine) == ["WATCHDOG=1\nSTATUS=open"]
            for _ in range(1000):  # nobody reads: the socket's queue is full
                told.alive()
                clock.now += 1
            heard(mine)
            told.alive()  # heard at once again
            assert heard(mine) == ["WATCHDOG=1"]


def test_children_do_not_inherit_the_socket(address):
    with manager(address), Notifier.from_environment({"NOTIFY_SOCKET": address}) as told:
        handle = told._socket.fileno()
        assert stat.S_ISSOCK(os.fstat(handle).st_mode) and not os.get_inheritable(handle)
