"""One plan, with the files it names."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import HTMLResponse

from media_analysis.api.dependencies import Administrator, Serving
from media_analysis.api.pages import encode_cursor
from media_analysis.api.schemas.plans import PlanFileQuery
from media_analysis.web.pages import page_router, show

router = page_router("plans")


@router.get("/plans/{plan_id}")
async def show_plan(
    plan_id: UUID,
    request: Request,
    services: Serving,
    _administrator: Administrator,
    query: Annotated[PlanFileQuery, Query()],
) -> HTMLResponse:
    """Show what a plan takes, and let it be approved by its hash."""
    plan, status = await services.retention.plans.get(plan_id)
    page = await services.retention.plans.list_files(plan_id, after=query.after(), limit=query.limit)
    return show(
        request,
        "plans/page.html",
        plan=plan,
        sweep_status=status,
        files=page.files,
        next_cursor=encode_cursor(page.next_after),
    )
