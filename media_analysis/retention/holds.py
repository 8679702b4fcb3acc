"""Holds on files and on whole jobs, and new ends for jobs: each in one transaction with its audit events."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database, retried
from media_analysis.errors import AdminRequired, FileNotReady, InvalidRequest
from media_analysis.failpoints import failpoint
from media_analysis.files.expiry import Expiry
from media_analysis.files.models import MediaFile
from media_analysis.files.protection import Hold, lock_file, mark_held
from media_analysis.files.service import raise_gone, require_living
from media_analysis.jobs import protection
from media_analysis.jobs.models import AnalysisJob
from media_analysis.jobs.protection import hold_of
from media_analysis.jobs.queries import require_job
from media_analysis.policy.decision import find_hold
from media_analysis.states import FOREVER, FileState


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldRequest:
    """Who wants what held, until when, and why."""

    actor: str
    reason: str
    until: datetime | None = None
    """None is until somebody releases it."""

    def hold(self, now: datetime) -> Hold:
        """Return the hold asked for.

        Raises:
            InvalidRequest: it would have ended already.

        """
        if self.until is not None and self.until <= now:
            raise InvalidRequest("until", "must lie in the future")
        until = FOREVER if self.until is None else self.until.astimezone(UTC)
        return Hold(until=until, reason=self.reason, by=self.actor)


@dataclass(frozen=True)
class HoldService:
    """Holds, releases and extends; `owner=None` is an administrator, who may do so to everybody's.

    What an administrator holds, its owner can neither release nor hold in another way.
    """

    db: Database

    async def hold_file(
        self, file_id: UUID, asked: HoldRequest, *, owner: str | None, now: datetime | None = None
    ) -> Hold:
        """Keep a file, in the trash too, whatever its expiry says; a hold of its own before this one is replaced.

        Once this returned no claim takes the file; one that came first leaves nothing to hold.

        Raises:
            FileNotFound, FileGone, FileNotReady: there is nothing to hold.
            AdminRequired: an administrator holds it.
            InvalidRequest: the hold would end in the past.

        """

        async def write() -> Hold:
            async with self.db.transaction() as session:
                file, at = await self._require_holdable(session, file_id, owner=owner, now=now)
                _require_right(file, owner, at)
                hold = asked.hold(at)
                await mark_held(session, file_id, hold)
                await add_events(session, [_told(Action.HELD, hold, asked.actor, file)])
                failpoint("hold.holding")
            failpoint("hold.held")
            return hold

        return await self.db.retry(write)

    async def release_file(self, file_id: UUID, *, owner: str | None, actor: str, now: datetime | None = None) -> None:
        """Take a file's own hold away; it is due at once if its time has come. Its job's hold stays.

        Raises:
            FileNotFound, FileGone, FileNotReady: there is nothing to release.
            AdminRequired: an administrator holds it.

        """

        async def write() -> None:
            async with self.db.transaction() as session:
                file, at = await self._require_holdable(session, file_id, owner=owner, now=now)
                _require_right(file, owner, at)
                hold = hold_of(file)
                if hold is not None:
                    await mark_held(session, file_id, None)
                    await add_events(session, [_told(Action.RELEASED, hold, actor, file)])
                failpoint("hold.releasing")
            failpoint("hold.released")

        await self.db.retry(write)

    @retried
    async def hold_job(
        self, job_id: UUID, asked: HoldRequest, *, owner: str | None, now: datetime | None = None
    ) -> tuple[Hold, int]:
        """Keep every file a job has or will get; return the hold and how many files it has now.

        Files keep the holds of their own beside it.

        Raises:
            JobNotFound, JobGone: there is no such job.
            AdminRequired, InvalidRequest: as for a file.

        """
        async with self.db.transaction() as session:
            job, at = await require_job(session, job_id, owner=owner, now=now, lock=True)
            _require_right(job, owner, at)
            hold = asked.hold(at)
            files = await protection.mark_job_held(session, job_id, hold)
            await add_events(session, [_told(Action.HELD, hold, asked.actor, job, files=files)])
            failpoint("job.holding")
        failpoint("job.held")
        return hold, files

    @retried
    async def release_job(self, job_id: UUID, *, owner: str | None, actor: str, now: datetime | None = None) -> None:
        """Take a job's hold away from it and from its files, which keep those of their own.

        Raises:
            JobNotFound, JobGone: there is no such job.
            AdminRequired: as for a file.

        """
        async with self.db.transaction() as session:
            job, at = await require_job(session, job_id, owner=owner, now=now, lock=True)
            _require_right(job, owner, at)
            hold = hold_of(job)
            files = await protection.mark_job_held(session, job_id, None)
            if hold is not None:
                await add_events(session, [_told(Action.RELEASED, hold, actor, job, files=files)])
            failpoint("job.releasing")
        failpoint("job.released")

    @retried
    async def extend_job(
        self, job_id: UUID, expiry: Expiry, *, owner: str | None, actor: str, now: datetime | None = None
    ) -> tuple[datetime | None, int]:
        """Set when a job, its stored, living files and its results end; return that and how many files it moved.

        What has expired, or lies in the trash, stays as it is; what is being uploaded keeps the end it asked for.

        Raises:
            JobNotFound: unknown, or somebody else's.
            JobGone: deleted.

        """
        async with self.db.transaction() as session:
            job, at = await require_job(session, job_id, owner=owner, now=now, lock=True)
            expires_at = _end_of(expiry, at)
            file_ids = await protection.mark_job_extended(session, job_id, expires_at, now=at)
            told = None if expires_at is None else expires_at.isoformat()
            details = {"expires_at": told, "files": len(file_ids)}
            act = Act(actor=actor, action=Action.EXTENDED, owner=job.owner, job_id=job_id, details=details)
            await add_events(session, [act])
            await protection.add_file_events(session, act, file_ids)
            failpoint("job.extending")
        failpoint("job.extended")
        return expires_at, len(file_ids)

    async def _require_holdable(
        self, session: AsyncSession, file_id: UUID, *, owner: str | None, now: datetime | None
    ) -> tuple[MediaFile, datetime]:
        """Lock a file whose bytes are promised to somebody: living, restorable, or held although it expired."""
        found = await lock_file(session, file_id, owner=owner, now=now)
        if found is None:
            await raise_gone(session, file_id, owner=owner)
        file, at = found
        if file.state is FileState.PENDING:
            raise FileNotReady(file_id)
        restorable = file.state is FileState.TRASHED and (file.trash_ends_at is None or file.trash_ends_at > at)
        if not (restorable or find_hold(file, at)):
            await require_living(session, file_id, owner=owner, now=now)
        return found


def _end_of(expiry: Expiry, now: datetime) -> datetime | None:
    if expiry.lifetime is not None:
        return now + expiry.lifetime
    return None if expiry.at is None else expiry.at.astimezone(UTC)


def _require_right(row: MediaFile | AnalysisJob, owner: str | None, now: datetime) -> None:
    """Refuse an owner who would undo what an administrator holds; only the two of them can have placed it."""
    hold = hold_of(row)
    if owner is not None and hold is not None and hold.until > now and hold.by != row.owner:
        raise AdminRequired


def _told(action: Action, hold: Hold, actor: str, row: MediaFile | AnalysisJob, *, files: int | None = None) -> Act:
    details = hold.facts() if files is None else {**hold.facts(), "files": files}
    return Act(
        actor=actor,
        action=action,
        owner=row.owner,
        file_id=row.id if isinstance(row, MediaFile) else None,
        job_id=row.id if isinstance(row, AnalysisJob) else None,
        reason=hold.reason,
        details=details,
    )
