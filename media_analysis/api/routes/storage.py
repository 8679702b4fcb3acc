"""Storage: how it stands and will stand, what deletion did, and taking that back."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Caller, Serving
from media_analysis.api.errors import ADMIN_PROBLEMS, problems
from media_analysis.api.schemas.forecast import ForecastQuery, ForecastRead
from media_analysis.api.schemas.storage import (
    CleanupQuery,
    StatsQuery,
    StatsRead,
    SweepList,
    SweepListQuery,
    SweepRead,
    ValidationReport,
)
from media_analysis.api.schemas.trash import RestorationRead
from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepRequest

router = APIRouter(prefix=f"{API_PATH}/storage", responses=problems(errors.DatabaseUnavailable))

_ADMIN_PROBLEMS = problems(*ADMIN_PROBLEMS)


@router.get("/stats", tags=["storage"], responses=problems(errors.TokenRejected, errors.InvalidRequest))
async def read_stats(services: Serving, caller: Caller, query: Annotated[StatsQuery, Query()]) -> StatsRead:
    """Say what is used and free, and what of it is active, archived or trash.

    An administrator sees everything, others their own files, and nothing of the disk that all share.
    """
    labels = query.labels()
    stats, lives = (
        await services.retention.status.stats(owner=caller.scope),
        await services.retention.status.lives(owner=caller.scope),
    )
    told = StatsRead.of_all(stats, lives) if caller.scope is None else StatsRead.of_owner(stats, lives)
    labelled = await services.retention.status.labelled(labels, owner=caller.scope) if labels else None
    return told.with_labelled(labelled)


@router.get("/validate", tags=["storage"], responses=_ADMIN_PROBLEMS)
async def validate_storage(services: Serving, _administrator: Administrator) -> ValidationReport:
    """Say whether store, database and outbox are well, and what is not."""
    messages = await services.retention.status.problems()
    return ValidationReport(valid=not messages, messages=list(messages))


@router.post(
    "/cleanup",
    tags=["storage"],
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
        actor=administrator.owner,
    )
    return SweepRead.from_report(await services.retention.sweeps.run(request), request)


@router.get("/sweeps", tags=["storage"], responses=_ADMIN_PROBLEMS)
async def list_sweeps(
    services: Serving, _administrator: Administrator, query: Annotated[SweepListQuery, Query()]
) -> SweepList:
    """List the latest sweeps, newest first."""
    return SweepList(items=[SweepRead.from_row(row) for row in await services.retention.sweeps.list(limit=query.limit)])


@router.get(
    "/sweeps/{sweep_id}",
    tags=["storage"],
    responses={**_ADMIN_PROBLEMS, **problems(errors.SweepNotFound)},
)
async def read_sweep(sweep_id: UUID, services: Serving, _administrator: Administrator) -> SweepRead:
    """Say how one sweep went."""
    return SweepRead.from_row(await services.retention.sweeps.get(sweep_id))


@router.post(
    "/sweeps/{sweep_id}/undo",
    tags=["trash"],
    responses={**_ADMIN_PROBLEMS, **problems(errors.SweepNotFound)},
)
async def undo_sweep(sweep_id: UUID, services: Serving, administrator: Administrator) -> RestorationRead:
    """Take everything a sweep took out of the trash; safe to repeat, also after it broke off."""
    outcome = await services.retention.trash.undo(sweep_id, actor=administrator.owner)
    return RestorationRead(**outcome._asdict())


@router.get("/forecast", tags=["storage"], responses=_ADMIN_PROBLEMS)
async def read_forecast(
    services: Serving, _administrator: Administrator, query: Annotated[ForecastQuery, Query()]
) -> ForecastRead:
    """Say how many bytes come in, fall due and are used on each day, and when a quota or the disk is full."""
    return ForecastRead.from_forecast(await services.retention.forecast.forecast(query.request()))
