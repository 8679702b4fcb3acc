"""The screens of archives: which runs are in one, and what is inside."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.schemas.archives import ArchivedJobList, ArchivedListQuery, ArchiveQuery, ArchiveRead
from media_analysis.archive.models import ArchiveTaskStatus
from media_analysis.errors import JobGone
from media_analysis.web.filters import MOST_SUMMED, FormQuery, WholeQuery, list_address, whole_address
from media_analysis.web.jobs.job import show_gone
from media_analysis.web.pages import page_router, show

router = page_router("archives")


class ArchivesShown(FormQuery, ArchivedListQuery):
    """Which archived runs the screen lists."""

    limit: int = Field(50, ge=1, le=200)


class ArchiveShown(WholeQuery, ArchiveQuery):
    """Which files of an archive the screen lists, and whether all of them are summed."""

    limit: int = Field(60, ge=1, le=200)


@router.get("/archives")
async def show_archives(
    request: Request, services: Serving, caller: Caller, query: Annotated[ArchivesShown, Query()]
) -> HTMLResponse:
    """List the runs that are in archives, the last archived first."""
    wanted, after = query.wanted(scope=caller.scope), query.after()
    page = ArchivedJobList.from_page(await services.archives.catalog.list(wanted, after=after, limit=query.limit))
    return show(
        request,
        "archives/list.html",
        page=page,
        query=query,
        given=request.query_params,
        here=list_address(request),
        archives=services.settings.archive,
    )


@router.get("/archives/{job_id}")
async def show_archive(
    request: Request, job_id: UUID, services: Serving, caller: Caller, query: Annotated[ArchiveShown, Query()]
) -> HTMLResponse:
    """Show what is inside one archive, and how restoring or archiving goes on."""
    catalog = services.archives.catalog
    try:
        view = await catalog.read(
            job_id, owner=caller.scope, after=query.before(), limit=query.limit, category=query.category
        )
        is_summed = query.whole or not await services.files.products.has_many(job_id, most=MOST_SUMMED)
        folders = await catalog.sum_categories(job_id, owner=caller.scope) if is_summed else None
    except JobGone:
        return await show_gone(request, services, caller, job_id)
    archive = ArchiveRead.from_archive(view)
    is_open = archive.task is not None and archive.task.status in {
        ArchiveTaskStatus.PENDING,
        ArchiveTaskStatus.RUNNING,
    }
    return show(
        request,
        "archives/archive.html",
        archive=archive,
        folders=folders,
        is_open=is_open,
        query=query,
        here=list_address(request),
        whole=whole_address(request),
    )
