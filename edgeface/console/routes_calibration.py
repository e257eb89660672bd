"""Which cosine suits the site, by its own templates and its doors' events."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from fastapi import Query, Request

from edgeface.console.security import api_router, site_of
from edgeface.site.calibrate import LEAST_TARGET, MOST_TARGET, USUAL_TARGET, calibration

router = api_router("rules")

Target = Annotated[
    float | None,
    Query(
        ge=LEAST_TARGET,
        le=MOST_TARGET,
        description="how often a stranger may match anybody; the site's own setting",
    ),
]
Days = Annotated[int, Query(ge=1, le=3650, description="of events")]


@router.get("/calibration")
def calibrate(request: Request, target: Target = None, days: Days = 30) -> dict[str, Any]:
    """Compare the site's people with each other: docs/site-calibration.md; seconds at large ones.

    To apply a step, put its ``setting`` into the decision's ``false_accept_target``.
    """
    site = site_of(request)
    if target is None:
        target = site.rules.decision().get("false_accept_target", USUAL_TARGET)
    target = max(target, LEAST_TARGET)  # doors take smaller ones; nothing can be said of them
    since = datetime.now(timezone.utc) - timedelta(days=days)
    thresholds = site.pipeline.bundle.manifest["thresholds"]
    events = site.events.scores(since)
    return calibration(site.people, events, thresholds=thresholds, target=target).message()
