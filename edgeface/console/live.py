"""Live pictures of doors: the newest of each, in memory only, gone when the time is over."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timezone

from edgeface.errors import SiteForbiddenError


@dataclass(frozen=True)
class Picture:
    """A door's newest picture, and what the door saw in it (`edgeface.site.wire.LOOK_HEADER`)."""

    number: int
    jpeg: bytes
    look: str
    until: datetime


class LivePictures:
    """The newest picture of each door. Of the event loop only: it has no lock."""

    def __init__(self) -> None:
        self._pictures: dict[str, Picture] = {}
        self._arrived: dict[str, asyncio.Event] = {}
        self._numbers = 0

    def put(self, door: str, jpeg: bytes, *, until: datetime | None, look: str) -> None:
        """Keep a picture until then (`Doors.live_until`); the one before is gone.

        Raises
        ------
        SiteForbiddenError
            Nobody asked for the door's picture, or the time is over.
        """
        if until is None:
            self.drop(door)
            raise SiteForbiddenError(f"nobody asked for live pictures of {door} now: send none")
        self._numbers += 1
        self._pictures[door] = held = Picture(self._numbers, jpeg, look, until)
        left_s = (held.until - datetime.now(timezone.utc)).total_seconds()
        asyncio.get_running_loop().call_later(left_s + 0.01, self._drop_old, door)
        self._arrived.pop(door, asyncio.Event()).set()

    async def next(self, door: str, *, after: int, timeout_s: float) -> Picture | None:
        """Return a picture newer than `after`, or None when none came in time."""
        found = self._pictures.get(door)
        if found is None or found.number <= after:
            arrived = self._arrived.setdefault(door, asyncio.Event())
            try:
                await asyncio.wait_for(arrived.wait(), timeout_s)
            except asyncio.TimeoutError:
                return None
        return self._pictures.get(door)

    def drop(self, door: str) -> None:
        """Forget a door's picture."""
        self._pictures.pop(door, None)

    def _drop_old(self, door: str) -> None:
        held = self._pictures.get(door)
        if held is not None and held.until <= datetime.now(timezone.utc):
            self.drop(door)
