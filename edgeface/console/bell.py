"""Waiting for changes of the database without a thread for each who waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

from edgeface.site.watch import Watch

_LOOK_S = 2.0


class Bell:
    """Wakes everybody who waits in the event loop when something changes.

    A thread for each set of channels waits in the database's watch; as a context manager it ends
    them.
    """

    SETS = {"doors": ("people", "rules", "doors", "rollouts"), "events": ("events", "doors")}

    def __init__(self, watch: Watch) -> None:
        self._watch, self._ended = watch, threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = {name: asyncio.Event() for name in self.SETS}

    def __enter__(self) -> Bell:
        self._loop = asyncio.get_running_loop()
        for name, channels in self.SETS.items():
            thread = threading.Thread(
                target=self._listen, args=(name, channels), name=f"bell {name}", daemon=True
            )
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        for name in self.SETS:
            self._ring(name)

    def event(self, name: str) -> asyncio.Event:
        """Return what is set at the next change; take it before looking at the database."""
        return self._rung[name]

    @property
    def ended(self) -> bool:
        """Whether the server ends, so that nobody should wait."""
        return self._ended.is_set()

    def _listen(self, name: str, channels: Iterable[str]) -> None:
        mark = self._watch.wait(channels, after=None, timeout_s=0)
        while not self._ended.is_set():
            found = self._watch.wait(channels, after=mark, timeout_s=_LOOK_S)
            if found != mark and self._loop is not None:
                mark = found
                self._loop.call_soon_threadsafe(self._ring, name)

    def _ring(self, name: str) -> None:
        rung, self._rung[name] = self._rung[name], asyncio.Event()
        rung.set()
