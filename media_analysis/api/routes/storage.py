"""Storage: how it stands, and what deletion did."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Caller, Serving
from media_analysis.api.errors import problems
from media_analysis.api.schemas.storage import (
    CleanupQuery,
    StatsRead,
    SweepList,
    SweepListQuery,
    SweepRead,
    ValidationReport,
)
from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepRequest

router = APIRouter(prefix=f"{API_PATH}/storage", tags=["storage"], responses=problems(errors.DatabaseUnavailable))

_ADMIN_PROBLEMS = problems(errors.TokenRejected, errors.AdminRequired, errors.InvalidRequest)


@router.get("/stats", responses=problems(errors.TokenRejected))
async def read_stats(services: Serving, caller: Caller) -> StatsRead:
    """Say what is used and free, and what of it is active, archived or trash.

    An administrator sees everything, others their own files, and nothing of the disk that all share.
    """
    stats, lives = (
        await services.retention.status.stats(owner=caller.scope),
        await services.retention.status.lives(owner=caller.scope),
    )
    return StatsRead.of_all(stats, lives) if caller.scope is None else StatsRead.of_owner(stats, lives)


@router.get("/validate", responses=_ADMIN_PROBLEMS)
async def validate_storage(services: Serving, _administrator: Administrator) -> ValidationReport:
    """Say whether store, database and outbox are well, and what is not."""
    messages = await services.retention.status.problems()
    return ValidationReport(valid=not messages, messages=list(messages))


@router.post(
    "/cleanup",
    responses={**_ADMIN_PROBLEMS, **problems(errors.MarkerMismatch, errors.DatabaseUnavailable)},
)
async def clean_up(
    services: Serving, administrator: Administrator, query: Annotated[CleanupQuery, Query()]
) -> SweepRead:
    """Delete what is due, into the trash if there is one, or rehearse it; the answer comes when the sweep has ended."""
    request = SweepRequest(
        categories=query.categories(),
        dry_run=query.dry_run,
        trigger=SweepTrigger.API,
        requested_by=administrator.owner,
    )
    return SweepRead.from_report(await services.retention.sweeps.run(request), request)


@router.get("/sweeps", responses=_ADMIN_PROBLEMS)
async def list_sweeps(
    services: Serving, _administrator: Administrator, query: Annotated[SweepListQuery, Query()]
) -> SweepList:
    """List the latest sweeps, newest first."""
    return SweepList(items=[SweepRead.from_row(row) for row in await services.retention.sweeps.list(limit=query.limit)])


@router.get(
    "/sweeps/{sweep_id}",
    responses={**_ADMIN_PROBLEMS, **problems(errors.SweepNotFound)},
)
async def read_sweep(sweep_id: UUID, services: Serving, _administrator: Administrator) -> SweepRead:
    """Say how one sweep went."""
    return SweepRead.from_row(await services.retention.sweeps.get(sweep_id))
