"""Texts that the API takes: their lengths and letters, once for all routes."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from edgeface.site.users import PASSWORD_LEAST, PASSWORD_MOST

_PLAIN = r"^[^\x00-\x1f\x7f-\x9f]*$"
_TIME = r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?$"

Text = Annotated[str, StringConstraints(max_length=200, pattern=_PLAIN)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PLAIN)]
GroupName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
Time = Annotated[str, StringConstraints(pattern=_TIME)]
"""A date or a UTC time, as 2026-01-31 or 2026-01-31T12:00:00Z."""

DoorName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
UidText = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Password = Annotated[str, StringConstraints(min_length=PASSWORD_LEAST, max_length=PASSWORD_MOST)]
Flag = Annotated[bool, Field(strict=True)]
Uid = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="the person's id")]
Door = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="the door's name")]
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="of a public key")]
RuleName = Annotated[str, Path(pattern=r"^[a-z0-9_-]{1,64}$")]
UserName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Limit = Annotated[int, Query(ge=1, le=500, description="how many at most")]
Before = Annotated[int | None, Query(ge=1, le=2**62, description="only those of lower numbers")]


def _written(value: Any) -> Any:
    if not isinstance(value, (str, datetime)) or not re.match(r"\d{4}-\d\d-\d\d", str(value)):
        raise ValueError("expected a time as 2026-01-31T12:00:00Z")  # not seconds of some clock
    return value


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=timezone.utc)


Moment = Annotated[datetime, BeforeValidator(_written), AfterValidator(_aware)]


class Form(BaseModel):
    """What a request's body holds; anything else in it is refused."""

    model_config = ConfigDict(extra="forbid")

    def given(self) -> dict[str, Any]:
        """Return the fields that the request had, also those that are null."""
        return self.model_dump(exclude_unset=True)


__all__ = [
    "Before",
    "Door",
    "DoorName",
    "Field",
    "Flag",
    "Form",
    "GroupName",
    "KeyId",
    "Limit",
    "Moment",
    "Name",
    "Password",
    "RuleName",
    "Text",
    "Time",
    "Uid",
    "UidText",
    "UserName",
]
