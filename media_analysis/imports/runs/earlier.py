"""What is known of an id that an old run claims as its own."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.imports.runs.outcomes import Known, PassedOver, Refused
from media_analysis.jobs.models import AnalysisJob

KIND: Final = "imported"
"""The kind of runs that were imported and do not say what they were."""
UNDER_WAY: Final = "its import is under way"
"""Why a run is held until all its files are there: neither a sweep nor the archiver meets half of it."""

_DELETED: Final = text("""
    SELECT EXISTS (SELECT FROM job_audit WHERE job_id = :id)
        OR EXISTS (SELECT FROM analysis_jobs WHERE id = :id AND deleted_at IS NOT NULL)
""")
_FOLDER_TAKEN: Final = text("SELECT EXISTS (SELECT FROM analysis_jobs WHERE folder_name = :folder_name AND id <> :id)")


class Coverage(StrEnum):
    """How much of a run is ours."""

    NONE = "none"
    SOME = "some"
    """Its import did not come to its end."""
    ALL = "all"


@dataclass(frozen=True, slots=True)
class EarlierImport:
    """The run of a folder, if it was imported before."""

    coverage: Coverage
    job: AnalysisJob | None = None


async def stand(session: AsyncSession, job_id: UUID, *, owner: str, names: frozenset[str]) -> EarlierImport:
    """Return how much of the run with one of these names is ours.

    Raises:
        PassedOver: it was deleted.
        Known: it is archived by now.
        Refused: the id is that of another job.

    """
    job = await session.get(AnalysisJob, job_id)
    if (await session.execute(_DELETED, {"id": job_id})).scalar_one():
        raise PassedOver("it was deleted since; importing it again would undo that")
    if job is None:
        return EarlierImport(Coverage.NONE)
    if job.kind != KIND or job.owner != owner or not names & {job.name, job.folder_name}:
        raise Refused(f"its id, {job_id}, is that of another job")
    if job.archived_at is not None:
        raise Known("it is archived by now")
    return EarlierImport(Coverage.SOME if job.hold_reason == UNDER_WAY else Coverage.ALL, job)


async def require_free(session: AsyncSession, job_id: UUID, folder_name: str) -> None:
    """Return if no job has this id or this folder name.

    Raises:
        Refused: one has, or had.

    """
    if (await session.execute(_DELETED, {"id": job_id})).scalar_one():
        raise Refused(f"its job, {job_id}, was deleted since")
    if await session.get(AnalysisJob, job_id) is not None:
        raise Refused(f"its id, {job_id}, is that of another job")
    if (await session.execute(_FOLDER_TAKEN, {"id": job_id, "folder_name": folder_name})).scalar_one():
        raise Refused(f"its folder name, {folder_name}, is that of another job")
