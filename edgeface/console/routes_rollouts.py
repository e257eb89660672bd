"""Roll-outs: begun and stopped by owners, fetched by doors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path as File
from typing import Annotated, Any, Literal

from fastapi import Path, Request
from fastapi.responses import FileResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from edgeface.console.answers import Refused
from edgeface.console.forms import DoorName, Field, Form
from edgeface.console.security import api_router, site_of, who
from edgeface.site.rollout import Rollout

router = api_router("rollouts")

Number = Annotated[int, Path(ge=0, le=2**62, description="the roll-out's number")]
Seconds = Annotated[float, Field(ge=0, le=30 * 86400)]
_BLOCK_BYTES = 1 << 20
_FIELDS = 600  # a name for each door, and the limits
_NEW = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["kind", "doors", "file"],
                    "properties": {
                        "kind": {"type": "string", "enum": ["kit", "config"]},
                        "doors": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                        "file": {"type": "string", "format": "binary"},
                        "pause_s": {"type": "number", "minimum": 0},
                        "healthy_s": {"type": "number", "minimum": 0},
                        "patience_s": {"type": "number", "minimum": 0},
                    },
                }
            }
        },
    }
}


class NewRollout(Form):
    """What comes with the file. ``doors``: in the order in which they take it."""

    kind: Literal["kit", "config"]
    doors: Annotated[list[DoorName], Field(min_length=1, max_length=500)]
    pause_s: Seconds = 0.0
    healthy_s: Seconds = 300.0
    patience_s: Seconds = 1800.0


class RolloutDoorAnswer(Form):
    """A door of a roll-out: as `edgeface.site.rollout_door.RolloutDoor`."""

    door: str
    place: int
    state: str
    before: dict[str, Any] | None
    began_at: str | None
    good_since: str | None
    bad_since: str | None
    told_at: str | None
    text: str


class StepAnswer(Form):
    """Something that happened; ``door`` is null where it is about the whole roll-out."""

    at: str
    door: str | None
    text: str


class RolloutAnswer(Form):
    """A roll-out; ``state`` is "running", "done", "failed" or "stopped", ``text`` why it ended."""

    id: int
    kind: str
    label: str
    sha256: str
    bytes: int
    made_at: str
    by: str
    state: str
    ended_at: str | None
    text: str
    pause_s: float
    healthy_s: float
    patience_s: float
    doors: list[RolloutDoorAnswer]
    steps: list[StepAnswer]


@router.get("/rollouts")
def rollouts(request: Request) -> list[RolloutAnswer]:
    """List the roll-outs, newest first."""
    return [RolloutAnswer(**told) for told in site_of(request).rollouts.overview()]


@router.post("/rollouts", status_code=201, openapi_extra=_NEW)
async def begin(request: Request) -> RolloutAnswer:
    """Begin a roll-out: a kit's plain tar archive, or a door.toml or a part of one."""
    async with _read_form(request) as form:
        new, upload = _new_rollout(form), form.get("file")
        if not isinstance(upload, UploadFile):
            raise Refused(422, "invalid", "file: expected one file")
        kept = await run_in_threadpool(_keep, request, upload)
    try:
        rollout = await run_in_threadpool(_begin, request, new, kept)
    finally:
        kept.unlink()
    request.state.detail = f"{rollout.head.id}: {rollout.head.label}, {', '.join(new.doors)}"
    return RolloutAnswer(**rollout.figures())


@router.post("/rollouts/{number}/stop")
def stop(number: Number, request: Request) -> RolloutAnswer:
    """Begin with no further door; one that is at work finishes."""
    return RolloutAnswer(**site_of(request).rollouts.stop(number, by=who(request).by).figures())


@router.get("/door/rollouts/{number}/file", response_class=FileResponse)
def file(number: Number, request: Request) -> FileResponse:
    """Give a door the file that it has to take now; also parts of it, by Range."""
    path = site_of(request).rollouts.file_for(who(request).name, number)
    return FileResponse(path, media_type="application/octet-stream")


@asynccontextmanager
async def _read_form(request: Request) -> AsyncIterator[FormData]:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refused(415, "not_a_form", "expected multipart/form-data")
    parser = MultiPartParser(request.headers, request.stream(), max_files=1, max_fields=_FIELDS)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refused(400, "malformed", error.message) from error
    try:
        yield form
    finally:
        await form.close()


def _new_rollout(form: FormData) -> NewRollout:
    texts = [(key, value) for key, value in form.multi_items() if isinstance(value, str)]
    given = {key: value for key, value in texts if key != "doors"}
    try:
        return NewRollout(doors=[value for key, value in texts if key == "doors"], **given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Refused(422, "invalid", f"{where}: {first['msg']}") from error


def _keep(request: Request, upload: UploadFile) -> File:
    """Write what was sent to a file among the site's own, for as long as it is looked at."""
    handle, name = tempfile.mkstemp(dir=site_of(request).rollouts.folder, prefix=".sent-")
    with os.fdopen(handle, "wb") as stream:
        for block in iter(lambda: upload.file.read(_BLOCK_BYTES), b""):
            stream.write(block)
    return File(name)


def _begin(request: Request, new: NewRollout, kept: File) -> Rollout:
    site, told = site_of(request), new.model_dump()
    for door in new.doors:
        site.doors.get(door)
    return site.rollouts.create(told.pop("kind"), kept, by=who(request).by, **told)
