"""Doors: added, watched, taken away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints
from starlette.concurrency import run_in_threadpool

from edgeface.console.answers import Refused
from edgeface.console.forms import Door, Field, Form, GroupName, Moment, Text
from edgeface.console.live import LivePictures, Picture
from edgeface.console.security import api_router, site_of, still_in, who
from edgeface.errors import EdgeFaceError
from edgeface.site.doors import LONGEST_LIVE_MINUTES
from edgeface.site.fleet_view import DoorView, fleet_view, midnight
from edgeface.site.wire import LOOK_HEADER

router = api_router("doors")

Groups = Annotated[list[GroupName], Field(min_length=1, max_length=64)]
_BOUNDARY = "picture"
_LOOK_S = 5.0
_OF_VIEW = ("opened", "denied", "rollout")


class NewDoor(Form):
    """A door to be; ``groups``: whose people it knows."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    groups: Groups


class DoorToken(Form):
    """``token`` goes into the door's token file; it is shown once."""

    name: str
    token: str


class DoorGroups(Form):
    """Whose people a door knows."""

    groups: Groups


class LiveWish(Form):
    """For how long, and why; 0 minutes end it."""

    minutes: Annotated[int, Field(strict=True, ge=0, le=LONGEST_LIVE_MINUTES)]
    reason: Annotated[Text, StringConstraints(min_length=3)]


class DoorAnswer(Form):
    """A door. ``confirmed``: the version of people and rules that it has; ``status``: what it last
    said of itself, at ``seen_at``; ``live_*``: who asked for its live picture, until when, why;
    ``opened``, ``denied``: how often it let somebody in and did not; ``rollout``: its state in the
    running one."""

    name: str
    groups: tuple[str, ...]
    added_at: str
    confirmed: int
    seen_at: str | None
    status: dict[str, Any] | None
    live_until: str | None
    live_reason: str | None
    live_by: str | None
    opened: int
    denied: int
    rollout: str | None


class LiveAnswer(Form):
    """Until when the door sends its picture; null: it does not."""

    until: datetime | None


@router.get("/doors")
def doors(request: Request, since: Moment | None = None) -> list[DoorAnswer]:
    """List the doors and how they are; counts begin at ``since``, or at the site's midnight."""
    site = site_of(request)
    began = since or midnight(site.rules)
    views = fleet_view(site.doors, site.events, site.rollouts, since=began)
    return [_door(view) for view in views]


@router.post("/doors", status_code=201)
def add_door(new: NewDoor, request: Request) -> DoorToken:
    """Add a door."""
    token = site_of(request).doors.add(new.name, groups=new.groups, by=who(request).by)
    request.state.detail = f"{new.name}: {', '.join(new.groups)}"
    return DoorToken(name=new.name, token=token)


@router.delete("/doors/{door}", status_code=204)
def remove_door(door: Door, request: Request) -> None:
    """Take a door away: its token is void."""
    site_of(request).doors.remove(door, by=who(request).by)
    request.app.state.live.drop(door)


@router.post("/doors/{door}/token", status_code=201)
def renew_token(door: Door, request: Request) -> DoorToken:
    """Give a door a new token; the old one is void."""
    return DoorToken(name=door, token=site_of(request).doors.renew_token(door, by=who(request).by))


@router.put("/doors/{door}/groups", status_code=204)
def set_groups(door: Door, change: DoorGroups, request: Request) -> None:
    """Set whose people a door knows."""
    site_of(request).doors.set_groups(door, change.groups, by=who(request).by)
    request.state.detail = f"{door}: {', '.join(change.groups)}"


@router.post("/doors/{door}/live")
def ask_live(door: Door, wish: LiveWish, request: Request) -> LiveAnswer:
    """Ask for a door's live picture for some minutes."""
    doors = site_of(request).doors
    doors.ask_live(door, minutes=wish.minutes, reason=wish.reason, by=who(request).by)
    request.state.detail = f"{door}, {wish.minutes} min: {wish.reason}"
    until = doors.live_until(door)
    if until is None:
        request.app.state.live.drop(door)
    return LiveAnswer(until=until)


@router.get("/doors/{door}/live", response_class=StreamingResponse)
async def live(door: Door, request: Request) -> StreamingResponse:
    """Stream a door's live picture, as multipart/x-mixed-replace, until the time is over."""
    until = await run_in_threadpool(site_of(request).doors.live_until, door)
    if until is None:
        raise Refused(409, "not_asked", f"ask for the live picture of {door} first")
    media = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
    return StreamingResponse(_parts(door, request), media_type=media)


async def _parts(door: str, request: Request) -> AsyncIterator[bytes]:
    pictures: LivePictures = request.app.state.live
    number, looked = 0, asyncio.get_running_loop().time()
    while not request.app.state.bell.ended:
        picture = await pictures.next(door, after=number, timeout_s=1.0)
        if picture is not None:
            number = picture.number
            yield _part(picture)
        if asyncio.get_running_loop().time() - looked >= _LOOK_S or picture is None:
            looked = asyncio.get_running_loop().time()
            if not await run_in_threadpool(_may_watch, door, request):
                return


def _part(picture: Picture) -> bytes:
    head = (
        f"--{_BOUNDARY}",
        "Content-Type: image/jpeg",
        f"{LOOK_HEADER}: {picture.look}",
        f"Content-Length: {len(picture.jpeg)}",
    )
    return "\r\n".join((*head, "\r\n")).encode("ascii") + picture.jpeg + b"\r\n"


def _may_watch(door: str, request: Request) -> bool:
    try:
        return site_of(request).doors.live_until(door) is not None and still_in(request)
    except EdgeFaceError:  # the door was taken away, or the database is
        return False


def _door(view: DoorView) -> DoorAnswer:
    return DoorAnswer(**vars(view.entry), **{name: getattr(view, name) for name in _OF_VIEW})
