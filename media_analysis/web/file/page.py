"""One file: living, on its way out, or gone."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse

from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.errors import STATUSES
from media_analysis.api.schemas.files import FileRead
from media_analysis.errors import Conflict, FileArchived, FileGone, Gone
from media_analysis.retention.explain.explanation import Explanation
from media_analysis.retention.explain.service import Reach
from media_analysis.runtime import Runtime
from media_analysis.sessions.service import Caller as SessionCaller
from media_analysis.web.file.about import find_about
from media_analysis.web.file.lifeline import draw_lifeline
from media_analysis.web.file.words import RULES, write_facts
from media_analysis.web.filters import MOST_SUMMED
from media_analysis.web.pages import page_router, show

router = page_router("files")
MOST_BEFORE: Final = 500
"""How many places ahead of a file in the eviction order a screen has time to look at."""


@router.get("/files/{file_id}")
async def show_file(request: Request, file_id: UUID, services: Serving, caller: Caller) -> HTMLResponse:
    """Show a file with what it is, why it stays and when it goes; of one that is gone, what became of it."""
    try:
        file = await services.files.catalog.get(file_id, owner=caller.scope)
    except FileGone:
        return await _show_gone(request, services, file_id, caller, STATUSES[Gone])
    except FileArchived:
        return await _show_gone(request, services, file_id, caller, STATUSES[Conflict])
    run = file.job_id
    of_run = run is None or not await services.files.products.has_many(run, most=MOST_SUMMED)
    told = await _explain(services, file_id, caller, Reach(of_run=of_run, before=MOST_BEFORE))
    about = await find_about(services, file, caller)
    return show(
        request,
        "file/page.html",
        file=FileRead.model_validate(file),
        told=told,
        of_run=of_run,
        about=about,
        facts=write_facts(about.probe) if about.probe else [],
        rules=RULES,
        **_life(told),
    )


async def _show_gone(
    request: Request, services: Runtime, file_id: UUID, caller: SessionCaller, status: int
) -> HTMLResponse:
    told = await _explain(services, file_id, caller)
    known = await services.files.catalog.get_known(file_id, owner=caller.scope)
    return show(request, "file/gone.html", status=status, file=known, told=told, rules=RULES, **_life(told))


async def _explain(services: Runtime, file_id: UUID, caller: SessionCaller, reach: Reach | None = None) -> Explanation:
    told = await services.retention.explanations.explain(file_id, owner=caller.scope, reach=reach)
    return told if caller.limit is None else told.without_rank()


def _life(told: Explanation) -> dict[str, Any]:
    return {"life": draw_lifeline(told, datetime.now(UTC))}
