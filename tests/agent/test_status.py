"""How a door is, for its site: what the running door says, and what the agent knows without it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.agent.status import DoorStatus, ask_window
from edgeface.door.clock import Clock, Network
from edgeface.door.window import Window
from edgeface.errors import SiteError
from edgeface.site.wire import STATUS, checked
from tests.faults import ram_folder

FIGURES = {
    "frames_per_s": 9.5,
    "latency_p50_ms": None,
    "latency_p95_ms": 120.0,
    "memory_mb": 210.5,
    "people": 3,
    "rules": 7,
    "clock": "rtc",
    "faults": {"camera": "it is frozen"},
}


@pytest.fixture
def socket_path() -> Iterator[Path]:
    with ram_folder() as folder:
        yield folder / "window"


def told(pipeline, window: Path | None, **values) -> dict:
    clock = Clock(network=lambda: Network(now=True, ever=True))
    status = DoorStatus(pipeline.bundle, clock=clock, window=window)
    usual = {"config": "c0ffee", "rules": 4, "people": 2, "faults": {}, "more": {}, **values}
    return checked(status.tell(**usual), STATUS, what="status")


def test_running_door_s_figures_faults_and_clock_are_told(pipeline, socket_path):
    with Window(socket_path, status=lambda: FIGURES):
        status = told(pipeline, socket_path, faults={"edits": "refused"}, more={"unsent": 5})
    assert (status["frames_per_s"], status["latency_p50_ms"]) == (9.5, None)
    assert (status["rules"], status["clock"], status["unsent"]) == (7, "rtc", 5)
    assert status["faults"] == {"camera": "it is frozen", "edits": "refused"}
    assert status["model_id"] == pipeline.bundle.model_id and status["people"] == 2


def test_door_that_does_not_answer_is_a_fault_and_the_rest_is_told(pipeline, socket_path):
    status = told(pipeline, socket_path)
    assert "does not answer" in status["faults"]["door"]
    assert (status["rules"], status["clock"]) == (4, "synchronised")
    assert "frames_per_s" not in status


def test_door_without_a_window_is_no_fault(pipeline):
    assert told(pipeline, None)["faults"] == {}


@pytest.mark.parametrize("answer", [b"", b"[]\n", b"{\n", b'{"x": 1' + b" " * 100_000])
def test_door_that_answers_nonsense_is_an_error(socket_path, answer):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(socket_path))
        listener.listen(1)

        def reply() -> None:
            client = listener.accept()[0]
            with client:
                client.recv(100)
                try:
                    client.sendall(answer)
                except OSError:  # it has read enough
                    return

        thread = threading.Thread(target=reply)
        thread.start()
        with pytest.raises(SiteError):
            ask_window(socket_path)
        thread.join()


@pytest.mark.parametrize(
    "strange",
    [
        {"rules": "seven"},
        {"frames_per_s": "many"},
        {"memory_mb": True},
        {"faults": ["x"]},
        {"clock": 1},
    ],
)
def test_strange_figures_do_not_spoil_the_status(pipeline, socket_path, strange):
    with Window(socket_path, status=lambda: {**FIGURES, **strange}):
        told(pipeline, socket_path)
