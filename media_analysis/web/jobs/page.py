"""The screens of jobs: a list, and starting one; `job.py` shows a single one."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.schemas.base import RequestDocument
from media_analysis.api.schemas.jobs import JobList, JobListQuery, KindName
from media_analysis.errors import UnknownKind
from media_analysis.jobs.attempts.turns import EXTERNAL
from media_analysis.jobs.models import JobStatus
from media_analysis.sessions.roles import Scope
from media_analysis.web.filters import FormQuery, FromDay, UntilDay, list_address
from media_analysis.web.jobs.asking import Asked, list_choices, list_kinds
from media_analysis.web.pages import page_router, show

router = page_router("jobs")
PAGE = 50


class JobsShown(FormQuery, JobListQuery):
    """Which jobs the screen lists; days do for instants."""

    limit: int = Field(PAGE, ge=1, le=200)
    created_after: FromDay | None = None
    created_before: UntilDay | None = None


class JobAsked(FormQuery, RequestDocument):
    """What a job is to be started with: of which files, or as another was."""

    kind: KindName | None = None
    source: list[UUID] = Field(default_factory=list, max_length=100)
    again: UUID | None = None


@router.get("/jobs")
async def show_jobs(
    request: Request, services: Serving, caller: Caller, query: Annotated[JobsShown, Query()]
) -> HTMLResponse:
    """List jobs, newest first; the filters are the address."""
    page = await services.jobs.catalog.list(query.wanted(scope=caller.scope), before=query.before(), limit=query.limit)
    return show(
        request,
        "jobs/list.html",
        page=JobList.from_page(page),
        query=query,
        given=request.query_params,
        here=list_address(request),
        kinds=[*services.jobs.kinds, EXTERNAL],
        statuses=list(JobStatus),
    )


@router.get("/jobs/new")
async def show_job_form(
    request: Request, services: Serving, caller: Caller, query: Annotated[JobAsked, Query()]
) -> HTMLResponse:
    """Show a form made of the schema of a kind; without a kind, which there are."""
    kinds = {kind.name: kind for kind in list_kinds(services.jobs.kinds)}
    asked = await Asked.read(services, caller, kind=query.kind, sources=query.source, again=query.again)
    if asked.kind is not None and asked.kind not in kinds:
        raise UnknownKind(asked.kind, known=sorted(kinds))
    choices = await list_choices(services, caller) if caller.may(Scope.FILES_READ) else ()
    return show(
        request,
        "jobs/new.html",
        kinds=kinds,
        kind=None if asked.kind is None else kinds[asked.kind],
        asked=asked,
        choices=[file for file in choices if file["id"] not in {str(source.id) for source in asked.sources}],
    )
