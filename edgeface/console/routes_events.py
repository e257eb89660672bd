"""Events of all doors: found, followed as they come, and whether a door's log is whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import Header, Query, Request
from sse_starlette import EventSourceResponse
from starlette.concurrency import run_in_threadpool

from edgeface.console.answers import Refused
from edgeface.console.forms import Before, Door, DoorName, Form, KeyId, Limit, Moment, Text, UidText
from edgeface.console.routes_acts import ReportAnswer, report_answer
from edgeface.console.security import api_router, site_of, still_in
from edgeface.errors import SiteError
from edgeface.site.events import DoorReport

router = api_router("events")

_MOST_WATCHING = 200
_PING_S = 15
_LOOK_S = 5.0
_AT_ONCE = 200


class EventsAnswer(Form):
    """A page of events, newest first; ``next`` goes into ``before`` of the next request."""

    events: list[dict[str, Any]]
    next: int | None


class LogAnswer(Form):
    """One of a door's logs: what going along it found. Entries up to ``forgotten`` are not kept."""

    log: str
    received: int
    forgotten: int
    report: ReportAnswer


class DoorLogAnswer(Form):
    """What the site has of a door's logs; ``whole``: nothing is missing, changed or odd."""

    door: str
    whole: bool
    keys: list[str]
    logs: list[LogAnswer]
    noticed: list[str]


class KeyAnswer(Form):
    """A public key that a door showed, first at ``seen_at``."""

    id: str
    trusted: bool
    seen_at: datetime


class DoorKeysAnswer(Form):
    """A door's keys, oldest first."""

    keys: list[KeyAnswer]


class Judgement(Form):
    """Whether what a key signs in a door's log counts."""

    trusted: bool


@router.get("/events")
def events(
    request: Request,
    door: DoorName | None = None,
    kind: Text | None = None,
    reason: Text | None = None,
    opened: bool | None = None,
    person: UidText | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    limit: Limit = 50,
    before: Before = None,
) -> EventsAnswer:
    """Find events that fit everything that is asked for."""
    page = site_of(request).events.find(
        door=door,
        kind=kind,
        reason=reason,
        opened=opened,
        person=person,
        since=since,
        until=until,
        limit=limit,
        before=before,
    )
    return EventsAnswer(events=[event.message() for event in page.events], next=page.next)


@router.get("/events/stream", response_class=EventSourceResponse)
async def stream(
    request: Request,
    after: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    last_event_id: Annotated[str | None, Header(pattern=r"^[0-9]{1,18}$")] = None,
) -> EventSourceResponse:
    """Follow events as they come, as server-sent events; an event's id is where to go on."""
    watching = request.app.state.watching
    if len(watching) >= _MOST_WATCHING:
        raise Refused(429, "too_many", "too many watch events now", headers={"Retry-After": "30"})
    if last_event_id is not None:
        after = int(last_event_id)
    begin = await run_in_threadpool(site_of(request).events.newest) if after is None else after
    return EventSourceResponse(_followed(request, begin), ping=_PING_S)


@router.get("/doors/{door}/log")
def log(door: Door, request: Request) -> DoorLogAnswer:
    """Check what the site has of a door's log: each line's place, each signature."""
    site = site_of(request)
    site.doors.get(door)
    return _report(site.events.verify(door))


@router.get("/doors/{door}/keys")
def keys(door: Door, request: Request) -> DoorKeysAnswer:
    """List the public keys that a door showed, and which of them may sign its log."""
    site = site_of(request)
    site.doors.get(door)
    return DoorKeysAnswer(keys=[KeyAnswer(**vars(key)) for key in site.events.keys(door)])


@router.put("/doors/{door}/keys/{key}", status_code=204)
def judge_key(door: Door, key: KeyId, judgement: Judgement, request: Request) -> None:
    """Trust a key that a door showed, after its board was replaced; or not any more."""
    site_of(request).events.judge_key(door, key, trusted=judgement.trusted)
    request.state.detail = f"{door}, key {key}: {'' if judgement.trusted else 'not '}trusted"


async def _followed(request: Request, after: int) -> AsyncIterator[dict[str, str]]:
    site, bell, loop = site_of(request), request.app.state.bell, asyncio.get_running_loop()
    mine = object()
    request.app.state.watching.add(mine)
    looked = loop.time()
    try:
        while not bell.ended:
            rung = bell.event("events")
            try:
                found = await run_in_threadpool(site.events.arrived, after, limit=_AT_ONCE)
            except SiteError:  # the database is away; the watch rings when it is back
                found = ()
            for event in found:
                after = event.id
                yield {"id": str(event.id), "event": "event", "data": json.dumps(event.message())}
            if loop.time() - looked >= _LOOK_S:
                looked = loop.time()
                if not await run_in_threadpool(still_in, request):
                    return
            if len(found) < _AT_ONCE:
                await _wait(rung)
    finally:
        request.app.state.watching.discard(mine)


async def _wait(rung: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(rung.wait(), _LOOK_S)
    except asyncio.TimeoutError:
        return


def _report(found: DoorReport) -> DoorLogAnswer:
    logs = [
        LogAnswer(
            log=log.log,
            received=log.received,
            forgotten=log.forgotten,
            report=report_answer(log.report),
        )
        for log in found.logs
    ]
    return DoorLogAnswer(
        door=found.door,
        whole=found.whole,
        keys=[*found.keys],
        logs=logs,
        noticed=[*found.noticed],
    )
