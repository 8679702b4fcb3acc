"""The screen of the audit trail."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from media_analysis.api.dependencies import Administrator, Serving
from media_analysis.api.pages import encode_cursor
from media_analysis.api.schemas.audit import EventFilters, EventListQuery
from media_analysis.audit import Action
from media_analysis.web.filters import FormQuery, FromDay, UntilDay, list_address
from media_analysis.web.pages import page_router, show

router = page_router("audit")


class AuditShown(FormQuery, EventListQuery):
    """Which events the screen lists; days do for instants."""

    limit: int = Field(60, ge=1, le=200)
    since: FromDay | None = None
    before: UntilDay | None = None

    def filters(self) -> str:
        """Return the filters as the API is asked for all of it."""
        told = self.model_dump(mode="json", include=set(EventFilters.model_fields), exclude_none=True)
        return urlencode(told)


@router.get("/audit")
async def show_audit(
    request: Request, services: Serving, _administrator: Administrator, query: Annotated[AuditShown, Query()]
) -> HTMLResponse:
    """List who did what, newest first."""
    page = await services.retention.trail.events(query.wanted(), before=query.after(), limit=query.limit)
    return show(
        request,
        "audit/page.html",
        events=page.events,
        next_cursor=encode_cursor(page.next_before),
        query=query,
        given=request.query_params,
        here=list_address(request),
        actions=sorted(Action),
    )
