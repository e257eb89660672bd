"""The site's own log, its health, and how long things are kept."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request

from edgeface.console.forms import Before, Field, Form, Limit
from edgeface.console.security import api_router, site_of, who
from edgeface.door.audit_walk import Report
from edgeface.site.retention import LONGEST_DAYS, Keeping

router = api_router("log and health")


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


class KeepingForm(Form):
    """For how many days things are kept; null: for ever.

    ``events_days``: what doors logged; ``expired_days``: people after they expired;
    ``changes_days``: who changed what of a person.
    """

    events_days: Annotated[int, Field(strict=True, ge=1, le=LONGEST_DAYS)] | None
    expired_days: Annotated[int, Field(strict=True, ge=0, le=LONGEST_DAYS)] | None
    changes_days: Annotated[int, Field(strict=True, ge=1, le=LONGEST_DAYS)] | None


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
    return report_answer(site_of(request).acts.verify())


@router.get("/retention")
def retention(request: Request) -> KeepingForm:
    """Say for how long things are kept."""
    return KeepingForm(**vars(site_of(request).retention.get()))


@router.put("/retention", status_code=204)
def put_retention(keeping: KeepingForm, request: Request) -> None:
    """Set for how long things are kept; what is older goes within the hour."""
    site_of(request).retention.put(Keeping(**keeping.model_dump()), by=who(request).by)
    request.state.detail = ", ".join(f"{key} {value}" for key, value in keeping)


@router.get("/health")
def health(request: Request) -> dict[str, Any]:
    """Say how the site is."""
    return site_of(request).health()


def report_answer(report: Report) -> ReportAnswer:
    """Return a log's report as the API has it."""
    fields = {name: getattr(report, name) for name in ReportAnswer.model_fields}
    return ReportAnswer(**{**fields, "problems": [*report.problems], "notes": [*report.notes]})
