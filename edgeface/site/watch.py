"""Waiting until something changes in the site's database: PostgreSQL's LISTEN and NOTIFY."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import TYPE_CHECKING, Callable

from edgeface.site.database import Database

if TYPE_CHECKING:
    from psycopg import Connection

CHANNELS = ("people", "rules", "events", "doors", "rollouts")
_LOOK_S = 0.5  # how long the thread listens before it looks whether it must end
_AGAIN_S = 1.0


class Watch:
    """One connection that listens, in a thread of its own, for as many as wait. Threads share it.

    A mark is a number that grows with every notification. Take `mark` before looking at the
    database and give it to `wait`: what is committed in between ends the waiting at once. A
    connection that breaks is made anew; as notifications may have been lost meanwhile, everybody
    who waits is woken up then.
    """

    def __init__(self, database: Database) -> None:
        self._conninfo = database.conninfo
        self._changed = threading.Condition()
        self._marks = dict.fromkeys(CHANNELS, 0)
        self._mark = 0
        self._callbacks: list[Callable[[str], None]] = []
        self._ending = threading.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="site watch", daemon=True)
        self._thread.start()

    @property
    def mark(self) -> int:
        """The mark as it is now."""
        with self._changed:
            return self._mark

    def wait(self, channels: Collection[str], *, after: int | None, timeout_s: float) -> int:
        """Wait until one of some channels was notified after a mark, or the time is over.

        Returns the new mark: ``after`` where nothing happened. With None there is nothing to wait
        for: it returns the mark as it is now.
        """
        with self._changed:
            if after is None:
                return self._mark
            self._changed.wait_for(
                lambda: self._ending.is_set() or self._newest(channels) > after, timeout=timeout_s
            )
            return max(after, self._newest(channels))

    def listen(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call ``callback(channel)`` at every notification, in the watch's thread.

        It must return at once and raise nothing. Returns a function that ends it.
        """
        with self._changed:
            self._callbacks.append(callback)

        def end() -> None:
            with self._changed:
                self._callbacks.remove(callback)

        return end

    def ready(self, timeout_s: float = 10.0) -> bool:
        """Wait until it listens; False where the database does not let it within the time."""
        return self._listening.wait(timeout_s)

    def close(self) -> None:
        """End it, and everybody's waiting."""
        self._ending.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _newest(self, channels: Collection[str]) -> int:
        return max(self._marks[channel] for channel in channels)

    def _run(self) -> None:
        import psycopg

        while not self._ending.is_set():
            try:
                with psycopg.connect(
                    self._conninfo, autocommit=True, connect_timeout=10, **_KEEPALIVE
                ) as connection:
                    self._follow(connection)
            except psycopg.Error:
                self._listening.clear()
                self._ending.wait(_AGAIN_S)

    def _follow(self, connection: Connection) -> None:
        for channel in CHANNELS:
            connection.execute(f"LISTEN {channel}")
        self._listening.set()
        self._tell(*CHANNELS)  # something may have happened before
        while not self._ending.is_set():
            for notification in connection.notifies(timeout=_LOOK_S):
                self._tell(notification.channel)
                if self._ending.is_set():
                    return

    def _tell(self, *channels: str) -> None:
        with self._changed:
            self._mark += 1
            self._marks.update(dict.fromkeys(channels, self._mark))
            self._changed.notify_all()
            callbacks = list(self._callbacks)
        for callback in callbacks:
            for channel in channels:
                callback(channel)


# A database that vanished without a word is noticed within about half a minute.
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
