"""Jobs: reading one, and keeping it and its files for longer."""

from uuid import UUID

from fastapi import APIRouter

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.errors import document_problems, problems
from media_analysis.api.schemas.jobs import JobExtended, JobRead, JobUpdate

router = APIRouter(prefix=f"{API_PATH}/jobs", tags=["jobs"], responses=problems(errors.DatabaseUnavailable))

_PROBLEMS = problems(errors.TokenRejected, errors.JobNotFound, errors.InvalidRequest)


@router.get("/{job_id}", responses=_PROBLEMS)
async def read_job(job_id: UUID, services: Serving, caller: Caller) -> JobRead:
    """Describe one job."""
    job, at = await services.jobs.get(job_id, owner=caller.scope)
    return JobRead.from_job(job, at)


@router.patch("/{job_id}", responses={**_PROBLEMS, **document_problems()})
async def update_job(job_id: UUID, change: JobUpdate, services: Serving, caller: Caller) -> JobExtended:
    """Set when a job and all its stored, living files end."""
    expires_at, files = await services.holds.extend_job(job_id, change.expiry(), owner=caller.scope, actor=caller.owner)
    return JobExtended(job_id=job_id, expires_at=expires_at, files=files)
