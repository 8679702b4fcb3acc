"""Taking files back out of the trash: one, those of a job, or all that one sweep took."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Interval, TextClause, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.audit import ADD_EVENTS, Act, Action, add_events
from media_analysis.columns import CATEGORY
from media_analysis.db.database import Database, retried
from media_analysis.db.ids import find_ids
from media_analysis.errors import FileNotTrashed, SweepNotFound
from media_analysis.failpoints import failpoint
from media_analysis.files import ledger
from media_analysis.files.ledger import Account, Movement
from media_analysis.files.models import MediaFile
from media_analysis.files.queries import get_file
from media_analysis.files.service import raise_gone, require_living
from media_analysis.files.transitions import RESTORE
from media_analysis.jobs import restoring
from media_analysis.retention.models import Sweep
from media_analysis.retention.records import get_sweep
from media_analysis.states import FileState

BATCH: Final = 2_000
_FIRST: Final = UUID(int=0)


class Restoration(NamedTuple):
    """How many files are back, and how many of those asked for cannot come back, or did before."""

    restored: int
    skipped: int


class Restorable(NamedTuple):
    """What would come back, and until when all of it can; None where there is nothing, or more than was looked at."""

    files: int
    size_bytes: int
    until: datetime | None
    has_more: bool = False
    """Whether it may be more: no more files were looked at."""


@dataclass(frozen=True, slots=True)
class _Trash:
    """A part of the trash: a condition on `media_files`, and what it asks for."""

    condition: str
    values: dict[str, Any]

    def look(self) -> TextClause:
        """Find its next files after one."""
        return text(
            f"SELECT id FROM media_files WHERE state = 'trashed' AND {self.condition} AND id > :after "  # noqa: S608 - constants
            "ORDER BY id LIMIT :limit"
        )

    def lock(self) -> TextClause:
        """Lock those of what was found that are still of it, in one order everywhere: none waits in a circle.

        It waits for whoever holds a row, and passes over those that are no longer in the trash then.
        """
        return text(
            f"SELECT id FROM media_files WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'trashed' "  # noqa: S608 - as above
            f"AND {self.condition} ORDER BY id FOR UPDATE"
        )

    def count(self) -> TextClause:
        return text(f"SELECT count(*) FROM media_files WHERE state = 'trashed' AND {self.condition}")  # noqa: S608 - as above

    def sum(self) -> TextClause:
        return text(
            "SELECT count(*), coalesce(sum(size_bytes), 0)::bigint, min(trash_ends_at) FROM (SELECT * FROM media_files "  # noqa: S608 - as above
            f"WHERE state = 'trashed' AND {self.condition} LIMIT :most) AS found"
        )


# All parts see the rows as they were before: the event tells what the row forgets. Minimum retention was weighed
# when the file was thrown away and may still run; its category's lifetime is over once the file has expired.
_RESTORE = (
    text(f"""
    WITH timed AS (
        SELECT file.id, events.event_id, file.expires_at <= :now AS ended,
            CASE WHEN file.expires_at <= :now
                THEN :now + coalesce(make_interval(secs => policy.lifetime_seconds), :otherwise)
                ELSE file.expires_at
            END AS ends_at
        FROM unnest(CAST(:ids AS uuid[]), CAST(:event_ids AS uuid[])) AS events(id, event_id)
        JOIN media_files AS file USING (id) LEFT JOIN category_policies AS policy USING (category)
        WHERE file.state = 'trashed'
    ), told AS (
        {ADD_EVENTS}
        SELECT event_id, :actor, :action, owner, file.id, job_id, trash_sweep_id, trash_rule, jsonb_build_object(
            'trashed_at', trashed_at, 'trashed_by', trashed_by, 'reason', trash_reason,
            'rule', trash_rule, 'sweep_id', trash_sweep_id, 'restorable_until', trash_ends_at, 'expires_at', ends_at
        ) FROM media_files AS file JOIN timed ON timed.id = file.id
    ), moved AS (
        {RESTORE}
    )
    {ledger.SUM_MOVED}
