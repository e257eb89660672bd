"""The site's own log, its health, and how long things are kept."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from edgeface.console.forms import Before, Form, Limit
from edgeface.console.permissions import API
from edgeface.console.security import SiteRoute, site_of

router = APIRouter(prefix=API, route_class=SiteRoute, tags=["log and health"])


class ActAnswer(Form):
    """One entry of the site's log. ``at``: UTC; ``by``: who; people are named by their uid."""

    seq: int
    at: str | None
    act: str
    by: str
    detail: str


class ReportAnswer(Form):
    """What a check of a log found: no problem, and it is whole."""

    whole: bool
    entries: int
    first_seq: int
    last_seq: int
    signed_seq: int
    since: str | None
    until: str | None
    problems: list[str]
    notes: list[str]


@router.get("/acts")
def acts(request: Request, limit: Limit = 100, before: Before = None) -> list[ActAnswer]:
    """List what anybody changed, newest first."""
    found = site_of(request).acts.find(limit=limit, before=before)
    return [
        ActAnswer(
            seq=entry["seq"],
            at=entry["utc"],
            act=entry["act"],
            by=entry["by"],
            detail=entry["detail"],
        )
        for entry in found
    ]


@router.get("/acts/report")
def acts_report(request: Request) -> ReportAnswer:
    """Check the log's chain and signatures."""
    report = site_of(request).acts.verify()
    fields = {name: getattr(report, name) for name in ReportAnswer.model_fields}
    return ReportAnswer(**{**fields, "problems": [*report.problems], "notes": [*report.notes]})


@router.get("/health")
def health(request: Request) -> dict[str, Any]:
    """Say how the site is."""
    return site_of(request).health()
