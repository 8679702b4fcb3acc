"""The screen of what was deleted and can still come back."""

from dataclasses import replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.schemas.files import FileListQuery, next_cursor
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from media_analysis.web.filters import FormQuery, list_address
from media_analysis.web.pages import page_router, show

router = page_router("trash")


class TrashShown(FormQuery, FileListQuery):
    """Which files of the trash the screen lists."""

    limit: int = Field(60, ge=1, le=200)

    def filters(self) -> str:
        """Return the same as the API is asked for all that match."""
        told = self.model_dump(mode="json", exclude={"limit", "cursor", "state"}, exclude_defaults=True)
        return urlencode([("state", FileState.TRASHED.value), *told.items()], doseq=True)


@router.get("/trash")
async def show_trash(
    request: Request, services: Serving, caller: Caller, query: Annotated[TrashShown, Query()]
) -> HTMLResponse:
    """List what is in the trash, with until when it can be restored."""
    wanted = replace(query.wanted(scope=caller.scope), state=FileState.TRASHED)
    page = await services.files.catalog.list(wanted, after=query.after(), limit=query.limit)
    return show(
        request,
        "trash/page.html",
        files=page.files,
        next_cursor=next_cursor(page),
        total=await services.retention.status.trashed(owner=caller.scope),
        query=query,
        given=request.query_params,
        here=list_address(request),
        categories=list(Category),
        deletion=services.settings.deletion,
    )
