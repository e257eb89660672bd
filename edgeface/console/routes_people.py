"""People: enrolled from photos that are not kept, found, changed, erased."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Header, Query, Request, Response
from pydantic import StringConstraints, ValidationError

from edgeface.console.answers import Refused, values_checked
from edgeface.console.describe import body
from edgeface.console.enrol import add_photos_of, enrol_photos
from edgeface.console.forms import Field, Flag, Form, Limit, Name, Text, Time, Uid
from edgeface.console.photos import Look, in_turn, look_at, read_form, uploads_of
from edgeface.console.security import api_router, site_of, who
from edgeface.site.people import Entry, Erasure

router = api_router("people")

MemberOf = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
RequestId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
State = Literal["valid", "expired", "blocked"]
_PHOTOS = {
    "type": "array",
    "items": {"type": "string", "format": "binary"},
    "minItems": 1,
    "maxItems": 10,
}
_CONFIRM = {
    "type": "string",
    "enum": ["true", "false"],
    "description": "true: enrol also who looks like another person, or unlike the one of that name",
}


class Changes(Form):
    """A person's own data; what is left out stays."""

    groups: Annotated[list[MemberOf], Field(max_length=64)] | None = None
    consent_at: Time | None = None
    expires_at: Time | None = None
    card: (
        tuple[Annotated[int, Field(ge=0, le=65535)], Annotated[int, Field(ge=0, le=2**32 - 1)]]
        | None
    ) = None
    blocked: Flag | None = None

    def given(self) -> dict[str, Any]:
        """Return what is to be set."""
        found = super().given()
        never_null = [key for key in ("groups", "blocked", "name") if found.get(key, "") is None]
        if never_null:
            raise Refused(422, "invalid", f"{never_null[0]}: null is no value of it: leave it out")
        return found


class PersonChange(Changes):
    """Also the name may change."""

    name: Name | None = None


class NewPerson(Form):
    """What comes with the photos."""

    name: Name
    changes: Changes = Changes()
    request_id: RequestId | None = None
    confirm: bool = False


class PersonAnswer(Form):
    """Somebody enrolled; ``doors``: those whose groups have them."""

    uid: str
    version: int
    name: str
    groups: tuple[str, ...]
    consent_at: str | None
    expires_at: str | None
    card: tuple[int, int] | None
    blocked: bool
    enrolled_at: str
    templates: int
    doors: tuple[str, ...]


class PeopleAnswer(Form):
    """A page of people; ``next`` goes into ``after`` of the next request."""

    people: list[PersonAnswer]
    next: str | None


class ChangedPerson(Form):
    """``conflicts``: fields that others changed too, where what lets fewer in holds."""

    person: PersonAnswer
    conflicts: list[str]


class LookAnswer(Form):
    """What a photo is good for. ``box``: x, y, width, height of the face in pixels."""

    ok: bool
    name: str
    width: int
    height: int
    box: tuple[float, float, float, float] | None
    reasons: tuple[str, ...]
    advice: tuple[str, ...]


class ErasureAnswer(Form):
    """A receipt. ``pending``: doors that have not confirmed yet; ``removed``: doors that were taken
    out of the site before they could; ``complete``: nobody holds the person any more."""

    receipt_id: str
    uid: str
    erased_at: str
    templates: int
    pending: tuple[str, ...]
    removed: tuple[str, ...]
    complete: bool


def _multipart(properties: dict[str, Any], *, required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required}
    return body(schema, kind="multipart/form-data")


@router.get("/people")
def people(
    request: Request,
    text: Annotated[Text, Query(description="part of a name")] = "",
    group: MemberOf | None = None,
    state: State | None = None,
    limit: Limit = 50,
    after: Text | None = None,
) -> PeopleAnswer:
    """Find people, by name."""
    page = site_of(request).people.find(
        text=text, group=group, state=state, limit=limit, after=after
    )
    return PeopleAnswer(people=[_person(entry) for entry in page.entries], next=page.next)


_NEW = _multipart(
    {
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "photos": _PHOTOS,
        "changes": {"type": "string", "description": "JSON, as PATCH /people/{uid} takes"},
        "request_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "confirm": _CONFIRM,
    },
    required=["name", "photos"],
)


