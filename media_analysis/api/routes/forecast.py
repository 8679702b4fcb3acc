"""Forecast: how used bytes will develop, and what other lifetimes would do."""

from typing import Annotated

from fastapi import APIRouter, Query

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Serving
from media_analysis.api.errors import problems
from media_analysis.api.schemas.forecast import ForecastQuery, ForecastRead

router = APIRouter(prefix=f"{API_PATH}/storage", tags=["storage"], responses=problems(errors.DatabaseUnavailable))


@router.get("/forecast", responses=problems(errors.TokenRejected, errors.AdminRequired, errors.InvalidRequest))
async def read_forecast(
    services: Serving, _administrator: Administrator, query: Annotated[ForecastQuery, Query()]
) -> ForecastRead:
    """Say how many bytes come in, fall due and are used on each day, and when a quota or the disk is full."""
    return ForecastRead.from_forecast(await services.retention.forecast.forecast(query.request()))
