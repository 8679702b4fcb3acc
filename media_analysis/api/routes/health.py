"""For probes and Prometheus: alive, ready, metrics; no token needed, nothing private said."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from media_analysis.api.dependencies import Serving
from media_analysis.api.errors import PROBLEM_CONTENT
from media_analysis.api.schemas.storage import Readiness
from media_analysis.archive.figures import FigureService
from media_analysis.deletion.models import Pause
from media_analysis.errors import DatabaseUnavailable, MediaAnalysisError, StoreUnavailable
from media_analysis.retention.duties import DutyService
from media_analysis.runtime import Runtime
from media_analysis.units import format_instant, round_size

router = APIRouter(tags=["health"])
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_LATE: Final = "the store did not answer in time"
_PATIENCE_SECONDS: Final = 1.0
"""How long a scrape waits for the store: the metrics of a bucket's outage are wanted most while it lasts."""
_METRICS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {_TEXT: {"schema": {"type": "string"}, "example": "storage_free_bytes 5.2e+10\n"}}},
    404: {"content": PROBLEM_CONTENT, "description": "Metrics are switched off"},
}


@router.get("/healthz")
async def live() -> dict[str, str]:
    """Answer as long as the event loop turns."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"model": Readiness}})
async def ready(request: Request, response: Response, services: Serving) -> Readiness:
    """Check database, store, marker and free disk, each within the database's deadline.

    Database and disk are written to, at most every five seconds however many ask. Also says whether deletion is
    paused or eviction off, which leaves the service ready: files come in and go out as ever.
    """
    draining = bool(getattr(request.app.state, "draining", False))
    database, marker, disk, deletion = await asyncio.gather(
        _database(services), _marker(services), _disk(services), _deletion(services)
    )
    checks = {"database": database, "marker": marker, "disk": disk, "process": "draining" if draining else "ok"}
    is_ready = all(said == "ok" for said in checks.values())
    if not is_ready:
        response.status_code = 503
    off = services.retention.status.not_evicting
    eviction = "ok" if off is None else f"off: {off}"
    return Readiness(
        ready=is_ready,
        instance_id=services.store.instance_id,
        checks={**checks, "deletion": deletion, "eviction": eviction},
    )


@router.get("/metrics", response_class=Response, responses=_METRICS)
async def metrics(services: Serving) -> Response:
    """Return the metrics in the Prometheus text format; storage figures are absent while the database is away.

    404 where storage.monitoring.metrics_enabled is false.
    """
    if not services.metrics.served:
        raise HTTPException(404)
    pool = services.db.engine.pool
    if isinstance(pool, QueuePool):
        services.metrics.set_pool(in_use=pool.checkedout(), idle=pool.checkedin())
    try:
        stats, backlog, pauses, waiting, lives, duties = await asyncio.gather(
            services.retention.status.stats(owner=None),
            services.retention.status.backlog(),
            services.deletion.pauses.list(is_open=True),
            services.jobs.catalog.list_waiting(),
            services.retention.status.lives(owner=None),
            DutyService(services.db).list(),
        )
        figures = await FigureService.of(services.archives).read()
        services.metrics.set_records(await services.records.list(patience_seconds=_PATIENCE_SECONDS))
        services.metrics.set_storage(stats, backlog)
        services.metrics.set_pauses(pauses)
        services.metrics.set_duties(duties)
        services.metrics.set_waiting_jobs(waiting)
        services.metrics.archives.set_lives(lives)
        services.metrics.archives.set_figures(figures)
        if services.replication is not None:
            services.metrics.replica.set_lag(await services.replication.status.lag())
            services.metrics.replica.set_away(services.replication.store.replica.away_because is not None)
    except MediaAnalysisError:
        pass  # the gauges keep their last values, and readiness tells what is wrong
    return Response(services.metrics.render(), media_type=_TEXT)


async def _database(services: Runtime) -> str:
    async def answer() -> None:
        async with services.db.read_only() as session:
            await session.execute(text("SELECT 1"))

    try:
        await services.db.retry(answer)
        await services.retention.status.write_probe.require_database()
    except DatabaseUnavailable as error:
        return f"{error.code}: {error.refusal}" if error.refusal else error.code
    except MediaAnalysisError as error:
        return error.code
    return "ok"


async def _marker(services: Runtime) -> str:
    try:
        async with asyncio.timeout(services.db.deadline_seconds):
            await services.store.require_marker()
    except MediaAnalysisError as error:
        return str(error)
    except TimeoutError:
        return _LATE
    return "ok"


async def _disk(services: Runtime) -> str:
    try:
        async with asyncio.timeout(services.db.deadline_seconds):
            free_bytes = (await services.store.capacity()).free_bytes
            await services.retention.status.write_probe.require_store()
    except TimeoutError:
        return _LATE
    except StoreUnavailable as error:
        return f"{error.code}: {error.reason}"
    except MediaAnalysisError as error:
        return error.code
    reserve_bytes = services.retention.status.reserve_bytes
    if free_bytes < reserve_bytes:
        return f"{round_size(free_bytes)} free, reserve is {round_size(reserve_bytes)}"
    return "ok"


async def _deletion(services: Runtime) -> str:
    async def look() -> Sequence[Pause]:
        return await services.deletion.pauses.list(is_open=True)

    try:
        pauses = await services.db.retry(look)
    except MediaAnalysisError as error:
        return error.code
    return f"paused: {'; '.join(map(_told, pauses))}" if pauses else "ok"


def _told(pause: Pause) -> str:
    where = "" if pause.category is None else f"{pause.category.value}: "
    what = "only evictions: " if pause.cause.stops_evictions_only else ""
    return f"{what}{where}{pause.reason} (since {format_instant(pause.paused_at)})"
