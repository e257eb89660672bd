"""Schedules, groups and the decision's settings: those of door.toml, for all doors."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Request

from edgeface.console.describe import body
from edgeface.console.forms import RuleName
from edgeface.console.security import api_router, site_of, who
from edgeface.door.rules_settings import DECISION, GROUP, SCHEDULE

router = api_router("rules")

# At a site, who is in a group says the person's record.
_OWN = {key: value for key, value in GROUP["properties"].items() if key != "people"}
_GROUP = {**GROUP, "properties": _OWN}
Table = Annotated[dict[str, Any], Body()]


@router.get("/schedules")
def schedules(request: Request) -> dict[str, dict[str, Any]]:
    """List the schedules."""
    return site_of(request).rules.schedules()


@router.put("/schedules/{name}", status_code=204, openapi_extra=body(SCHEDULE))
def put_schedule(name: RuleName, table: Table, request: Request) -> None:
    """Set a schedule."""
    site_of(request).rules.put_schedule(name, table, by=who(request).by)


@router.delete("/schedules/{name}", status_code=204)
def remove_schedule(name: RuleName, request: Request) -> None:
    """Remove a schedule that no group has."""
    site_of(request).rules.remove_schedule(name, by=who(request).by)


@router.get("/groups")
def groups(request: Request) -> dict[str, dict[str, Any]]:
    """List the groups."""
    return site_of(request).rules.groups()


@router.put("/groups/{name}", status_code=204, openapi_extra=body(_GROUP))
def put_group(name: RuleName, table: Table, request: Request) -> None:
    """Set a group."""
    site_of(request).rules.put_group(name, table, by=who(request).by)


@router.delete("/groups/{name}", status_code=204)
def remove_group(name: RuleName, request: Request) -> None:
    """Remove a group."""
    site_of(request).rules.remove_group(name, by=who(request).by)


@router.get("/decision")
def decision(request: Request) -> dict[str, Any]:
    """Return the decision's settings that the site sets."""
    return site_of(request).rules.decision()


@router.put("/decision", status_code=204, openapi_extra=body(DECISION))
def put_decision(table: Table, request: Request) -> None:
    """Set the decision's settings, all of them."""
    site_of(request).rules.put_decision(table, by=who(request).by)
    request.state.detail = ", ".join(f"{key} {value}" for key, value in sorted(table.items()))
