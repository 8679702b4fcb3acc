"""Records of the service's own: how long each kind is kept, and what must outlive that, to be kept elsewhere."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Serving
from media_analysis.api.errors import problems
from media_analysis.api.schemas.records import ExportQuery, RecordLifeList, RecordLifeRead
from media_analysis.records.export import Exportable, ExportService

router = APIRouter(
    prefix=f"{API_PATH}/storage/records",
    tags=["records"],
    responses=problems(errors.TokenRejected, errors.AdminRequired, errors.DatabaseUnavailable),
)
LINES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "One JSON object a line, oldest first; a whole export ends with a newline",
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"id": "…", "owner": "alice", "deleted_at": "2026-11-21T02:00:00+00:00", "rule": "…"}\n',
            }
        },
    }
}


@router.get("")
async def list_records(services: Serving, _administrator: Administrator) -> RecordLifeList:
    """Say how long the service keeps its own records, kind by kind, how many there are, and how far they ended."""
    return RecordLifeList(items=[RecordLifeRead.from_life(life) for life in await services.records.list()])


@router.get("/{kind}/export", response_class=StreamingResponse, responses={**LINES, **problems(errors.InvalidRequest)})
async def export_records(
    kind: Exportable, services: Serving, _administrator: Administrator, query: Annotated[ExportQuery, Query()]
) -> StreamingResponse:
    """Write out deletions, acts, or what stays of deleted jobs, to be kept for longer than the service keeps them."""
    export = ExportService(services.db)
    since, before = await export.range(query.since, query.before)
    return StreamingResponse(
        _lines(export, kind, since, before),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{kind.value}.ndjson"', "Cache-Control": "no-store"},
    )


async def _lines(export: ExportService, kind: Exportable, since: datetime, before: datetime) -> AsyncIterator[str]:
    async with aclosing(export.pages(kind, since, before)) as pages:
        async for page in pages:
            yield "".join(f"{json.dumps(document, ensure_ascii=False)}\n" for document in page)
