"""What SIGTERM and Ctrl-C do while a service runs in this process."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable


@contextmanager
def stop_by(end: Callable[[], object]) -> Iterator[None]:
    """Have SIGTERM and SIGINT call ``end``; afterwards they do what they did before.

    In the main thread only. ``end`` may interrupt what holds a lock: it must not wait for one.
    """
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: end()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