@router.post("/people", status_code=201, openapi_extra=_NEW)
async def enrol(request: Request, response: Response) -> PersonAnswer:
    """Enrol somebody from photos, which are not kept.

    The same request_id twice is one enrolment. Somebody who looks like another person is told,
    and enrolled with ``confirm=true`` only.
    """
    form = await read_form(request)
    new = _new_person({key: value for key, value in form.items() if isinstance(value, str)})
    uploads = await uploads_of(form)
    entry = await in_turn(
        request,
        enrol_photos,
        site_of(request),
        new.name,
        uploads,
        by=who(request).by,
        changes=new.changes.given(),
        request_id=new.request_id,
        confirmed=new.confirm,
    )
    request.state.detail = entry.uid
    response.headers["ETag"] = _etag(entry)
    return _person(entry)


@router.post("/people/check", openapi_extra=_multipart({"photos": _PHOTOS}, required=["photos"]))
async def check(request: Request) -> list[LookAnswer]:
    """Say what each photo is good for; nothing is stored."""
    uploads = await uploads_of(await read_form(request))
    looks = await in_turn(request, look_at, site_of(request).pipeline, uploads)
    return [_look(look) for look in looks]


@router.get("/people/{uid}")
def person(uid: Uid, request: Request, response: Response) -> PersonAnswer:
    """Show somebody."""
    entry = site_of(request).people.get(uid)
    response.headers["ETag"] = _etag(entry)
    return _person(entry)


IfMatch = Annotated[
    str | None,
    Header(pattern=r'^"?[0-9]{1,18}"?$', description="the version that the change begins from"),
]


@router.patch("/people/{uid}")
def change_person(
    uid: Uid, change: PersonChange, request: Request, response: Response, if_match: IfMatch = None
) -> ChangedPerson:
    """Change somebody's data, or block them: every connected door knows within two seconds."""
    given = change.given()
    with values_checked():
        edited = site_of(request).people.change(
            uid, given, by=who(request).by, base=_base(if_match)
        )
    request.state.detail = f"{uid}: {', '.join(sorted(given)) or 'nothing'}"
    response.headers["ETag"] = _etag(edited.entry)
    return ChangedPerson(person=_person(edited.entry), conflicts=[*edited.conflicts])


@router.delete("/people/{uid}")
def erase(uid: Uid, request: Request, if_match: IfMatch = None) -> ErasureAnswer:
    """Erase somebody here and at every door; the receipt says which have not confirmed yet."""
    site, base = site_of(request), _base(if_match)
    if base is not None and site.people.get(uid).version != base:
        raise Refused(412, "changed", "somebody changed this person meanwhile: look again")
    erasure = site.people.erase(uid, by=who(request).by)
    request.state.detail = f"{uid}: receipt {erasure.receipt_id}"
    return _erasure(erasure)


@router.post(
    "/people/{uid}/photos",
    openapi_extra=_multipart({"photos": _PHOTOS, "confirm": _CONFIRM}, required=["photos"]),
)
async def add_photos(uid: Uid, request: Request) -> PersonAnswer:
    """Add templates from further photos of somebody."""
    site, form = site_of(request), await read_form(request)
    uploads = await uploads_of(form)
    entry = await in_turn(
        request,
        add_photos_of,
        site,
        uid,
        uploads,
        by=who(request).by,
        confirmed=form.get("confirm") == "true",
    )
    return _person(entry)


@router.get("/people/{uid}/account")
def account(uid: Uid, request: Request) -> dict[str, Any]:
    """Give everything that is held of somebody, for that person."""
    return site_of(request).people.account(uid)


@router.get("/receipts")
def receipts(request: Request) -> list[ErasureAnswer]:
    """List the erasures, newest first."""
    return [_erasure(erasure) for erasure in reversed(site_of(request).people.receipts())]


def _new_person(fields: dict[str, str]) -> NewPerson:
    changes = fields.pop("changes", "{}")
    try:
        return NewPerson(**fields, changes=Changes.model_validate_json(changes))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Refused(422, "invalid", f"{where}: {first['msg']}") from error


def _base(if_match: str | None) -> int | None:
    return None if if_match is None else int(if_match.strip('"'))


def _etag(entry: Entry) -> str:
    return f'"{entry.version}"'


def _person(entry: Entry) -> PersonAnswer:
    return PersonAnswer(**{name: getattr(entry, name) for name in PersonAnswer.model_fields})


def _look(look: Look) -> LookAnswer:
    return LookAnswer(**{name: getattr(look, name) for name in LookAnswer.model_fields})


def _erasure(erasure: Erasure) -> ErasureAnswer:
    return ErasureAnswer(**{name: getattr(erasure, name) for name in ErasureAnswer.model_fields})
