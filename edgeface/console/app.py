"""The server's app: every route, behind its permissions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from anyio import CapacityLimiter
from fastapi import FastAPI

import edgeface
from edgeface.console import (
    routes_acts,
    routes_calibration,
    routes_door,
    routes_doors,
    routes_events,
    routes_pages,
    routes_people,
    routes_rollouts,
    routes_rules,
    routes_session,
    routes_users,
)
from edgeface.console.answers import Headers, add_error_answers
from edgeface.console.bell import Bell
from edgeface.console.live import LivePictures
from edgeface.site.site import Site

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PARTS = (
    routes_session,
    routes_people,
    routes_rules,
    routes_doors,
    routes_events,
    routes_rollouts,
    routes_calibration,
    routes_users,
    routes_acts,
    routes_door,
    routes_pages,
)


def create_app(site: Site, *, names: Iterable[str] = ()) -> FastAPI:
    """Return the app of an open site, for uvicorn.

    Parameters
    ----------
    names
        By which host names and addresses browsers and doors come, besides loopback's.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with Bell(site.watch) as bell:
            app.state.bell = bell
            yield

    app = FastAPI(
        title="edgeface site",
        version=edgeface.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.site, app.state.live = site, LivePictures()
    app.state.waiting, app.state.watching = routes_door.Waiting(), set()
    app.state.looking = CapacityLimiter(1)
    for part in _PARTS:
        app.router.routes.extend(part.router.routes)
    add_error_answers(app)
    app.add_middleware(Headers, hosts=frozenset(name.lower() for name in (*LOOPBACK, *names)))
    return app
