"""One job on a screen: how far it is, what it made, what it found out, and how long all of it is kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from media_analysis.analysis.documents import DOCUMENTS
from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.schemas.job_summary import JobSummaryRead
from media_analysis.api.schemas.jobs import JobRead
from media_analysis.api.schemas.products import JobFileList, JobFilesQuery
from media_analysis.api.schemas.removals import JobRemovalRead
from media_analysis.api.schemas.results import ResultList
from media_analysis.api.schemas.retention import JobRetention
from media_analysis.deletion.requests import DeletionRequest
from media_analysis.errors import JobGone
from media_analysis.files.products import ProductFilter
from media_analysis.jobs.results import ResultFilter
from media_analysis.retention.explain.summary import JobSummary
from media_analysis.runtime import Runtime
from media_analysis.sessions.service import Caller as SessionCaller
from media_analysis.storage.category import Category
from media_analysis.web.filters import MOST_SUMMED, WholeQuery, list_address, whole_address
from media_analysis.web.jobs.sources import list_files
from media_analysis.web.pages import page_router, show

router = page_router("jobs")
RESULTS: Final = 20
SOURCES: Final = 12


class JobShown(WholeQuery, JobFilesQuery):
    """Which page of a job's products is shown, and whether all of them are summed."""

    limit: int = Field(60, ge=1, le=200)


@dataclass(frozen=True)
class Products:
    """A page of what a job made, of one category."""

    category: Category
    page: JobFileList


@router.get("/jobs/{job_id}")
async def show_job(
    request: Request, job_id: UUID, services: Serving, caller: Caller, query: Annotated[JobShown, Query()]
) -> HTMLResponse:
    """Show one job; of a deleted one, what stays of it."""
    try:
        view = await services.jobs.catalog.view(job_id, owner=caller.scope)
    except JobGone:
        return await show_gone(request, services, caller, job_id)
    life = going = None
    if query.whole or not await services.files.products.has_many(job_id, most=MOST_SUMMED):
        explained = await services.retention.explanations.explain_job(job_id, owner=caller.scope, before=None, limit=1)
        if isinstance(explained, JobSummary):  # deleted a moment ago
            return await show_gone(request, services, caller, job_id)
        life, asked = JobRetention.from_explanation(explained), DeletionRequest(actor=caller.owner)
        removal = await services.jobs.deletions.preview(job_id, asked, owner=caller.scope)
        going = JobRemovalRead.from_removal(removal)
    there = Category if life is None else life.files.by_category
    return show(
        request,
        "jobs/job.html",
        job=JobRead.from_view(view),
        life=life,
        going=going,
        most_summed=MOST_SUMMED,
        products=await _list_products(services, caller, job_id, query, there),
        results=await _list_results(services, caller, job_id),
        sources=await list_files(services, caller, view.sources[:SOURCES]),
        here=list_address(request),
        whole=whole_address(request),
    )


async def show_gone(request: Request, services: Runtime, caller: SessionCaller, job_id: UUID) -> HTMLResponse:
    """Return what stays of a deleted job as a screen.

    Raises:
        JobNotFound, JobGone: nobody knows it, or it came back a moment ago.

    """
    told = await services.retention.explanations.explain_job(job_id, owner=caller.scope, before=None, limit=1)
    if not isinstance(told, JobSummary):
        raise JobGone(job_id)
    status = int(HTTPStatus.GONE)
    return show(request, "jobs/gone.html", status=status, job=JobSummaryRead.from_summary(told))


async def _list_products(
    services: Runtime, caller: SessionCaller, job_id: UUID, query: JobShown, there: Iterable[Category]
) -> Sequence[Products]:
    asked = [query.category] if query.category else [one for one in there if one is not Category.ARCHIVES]
    listed = []
    for category in asked:
        wanted = ProductFilter(job_id=job_id, owner=caller.scope, category=category, role=query.role)
        after = query.after() if query.category else None
        page = await services.files.products.list(wanted, after=after, limit=query.limit)
        listed.append(Products(category, JobFileList.from_page(page)))
    return [one for one in listed if one.page.items]


async def _list_results(services: Runtime, caller: SessionCaller, job_id: UUID) -> ResultList:
    wanted = ResultFilter(owner=caller.scope, job_id=job_id)
    page = await services.jobs.results.list(wanted, before=None, limit=RESULTS)
    listed = ResultList.model_validate({"items": page.results, "next_cursor": None})
    items = [one.model_copy(update={"data": _in_order(one.kind, one.data)}) for one in listed.items]
    return listed.model_copy(update={"items": items})


def _in_order(kind: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document in the order of its kind's schema: PostgreSQL keeps none."""
    known = DOCUMENTS[kind].model_fields if kind in DOCUMENTS else ()
    return {**{name: told[name] for name in known if name in told}, **told}
