"""Pressure: what is too full, who goes next, and relief now."""

from typing import Annotated

from fastapi import APIRouter, Query

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Serving
from media_analysis.api.errors import problems
from media_analysis.api.schemas.pressure import PressureQuery, PressureRead, ReliefRead
from media_analysis.retention.models import SweepTrigger

router = APIRouter(
    prefix=f"{API_PATH}/storage/pressure",
    tags=["storage"],
    responses=problems(errors.TokenRejected, errors.AdminRequired, errors.DatabaseUnavailable, errors.StoreUnavailable),
)


@router.get("", responses=problems(errors.InvalidRequest))
async def read_pressure(
    services: Serving, _administrator: Administrator, query: Annotated[PressureQuery, Query()]
) -> PressureRead:
    """Say how full every category and the disk are, who would be evicted next, and why."""
    found = await services.retention.pressure.preview(category=query.category, limit=query.preview)
    return PressureRead.from_preview(found)


@router.post("/relieve", responses=problems(errors.MarkerMismatch, errors.DatabaseUnavailable, errors.StoreUnavailable))
async def relieve_pressure(services: Serving, administrator: Administrator) -> ReliefRead:
    """Evict down to the low-water marks wherever there is pressure; the answer comes when it is done."""
    outcomes = await services.retention.pressure.relieve(trigger=SweepTrigger.API, actor=administrator.owner)
    return ReliefRead.from_outcomes(outcomes)
