"""How the service is, what it was told, and what it does by a schedule."""

import asyncio
from importlib.metadata import version

from fastapi import Request
from fastapi.responses import HTMLResponse

from media_analysis.api.dependencies import Administrator, Serving
from media_analysis.retention.duties import DutyService
from media_analysis.settings import describe
from media_analysis.web.pages import page_router, show

router = page_router("storage")


@router.get("/settings")
async def show_settings(request: Request, services: Serving, _administrator: Administrator) -> HTMLResponse:
    """Show whether all is well, the duties, and every setting with the variable that sets it; secrets are masked."""
    problems, duties = await asyncio.gather(services.retention.status.problems(), DutyService(services.db).list())
    return show(
        request,
        "settings/page.html",
        problems=problems,
        duties=duties,
        rows=describe(services.settings),
        instance_id=services.store.instance_id,
        version=version("media-analysis"),
    )
