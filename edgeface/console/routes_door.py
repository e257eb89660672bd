"""What doors ask: changes, edits, how they are, live pictures; forms: `edgeface.site.wire`."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool

from edgeface.console.answers import Refused
from edgeface.console.describe import body
from edgeface.console.security import api_router, site_of, still_in, who
from edgeface.site import wire
from edgeface.site.changes import has_news
from edgeface.site.events_arrival import Notice
from edgeface.site.site import Site

router = api_router("door")

_MOST_WAITING = 1000
_NOTHING = (None, None)
_JPEG = b"\xff\xd8\xff"
_PICTURE = body({"type": "string", "format": "binary"}, kind="image/jpeg")


class Waiting:
    """Who waits now, and what each door was last told beside people and rules.

    Of the event loop only: it has no lock.
    """

    def __init__(self) -> None:
        self.doors: dict[str, asyncio.Event] = {}
        self.told: dict[str, Any] = {}

    def begin(self, door: str) -> asyncio.Event:
        """Return what ends the wait: a newer request of the same door."""
        if door not in self.doors and len(self.doors) >= _MOST_WAITING:
            raise Refused(429, "too_many", "too many doors wait", headers={"Retry-After": "5"})
        self.doors.pop(door, asyncio.Event()).set()
        self.doors[door] = asyncio.Event()
        return self.doors[door]

    def end(self, door: str, mine: asyncio.Event) -> None:
        """The door does not wait any more."""
        if self.doors.get(door) is mine:
            del self.doors[door]


@router.get("/door/changes")
async def changes(
    request: Request,
    epoch: Annotated[str, Query(pattern=r"^([0-9a-f]{32})?$")] = "",
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
    wait: Annotated[int, Query(ge=0, le=wire.LONGEST_WAIT_S)] = 0,
    name: Annotated[str, Query(max_length=200, description="the door's name in door.toml")] = "",
) -> dict[str, Any]:
    """Return what is new for a door; held back until something is, or `wait` seconds."""
    site, door, bell = site_of(request), who(request).name, request.app.state.bell
    if name not in ("", door):  # its log would not be taken under that name
        text = f'the token is of the door {door}: set name = "{door}" in door.toml, or take the '
        raise Refused(409, "name", f"{text}token of the door that it names")
    waiting: Waiting = request.app.state.waiting
    superseded = waiting.begin(door)
    ends = asyncio.get_running_loop().time() + wait
    try:
        while True:
            rung = bell.event("doors")
            answer = await run_in_threadpool(_changes, site, door, epoch, after)
            left_s = ends - asyncio.get_running_loop().time()
            beside = (answer["task"], answer["live_until"])
            if has_news(answer) or beside != waiting.told.get(door, _NOTHING) or left_s <= 0:
                break
            waiting.told[door] = beside
            await _first(rung, superseded, timeout_s=left_s)
            if superseded.is_set() or bell.ended:
                break
            if not await run_in_threadpool(still_in, request):
                raise Refused(401, "unauthenticated", "the door's token was made void meanwhile")
        waiting.told[door] = beside
        return answer
    finally:
        waiting.end(door, superseded)


@router.post("/door/edits", openapi_extra=body(wire.EDIT))
async def edits(request: Request) -> dict[str, Any]:
    """Take an edit that was made at a door; the same edit_id twice is one edit."""
    message = wire.parsed(await request.body(), wire.EDIT, what="edit")
    edited = await run_in_threadpool(_edit, site_of(request), who(request).name, message)
    request.state.detail = f"{message['kind']} {edited.get('uid', '')}: {edited['outcome']}"
    return edited


@router.post("/door/status", status_code=204, openapi_extra=body(wire.STATUS))
async def status(request: Request) -> None:
    """Note how a door is."""
    message = wire.parsed(await request.body(), wire.STATUS, what="status")
    await run_in_threadpool(_report, site_of(request), who(request).name, message)


@router.post("/door/live", status_code=204, openapi_extra=_PICTURE)
async def live(request: Request) -> None:
    """Take a door's newest live picture, a JPEG; 403 tells the door to stop."""
    door, jpeg = who(request).name, await request.body()
    if not jpeg.startswith(_JPEG):
        raise Refused(415, "not_a_jpeg", "expected one JPEG")
    told = request.headers.get(wire.LOOK_HEADER, "{}").encode("latin-1")
    look = json.dumps(wire.parsed(told, wire.LOOK, what=wire.LOOK_HEADER))
    until = await run_in_threadpool(site_of(request).doors.live_until, door)
    request.app.state.live.put(door, jpeg, until=until, look=look)


def _edit(site: Site, door: str, message: dict[str, Any]) -> dict[str, Any]:
    edited = site.changes.edit(door, message)
    if edited["conflicts"] or edited["outcome"] == "refused":
        about = edited.get("uid") or message.get("uid") or "somebody new"
        fields = ", ".join(edited["conflicts"])
        detail = f"{message['kind']} of {about}: {edited['outcome']}; {fields or edited['text']}"
        mark = f"edit {message['edit_id']}"
        site.events.notice(Notice(door, "collision", detail, mark))
    return edited


def _changes(site: Site, door: str, epoch: str, after: int) -> dict[str, Any]:
    answer = site.changes.since(door, epoch=epoch, after=after)
    received, task = site.events.received(door), site.rollouts.task_for(door)
    return {**answer, "received": received, "task": task}


def _report(site: Site, door: str, status: dict[str, Any]) -> None:
    site.doors.report(door, status)
    site.rollouts.report(door, status)


async def _first(*events: asyncio.Event, timeout_s: float) -> None:
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