""")  # noqa: S608 - fragments of ours
    .bindparams(bindparam("otherwise", type_=Interval))
    .columns(category=CATEGORY)
)


@dataclass(frozen=True)
class RestoreService:
    """Gives back what the trash still holds, byte for byte: bytes in the trash never moved.

    A file whose end has passed meanwhile gets a new one of its own: its category's lifetime from now on, or
    `otherwise` where the category is indefinite. A deleted job comes back with the first of its files.
    """

    db: Database
    otherwise: timedelta
    batch_size: int = BATCH

    @retried
    async def restore(self, file_id: UUID, *, owner: str | None, actor: str, now: datetime | None = None) -> MediaFile:
        """Return the file, living again.

        Raises:
            FileNotFound, FileGone: unknown, or gone for good.
            FileNotTrashed: it was not deleted.

        """
        now = now or await self.db.now()
        async with self.db.transaction() as session:
            job_ids, segments = await restoring.lock_jobs_of(session, [file_id], owner=owner)
            query = select(MediaFile.state).where(MediaFile.id == file_id).with_for_update()
            state = await session.scalar(query if owner is None else query.where(MediaFile.owner == owner))
            if state is None:
                await raise_gone(session, file_id, owner=owner)
            if state is not FileState.TRASHED:
                await require_living(session, file_id, owner=owner, now=now)
                raise FileNotTrashed(file_id)
            await self._restore(session, [*{file_id, *segments}], job_ids=job_ids, actor=actor, now=now)
            found = await get_file(session, file_id, owner=owner, now=now)
        failpoint("restore.restored")
        if found is None:
            raise AssertionError(file_id)  # its row is locked
        return found[0]

    @retried
    async def restore_job(
        self, job_id: UUID, *, owner: str | None, actor: str, now: datetime | None = None
    ) -> Restoration:
        """Restore a job, its results and its files that are in the trash; those purged while this ran are skipped.

        Raises:
            JobNotFound, JobGone: unknown, somebody else's, or gone for good.

        """
        now = now or await self.db.now()
        mine = _Trash(
            "job_id = :job_id AND owner = coalesce(CAST(:owner AS text), owner)", {"job_id": job_id, "owner": owner}
        )
        async with self.db.transaction() as session:
            segments = await restoring.lock_restorable(session, job_id, owner=owner, now=now)
            wanted: int = (await session.execute(mine.count(), mine.values)).scalar_one()
            if segments:  # a run and its archive come back as they go, together
                await self._restore(session, segments, job_ids=[job_id], actor=actor, now=now)
            else:
                await restoring.bring_back(session, [job_id], actor=actor, now=now, otherwise=self.otherwise)
            failpoint("restore.restoring_job")
        restored = len(segments) + await self._restore_all(mine, actor=actor, now=now)
        return Restoration(restored, max(0, wanted - restored))

    async def find_sweeps(self, digits: str, *, limit: int) -> Sequence[UUID]:
        """Return the ids of sweeps that begin or end with these hexadecimal digits."""
        async with self.db.read_only() as session:
            return await find_ids(session, Sweep.id, digits, limit=limit)

    async def preview_undo(self, sweep_id: UUID, *, most: int) -> Restorable:
        """Return what of a sweep is still in the trash; of more than `most` files, what these come to."""
        trash = _taken_by(sweep_id)

        async def read() -> Restorable:
            async with self.db.read_only() as session:
                found = await session.execute(trash.sum(), {**trash.values, "most": most})
            files, size_bytes, until = found.one()
            return Restorable(files, size_bytes, until if files < most else None, files >= most)

        return await self.db.retry(read)

    async def undo(self, sweep_id: UUID, *, actor: str, now: datetime | None = None) -> Restoration:
        """Restore everything a sweep took that is still in the trash, and write down that it was undone.

        A batch is a transaction: what breaks off goes on when it is asked for again. Skipped is what that sweep
        took and this call did not bring back: purged since or at once, or restored before.

        Raises:
            SweepNotFound: there is none of this id.

        """
        async with self.db.read_only() as session:
            sweep = await get_sweep(session, sweep_id)
        if sweep is None:
            raise SweepNotFound(sweep_id)
        restored = await self._restore_all(_taken_by(sweep_id), actor=actor, now=now)
        undone = Restoration(restored, max(0, _taken(sweep) - restored))
        async with self.db.transaction() as session:
            await add_events(
                session, [Act(actor=actor, action=Action.UNDONE, sweep_id=sweep_id, details=undone._asdict())]
            )
        return undone

    async def _restore_all(self, trash: _Trash, *, actor: str, now: datetime | None) -> int:
        now = now or await self.db.now()
        restored, after = 0, _FIRST
        while True:
            last, count = await self._restore_batch(trash, after=after, actor=actor, now=now)
            restored += count
            failpoint("restore.restored_batch")
            if last is not None:
                after = last
            elif after == _FIRST:
                return restored
            else:
                after = _FIRST  # a sweep that still runs may have thrown away more behind us

    @retried
    async def _restore_batch(self, trash: _Trash, *, after: UUID, actor: str, now: datetime) -> tuple[UUID | None, int]:
        """Return the last file looked at, if any, and how many were restored."""
        async with self.db.transaction() as session:
            asked = {**trash.values, "after": after, "limit": self.batch_size}
            found: Sequence[UUID] = (await session.scalars(trash.look(), asked)).all()
            if not found:
                return None, 0
            job_ids, segments = await restoring.lock_jobs_of(session, found, owner=None)
            ids: Sequence[UUID] = (await session.scalars(trash.lock(), {**trash.values, "ids": list(found)})).all()
            back = {*ids, *segments} if ids else set()
            if back:
                await self._restore(session, [*back], job_ids=job_ids, actor=actor, now=now)
            return found[-1], len(back)

    async def _restore(
        self, session: AsyncSession, ids: Sequence[UUID], *, job_ids: Sequence[UUID], actor: str, now: datetime
    ) -> None:
        rows = await session.execute(
            _RESTORE,
            {
                "ids": ids,
                "event_ids": [uuid7() for _ in ids],
                "actor": actor,
                "action": Action.RESTORED.value,
                "now": now,
                "otherwise": self.otherwise,
            },
        )
        back = [
            (Account(row.owner, row.category), Movement(trashed_files=-row.files, trashed_bytes=-row.size_bytes))
            for row in rows
        ]
        await restoring.bring_back(session, job_ids, actor=actor, now=now, otherwise=self.otherwise)
        await restoring.show_results(session, ids, now=now, otherwise=self.otherwise)
        await ledger.move(session, back)
        failpoint("restore.restoring")


def _taken_by(sweep_id: UUID) -> _Trash:
    return _Trash("trash_sweep_id = :sweep_id", {"sweep_id": sweep_id})


def _taken(sweep: Sweep) -> int:
    """Return how many files a sweep took, into the trash or for good; a rehearsal took none."""
    if sweep.dry_run:
        return 0
    tallies = sweep.categories.values()
    return sum(tally.get("files_removed", 0) + tally.get("files_trashed", 0) for tally in tallies)
