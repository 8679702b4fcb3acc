"""The trail: what was deleted, and who did what."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Caller, Serving
from media_analysis.api.errors import problems
from media_analysis.api.pages import encode_cursor
from media_analysis.api.schemas.audit import (
    DeletionList,
    DeletionListQuery,
    EventExportQuery,
    EventList,
    EventListQuery,
    EventRead,
)
from media_analysis.api.tables import write_rows
from media_analysis.retention.trail import TrailService

router = APIRouter(prefix=API_PATH, tags=["audit"], responses=problems(errors.DatabaseUnavailable))

_TYPES: Final = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}
_COLUMNS: Final = tuple(EventRead.model_fields)
_EXPORT: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Newest first; a whole export ends with a newline",
        "content": {
            "application/x-ndjson": {"schema": {"type": "string"}},
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}


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
    page = await services.retention.trail.events(query.wanted(), before=query.after(), limit=query.limit)
    return {"items": page.events, "next_cursor": encode_cursor(page.next_before)}


@router.get(
    "/audit/export",
    response_class=StreamingResponse,
    responses={**_EXPORT, **problems(errors.TokenRejected, errors.AdminRequired, errors.InvalidRequest)},
)
async def export_events(
    services: Serving, _administrator: Administrator, query: Annotated[EventExportQuery, Query()]
) -> StreamingResponse:
    """Write out who did what, as JSON lines or as a table for spreadsheets; newest first.

    `/storage/records/audit/export` writes out all of it, oldest first, to be kept.
    """
    return StreamingResponse(
        _lines(services.retention.trail, query),
        media_type=_TYPES[query.format],
        headers={"Content-Disposition": f'attachment; filename="audit.{query.format}"', "Cache-Control": "no-store"},
    )


async def _lines(trail: TrailService, query: EventExportQuery) -> AsyncIterator[str]:
    if query.format == "csv":
        yield write_rows([_COLUMNS])
    async with aclosing(trail.event_pages(query.wanted(), most=query.most)) as pages:
        async for page in pages:
            events = [EventRead.model_validate(event) for event in page]
            if query.format == "csv":
                rows = (event.model_dump(mode="json") for event in events)
                yield write_rows([row[name] for name in _COLUMNS] for row in rows)
            else:
                yield "".join(f"{event.model_dump_json()}\n" for event in events)
