"""A service ends by SIGTERM and Ctrl-C, and leaves this process's signals as they were."""

from __future__ import annotations

import signal

import pytest

from edgeface.stop_signal import stop_by


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_calls_the_end_while_it_runs_and_does_as_before_afterwards(number):
    before, ended = signal.getsignal(number), []
    with stop_by(lambda: ended.append(number)):
        signal.raise_signal(number)
    assert ended == [number] and signal.getsignal(number) is before


def test_error_leaves_the_signals_as_they_were_too():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), stop_by(lambda: None):
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGTERM) is before
