"""The screens of deletion: the latest sweeps, one of them, and what is gone."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from media_analysis.api.dependencies import Administrator, Caller, Serving
from media_analysis.api.schemas.audit import DeletionList, DeletionListQuery
from media_analysis.api.schemas.storage import SweepListQuery, SweepRead
from media_analysis.sessions.roles import Scope
from media_analysis.states import RetentionRule
from media_analysis.storage.category import Category
from media_analysis.web.filters import MOST_SUMMED, FormQuery, FromDay, UntilDay, list_address
from media_analysis.web.pages import page_router, show

router = page_router("audit")
sweeps_router = page_router("storage")
LATEST = 5


class DeletionsShown(FormQuery, DeletionListQuery):
    """Which deletions the screen lists; days do for instants."""

    limit: int = Field(60, ge=1, le=200)
    since: FromDay | None = None
    before: UntilDay | None = None


class SweepsShown(FormQuery, SweepListQuery):
    """How many of the latest sweeps the screen lists."""

    limit: int = Field(50, ge=1, le=200)


@router.get("/deletions")
async def show_deletions(
    request: Request, services: Serving, caller: Caller, query: Annotated[DeletionsShown, Query()]
) -> HTMLResponse:
    """List what is gone for good, and to administrators the latest sweeps."""
    wanted, after = query.wanted(scope=caller.scope), query.after()
    page = await services.retention.trail.deletions(wanted, after=after, limit=query.limit)
    rules_storage = caller.scope is None and caller.may(Scope.STORAGE)
    sweeps = await services.retention.sweeps.list(limit=LATEST) if rules_storage else ()
    return show(
        request,
        "deletions/page.html",
        page=DeletionList.from_page(page),
        sweeps=[SweepRead.from_row(row) for row in sweeps],
        rules_storage=rules_storage,
        query=query,
        given=request.query_params,
        here=list_address(request),
        categories=list(Category),
        rules=list(RetentionRule),
    )


@sweeps_router.get("/deletions/sweeps")
async def show_sweeps(
    request: Request, services: Serving, _administrator: Administrator, query: Annotated[SweepsShown, Query()]
) -> HTMLResponse:
    """List the latest sweeps."""
    rows = await services.retention.sweeps.list(limit=query.limit)
    return show(
        request,
        "deletions/sweeps.html",
        sweeps=[SweepRead.from_row(row) for row in rows],
        categories=list(Category),
        rehearses=services.settings.storage.cleanup.rehearses_because,
    )


@sweeps_router.get("/deletions/sweeps/{sweep_id}")
async def show_sweep(
    request: Request, sweep_id: UUID, services: Serving, _administrator: Administrator
) -> HTMLResponse:
    """Show what one sweep took, and what undoing it would bring back; of a rehearsal, what it would take."""
    sweep = SweepRead.from_row(await services.retention.sweeps.get(sweep_id))
    return show(
        request,
        "deletions/sweep.html",
        sweep=sweep,
        restorable=await services.retention.trash.preview_undo(sweep_id, most=MOST_SUMMED),
        rehearses=services.settings.storage.cleanup.rehearses_because,
    )
