"""Waiting for changes of the database without a thread for each who waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edgeface.site.watch import Watch

SETS = {"doors": {"people", "rules", "doors", "rollouts"}, "events": {"events"}}
"""What is waited for -> the database's channels that tell of it."""


class Bell:
    """Wakes everybody who waits in the event loop when something changes.

    Enter it inside the loop, as a context manager.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._rung = {name: asyncio.Event() for name in SETS}
        self._end: Callable[[], None] = lambda: None
        self.ended = False
        """Whether the server ends, so that nobody should wait any more."""

    def __enter__(self) -> Bell:
        loop = asyncio.get_running_loop()
        self._end = self._watch.listen(
            lambda channel: loop.call_soon_threadsafe(self._hear, channel)
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()
        self.ended = True
        for name in SETS:
            self._ring(name)

    def event(self, name: str) -> asyncio.Event:
        """Return what is set at the next change; take it before looking at the database."""
        return self._rung[name]

    def _hear(self, channel: str) -> None:
        for name, channels in SETS.items():
            if channel in channels:
                self._ring(name)

    def _ring(self, name: str) -> None:
        rung, self._rung[name] = self._rung[name], asyncio.Event()
        rung.set()
