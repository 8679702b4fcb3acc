"""Time that passes over runs: sweeps of later days, and runs that ended long ago."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepReport, SweepRequest
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.conftest import execute, fetch

DAY = timedelta(days=1)


async def sweep(runtime: Runtime, *categories: Category, later: timedelta = timedelta()) -> SweepReport:
    asked = SweepRequest(categories=categories, trigger=SweepTrigger.API, actor="test")
    return await runtime.retention.sweeps.run(asked, now=await runtime.db.now() + later)


async def age(database: str, job_id: UUID, days: float) -> None:
    """Let a run have begun and ended so many days ago."""
    instants = ("created_at", "started_at", "completed_at", "archived_at", "expires_at")
    moved = ", ".join(f"{name} = {name} - interval '{days} days'" for name in instants)
    files = ", ".join(f"{name} = {name} - interval '{days} days'" for name in ("expires_at", "due_at", "stored_at"))
    await execute(
        database,
        f"UPDATE analysis_jobs SET {moved} WHERE id = '{job_id}'",
        f"UPDATE media_files SET {files} WHERE job_id = '{job_id}'",
    )


async def job_row(database: str, job_id: UUID) -> Any:
    return next(iter(await fetch(database, "SELECT * FROM analysis_jobs WHERE id = $1", job_id)), None)


async def end_of(database: str, job_id: UUID) -> tuple[datetime | None, datetime | None]:
    """Return when an archived run ends, and when its archive does."""
    (row,) = await fetch(
        database,
        "SELECT job.expires_at AS run, file.expires_at AS archive FROM analysis_jobs AS job"
        " JOIN media_files AS file ON file.job_id = job.id AND file.role = 'archive' WHERE job.id = $1",
        job_id,
    )
    return row["run"], row["archive"]
