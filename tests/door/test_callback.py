"""Callbacks, and the queue that every sender has."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from edgeface.door.callback import Callback
from edgeface.door.sender_queue import Backoff, DeliveryError, SenderQueue
from edgeface.errors import ActuatorError
from tests.door.outputs import NAME, alarm, denial, opening, report_delays, wait_until


def test_function_gets_every_output_in_order_in_another_thread() -> None:
    got: list[object] = []
    threads: set[int] = set()
    outputs = [opening(), denial(), alarm("forced")]
    with Callback(lambda output: (got.append(output), threads.add(threading.get_ident()))) as call:
        for output in outputs:
            call.handle(output)
        wait_until(lambda: len(got) == 3)
    assert got == outputs and threading.get_ident() not in threads
    assert call.fault() is None


def test_function_that_raises_is_reported_and_called_for_the_next_output() -> None:
    got: list[object] = []

    def fails_on_people(output: object) -> None:
        got.append(output)
        if len(got) == 1:
            raise KeyError(NAME)

    with Callback(fails_on_people) as call:
        call.handle(opening())
        wait_until(call.fault)
        assert "KeyError" in str(call.fault()) and NAME not in str(call.fault())
        call.handle(denial())
        wait_until(lambda: call.state().delivered == 1)
        assert call.fault() is None and call.state().refused == 1


def test_function_that_hangs_holds_nothing_up_and_is_reported() -> None:
    release = threading.Event()
    call = Callback(lambda _: release.wait(), limit_s=0.1, queue=5)
    began = time.monotonic()
    for _ in range(50):
        call.handle(opening())
    assert time.monotonic() - began < 0.2
    wait_until(call.fault)
    assert "hangs" in str(call.fault())
    assert 5 <= call.state().waiting <= 6 and call.state().waiting + call.state().dropped == 50
    release.set()
    wait_until(lambda: call.state().waiting == 0)
    assert call.fault() is None
    call.close()


def test_closing_does_not_wait_for_a_function_that_hangs() -> None:
    release = threading.Event()
    call = Callback(lambda _: release.wait(), limit_s=0.1)
    call.handle(opening())
    began = time.monotonic()
    call.close()
    assert time.monotonic() - began < 4
    release.set()
    with pytest.raises(ActuatorError, match="closed"):
        call.handle(opening())


def test_function_that_calls_exit_is_reported_and_called_again() -> None:
    with Callback(lambda _: sys.exit(1)) as call:
        call.handle(opening())
        wait_until(lambda: call.state().refused == 1)
        assert "SystemExit" in str(call.fault())
        call.handle(denial())
        wait_until(lambda: call.state().refused == 2)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="can be called"):
        Callback("print")


def test_full_queue_keeps_the_newest_and_the_order() -> None:
    got: list[int] = []
    ready = threading.Event()

    def deliver(number: int) -> None:
        if not ready.is_set():
            raise DeliveryError("away", again=True)
        got.append(number)

    queue = SenderQueue(deliver, name="test", most=4, backoff=Backoff(0.01, 0.02))
    for number in range(20):
        queue.put(number)
    wait_until(queue.fault)
    ready.set()
    wait_until(lambda: queue.state().waiting == 0)
    assert got == sorted(got) and got[-4:] == [16, 17, 18, 19]
    assert queue.state().dropped + len(got) == 20
    queue.close()


def test_pauses_between_tries_double_up_to_the_longest() -> None:
    backoff = Backoff(first_s=0.5, longest_s=60)
    for failures, most in ((1, 0.5), (2, 1), (5, 8), (8, 60), (10_000, 60)):
        pauses = [backoff.pause_s(failures) for _ in range(50)]
        assert most / 2 <= min(pauses) and max(pauses) <= most
    assert len(set(pauses)) > 1


def test_closing_delivers_what_waits_but_not_for_longer_than_asked() -> None:
    got: list[int] = []
    queue = SenderQueue(lambda number: (time.sleep(0.05), got.append(number)), name="test")
    for number in range(100):
        queue.put(number)
    began = time.monotonic()
    queue.close(drain_s=0.3)
    assert 0.25 < time.monotonic() - began < 1.5 and 3 <= len(got) < 100


def test_delay_from_handle_to_the_function() -> None:
    with Callback(lambda _: None) as call:
        for _ in range(200):
            call.handle(opening())
            time.sleep(0.001)
        wait_until(lambda: call.state().delivered == 200)
        assert report_delays("callback, handle to return", call.delays_s()) < 0.5
