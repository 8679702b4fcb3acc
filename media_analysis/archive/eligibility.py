"""What of a run goes into its archive, and until when that is kept, spelled once: of rows as text, of one in Python."""

from datetime import datetime, timedelta
from typing import Final, Protocol

from media_analysis.columns import living
from media_analysis.files.dates import protection
from media_analysis.jobs.models import AnalysisJob
from media_analysis.states import FileState
from media_analysis.storage.category import SCRATCH, Category

NEVER_ARCHIVED: Final = SCRATCH | {Category.ARCHIVES}
_NEVER: Final = ", ".join(sorted(f"'{category.value}'" for category in NEVER_ARCHIVED))


class ArchivableFile(Protocol):
    """What decides whether a file goes; a row of `media_files` has it all."""

    @property
    def state(self) -> str: ...
    @property
    def category(self) -> Category: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def expiry_explicit(self) -> bool: ...


def archivable(file: str) -> str:
    """Return the SQL of whether a file is of those that archives are for."""
    return f"{file}.state = 'stored' AND {file}.category NOT IN ({_NEVER})"


def goes(file: str, *, at: str, ends_at: str) -> str:
    """Return the SQL of whether a file goes into an archive that is made at an instant and kept until another.

    What somebody wants gone before the archive goes stays outside, and goes on its own day. Its twin is `does_go`.
    """
    return f"""
        {archivable(file)} AND {living(f"{file}.expires_at", at)} AND NOT ({file}.expiry_explicit
            AND coalesce({file}.expires_at, 'infinity') < coalesce(CAST({ends_at} AS timestamptz), 'infinity'))
    """


def does_go(file: ArchivableFile, *, at: datetime, ends_at: datetime | None) -> bool:
    """Say of one file what `goes` says of rows; `ends_at=None` is an archive that is kept for ever."""
    expires_at = file.expires_at
    if file.state != FileState.STORED or file.category in NEVER_ARCHIVED or (expires_at and expires_at <= at):
        return False
    goes_sooner = expires_at is not None and (ends_at is None or expires_at < ends_at)
    return not (file.expiry_explicit and goes_sooner)


def stays_in_place(file: str, at: str) -> str:
    """Return the SQL of whether a file keeps its run out of the archive; a minimum retention keeps only the archive."""
    return f"{file}.state = 'stored' AND {protection(file, at)} <> 'minimum_retention'"


def archive_end(job_id: str, run_end: str) -> str:
    """Return the SQL of when the archive of a run goes: with the run, and not before what of it is kept longer.

    `infinity` is never.
    """
    return f"""(
        SELECT CASE WHEN bool_or(own.expiry_explicit AND own.expires_at IS NULL) THEN 'infinity' ELSE greatest(
            CAST({run_end} AS timestamptz), max(own.expires_at) FILTER (WHERE own.expiry_explicit),
            max(own.min_retain_until)
        ) END FROM media_files AS own WHERE own.job_id = {job_id} AND {archivable("own")}
    )"""  # noqa: S608 - fragments of ours


def run_end(job: AnalysisJob, kept_for: timedelta) -> datetime:
    """Return when a run that is over ends, if none of its files is kept longer."""
    return job.expires_at or (job.restored_at or job.completed_at or job.created_at) + kept_for
