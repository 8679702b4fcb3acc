"""The trail: what was deleted, and who did what."""

from typing import Annotated

from fastapi import APIRouter, Query

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Caller, Serving
from media_analysis.api.errors import problems
from media_analysis.api.pages import encode_cursor
from media_analysis.api.schemas.audit import DeletionList, DeletionListQuery, EventList, EventListQuery

router = APIRouter(prefix=API_PATH, tags=["audit"], responses=problems(errors.DatabaseUnavailable))


@router.get("/deletions", responses=problems(errors.TokenRejected, errors.InvalidRequest))
async def list_deletions(
    services: Serving, caller: Caller, query: Annotated[DeletionListQuery, Query()]
) -> DeletionList:
    """List what was deleted, newest first: an administrator sees everything, others what was theirs."""
    page = await services.retention.trail.deletions(
        query.wanted(scope=caller.scope), after=query.after(), limit=query.limit
    )
    return DeletionList.from_page(page)


@router.get(
    "/audit",
    response_model=EventList,
    responses=problems(errors.TokenRejected, errors.AdminRequired, errors.InvalidRequest),
)
async def list_events(
    services: Serving, _administrator: Administrator, query: Annotated[EventListQuery, Query()]
) -> dict[str, object]:
    """List who did what to which file, job or policy, and why; newest first."""
    page = await services.retention.trail.events(query.wanted(), before=query.before(), limit=query.limit)
    return {"items": page.events, "next_cursor": encode_cursor(page.next_before)}
