"""The list of files."""

from typing import Annotated, Any

import orjson
from fastapi import Query, Request
from fastapi.responses import HTMLResponse

from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.place import address
from media_analysis.api.schemas.files import next_cursor
from media_analysis.files.named import MOST_LOOKED_AT
from media_analysis.files.reading import Row
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from media_analysis.web.files.query import FilesQuery
from media_analysis.web.pages import page_router, show

router = page_router("files")


@router.get("/files")
async def show_files(
    request: Request, services: Serving, caller: Caller, query: Annotated[FilesQuery, Query()]
) -> HTMLResponse:
    """Show one page of files, as pictures or as a table."""
    wanted = query.wanted(scope=caller.scope).within(caller.limit)
    catalog, after = services.files.catalog, query.after()
    if query.name is None:
        page = await catalog.list(wanted, after=after, limit=query.limit)
    else:
        page = await catalog.find_named(wanted, query.name, after=after, limit=query.limit)
    path = address("/files")
    filters = query.filters()
    return show(
        request,
        "files/page.html",
        query=query,
        files=[_told(row) for row in page.files],
        here=query.address(path),
        other={view: query.address(path, view=view) for view in ("grid", "list")},
        filters=[(name, value, query.address(path, without=(name, value))) for name, value in filters],
        next_cursor=next_cursor(page),
        categories=list(Category),
        most_looked_at=MOST_LOOKED_AT,
        states=[FileState.STORED, FileState.PENDING, FileState.TRASHED],
        is_trash=query.state is FileState.TRASHED,
    )


def _told(row: Row) -> dict[str, Any]:
    return {**row, "labels": orjson.loads(row["labels"])}
