"""Retention explained: when a file or a job goes, by which rule, what blocks it, and what happened so far."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.errors import problems
from media_analysis.api.pages import PageQuery
from media_analysis.api.schemas.job_summary import JobSummaryRead, job_document
from media_analysis.api.schemas.retention import FileRetention, JobRetention
from media_analysis.retention.explain.explanation import Explanation

router = APIRouter(prefix=API_PATH, responses=problems(errors.DatabaseUnavailable))

_PROBLEMS = problems(errors.TokenRejected, errors.InvalidRequest)


@router.get(
    "/files/{file_id}/retention",
    tags=["files"],
    response_model=FileRetention,
    responses={**_PROBLEMS, **problems(errors.FileNotFound)},
)
async def explain_file(file_id: UUID, services: Serving, caller: Caller) -> Explanation:
    """Say when a file goes, by which rule, and what happened to it; deleted files are explained, too."""
    return await services.retention.explanations.explain(file_id, owner=caller.scope)


@router.get("/jobs/{job_id}/retention", tags=["jobs"], responses={**_PROBLEMS, **problems(errors.JobNotFound)})
async def explain_job(
    job_id: UUID, services: Serving, caller: Caller, query: Annotated[PageQuery, Query()]
) -> JobRetention | JobSummaryRead:
    """Say when a job's files go, by which rule, and what happened to the job; of a deleted one, what stays of it."""
    told = await services.retention.explanations.explain_job(
        job_id, owner=caller.scope, before=query.before(), limit=query.limit
    )
    return job_document(told)
