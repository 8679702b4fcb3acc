"""Discarding what a run staged and nobody will store: the run failed, was cancelled or taken over, or it is temp."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import TextClause, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, clock, retried
from media_analysis.deletion import tombstones
from media_analysis.deletion.deleter import Deleter
from media_analysis.deletion.due import FACTS, DueFile
from media_analysis.deletion.tombstones import Claim, Order
from media_analysis.errors import MediaAnalysisError
from media_analysis.failpoints import failpoint
from media_analysis.files.ledger import Account, Movement
from media_analysis.states import RetentionRule
from media_analysis.storage.category import Category

BATCH: Final = 2000
BY: Final = "run"
"""Who the tombstones say asked for it."""

# Rows that a writer still has locked are left to the sweep, when their lease ends.
_LOCK: Final = f"""
    SELECT category::text, {FACTS} FROM media_files
    WHERE state = 'pending' AND {{which}} ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - constants
_LOCK_STAGED: Final = text(
    _LOCK.format(
        which="job_id = ANY(CAST(:job_ids AS uuid[])) AND role IS NOT NULL"
        " AND job_fence < coalesce(CAST(:before AS bigint), 9223372036854775807)"
    )
)
_LOCK_UPLOADS: Final = text(_LOCK.format(which="id = ANY(CAST(:ids AS uuid[]))"))
log = structlog.get_logger()


@dataclass(frozen=True)
class DiscardService:
    """Deletes the staged products of runs that are over; whatever it leaves the sweep takes when their lease ends."""

    db: Database
    deleter: Deleter

    async def discard(self, job_id: UUID, *, before_fence: int | None = None) -> int:
        """Delete what runs of a job staged, of those before a fence or all; return how many files went.

        Never raises what the database or the store says: nothing here was promised to anybody.
        """
        return await self._discard(_LOCK_STAGED, {"job_ids": [job_id], "before": before_fence})

    async def discard_all(self, job_ids: Sequence[UUID]) -> int:
        """Delete what all runs of many jobs staged, as `discard` does."""
        return await self._discard(_LOCK_STAGED, {"job_ids": list(job_ids), "before": None})

    async def discard_uploads(self, ids: Sequence[UUID]) -> int:
        """Delete uploads that are still pending, of many; return how many files went, as `discard` does."""
        return await self._discard(_LOCK_UPLOADS, {"ids": list(ids)})

    async def _discard(self, which: TextClause, asked: Mapping[str, Any]) -> int:
        discarded = 0
        try:
            while claims := await self._claim(which, asked):
                for claim in claims:
                    discarded += len(claim.files)
                    await self.deleter.purge(claim)
        except MediaAnalysisError as error:
            log.warning("uploads.left_pending", reason=error.code)
        return discarded

    @retried
    async def _claim(self, which: TextClause, asked: Mapping[str, Any]) -> Sequence[Claim]:
        await self.deleter.store.require_marker()
        async with self.db.transaction() as session:
            claims = await _bury(session, which, asked)
            failpoint("job.discarding")
        failpoint("job.discarded")
        return claims


async def _bury(session: AsyncSession, which: TextClause, asked: Mapping[str, Any]) -> Sequence[Claim]:
    found: dict[Category, list[DueFile]] = {}
    for category, *facts in await session.execute(which, {**asked, "limit": BATCH}):
        found.setdefault(Category(category), []).append(DueFile._make(facts))
    if not found:  # as after most runs
        return ()
    order = Order(now=(await session.execute(select(clock(None)))).scalar_one(), requested_by=BY)
    claims: list[Claim] = []
    freed: list[tuple[Account, Movement]] = []
    for category, files in found.items():
        buried, given_back = await tombstones.write_tombstones(
            session, {RetentionRule.UPLOAD_ABANDONED: files}, order, category=category
        )
        claims += buried
        freed += given_back
    await tombstones.settle_ledger(session, freed)
    return claims
